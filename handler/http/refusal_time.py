"""Refusals that take one time, whatever was computed for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def no_refusal_before(seconds: float, *refusals: type[Exception]) -> AsyncIterator[None]:
    """Holds back `refusals` that its body raises until `seconds` after its beginning.

    Stored hashes differ in cost after a change of settings, and a dummy cannot cost what all of
    them do. No thread and no place is held meanwhile.
    """
    now = asyncio.get_running_loop().time
    earliest = now() + seconds
    try:
        yield
    except refusals:
        await asyncio.sleep(earliest - now())
        raise
