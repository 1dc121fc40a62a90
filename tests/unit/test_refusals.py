"""Remembered refusals: from the fifth on, for a minute at most."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.adapters.crypto.pseudonyms import HmacPseudonyms
from core.adapters.memory.cache import MemoryCache
from core.domain.requests import RequestContext
from core.ports.session_stores import Bucket, Exceeded
from core.services.refusals import PAIR, Refusals
from tests.support.clock import START
from tests.support.redis_places import Stopwatch

HERE = RequestContext(request_id="x")


@pytest.mark.parametrize(("left", "seconds"), [(900, 60), (20, 20)])
def test_a_refusal_is_remembered_for_a_minute_at_most(left: int, seconds: int) -> None:
    """And no longer than it lasts."""
    watch = Stopwatch()
    names = HmacPseudonyms(b"k" * 32)
    refusals = Refusals(pseudonyms=names, cache=MemoryCache(seconds=watch))
    bucket = Bucket(key=b"x", limit=10, window=900, policy=PAIR)
    ends = START + timedelta(seconds=left)
    for number in range(5):
        assert refusals.find("ada", HERE, now=START) is None, number
        refusals.keep("ada", HERE, Exceeded(bucket=bucket, ends=ends, first=False), now=START)
    watch.advance(seconds - 1)
    found = refusals.find("ada", HERE, now=START + timedelta(seconds=seconds - 1))
    assert found is not None
    assert found.retry_after == left - seconds + 1
    watch.advance(1)
    assert refusals.find("ada", HERE, now=START) is None
