"""Who calls is found out for ten requests at once, on ten connections."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from starlette.requests import Request

from handler.http.auth import SignedCall
from handler.http.exchange import EXCHANGE, Exchange, Head, Trace


class Meeting:
    """In the place of the use case: each look at a session waits for nine others."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(10)

    def principal(self, claims: object) -> Any:
        self._barrier.wait(30)
        return SimpleNamespace(user=SimpleNamespace(id=claims), session_id=claims)


def test_ten_callers_are_looked_up_at_once() -> None:
    """On Python 3.11 too, where a lock of functools.cached_property once let one in at a time."""
    core = SimpleNamespace(authentication=Meeting())
    app = SimpleNamespace(state=SimpleNamespace(core=core, shares=None))

    def call(number: int) -> object:
        exchange = Exchange(head=Head(), request_id="r", trace=Trace("t", "s", "00"), log={})
        exchange.claims = number  # type: ignore[assignment]
        scope = {"type": "http", "method": "GET", "headers": [], "app": app, EXCHANGE: exchange}
        return SignedCall(Request(scope)).identity.user.id

    with ThreadPoolExecutor(10) as threads:
        assert list(threads.map(call, range(10))) == list(range(10))
