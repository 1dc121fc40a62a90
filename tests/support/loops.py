"""Waits of tests that count the rounds of an event loop, and no time."""

from __future__ import annotations

import asyncio

ROUNDS = 10
"""More than any callback here takes until its last consequence."""


async def settled() -> None:
    """Lets the running loop do what is ready, and what that makes ready."""
    for _ in range(ROUNDS):
        await asyncio.sleep(0)
