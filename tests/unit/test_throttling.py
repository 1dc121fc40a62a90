"""What each counter holds, and for how long: the figures of docs/security.md."""

from __future__ import annotations

from uuid import UUID

import pytest

from core.adapters.crypto.pseudonyms import HmacPseudonyms
from core.adapters.memory.cache import MemoryCache
from core.domain.requests import RequestContext
from core.ports.session_stores import Bucket
from core.services.refusals import Refusals
from core.services.throttling import Throttling
from core.services.turns import Turns
from tests.support.storage import settings_for

NAMES = HmacPseudonyms(b"k" * 32)
THROTTLING = Throttling(
    settings=settings_for("postgresql://nobody@127.0.0.1/none"),
    pseudonyms=NAMES,
    refusals=Refusals(pseudonyms=NAMES, cache=MemoryCache()),
    turns=Turns(at_once=2),
)
SOMEBODY = UUID("0190b2c2-0000-7000-8000-0000000000ff")
OWN, OTHER = (
    THROTTLING.guesses("account", RequestContext(request_id="x"), known_address=known)
    for known in (True, False)
)
QUARTER, HOUR = 900, 3600


@pytest.mark.parametrize(
    ("buckets", "figures"),
    [
        (OWN, [(10, QUARTER, 32)]),
        (OTHER, [(10, QUARTER, None), (100, HOUR, None)]),
        ((THROTTLING.mails("reset", "ada@example.com"),), [(5, HOUR, None)]),
        ((THROTTLING.denials(SOMEBODY, "permission-denied", "users:read"),), [(10, HOUR, None)]),
    ],
)
def test_so_many_within_a_time(
    buckets: tuple[Bucket, ...], figures: list[tuple[int, int, int | None]]
) -> None:
    assert [(it.limit, it.window, it.at_once) for it in buckets] == figures
