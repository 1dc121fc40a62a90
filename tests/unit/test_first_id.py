"""Ids that begin with a moment, as the bounds of a range of time."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from core.adapters.postgres.trail import first_id

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "milliseconds"),
    [
        (datetime.min.replace(tzinfo=UTC), 0),
        (EPOCH, 0),
        (EPOCH.replace(microsecond=999), 0),
        (EPOCH.replace(microsecond=1000), 1),
        (datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC), 1_767_323_045_678),
        (datetime.max.replace(tzinfo=UTC), 253_402_300_799_999),
    ],
)
def test_it_is_the_first_of_its_millisecond(moment: datetime, milliseconds: int) -> None:
    """RFC 9562 section 5.7: 48 bits of milliseconds. No id is older than 1970."""
    assert first_id(moment) == UUID(int=milliseconds << 80)
