"""What schemathesis imports: who calls, and which of its findings are none."""

from __future__ import annotations

import os
from typing import Any

import schemathesis

from core.bootstrap import build_core
from core.config import Settings
from tests.fuzz.callers import ROLES, Caller
from tests.fuzz.exceptions import exempt

_CALLER = os.environ["FUZZ_CALLER"]


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether it counts."""
    return not exempt(type(failure).__name__, response.content)


if _CALLER in ROLES:
    _CORE = build_core(Settings.from_environ(os.environ))

    # A cached token would outlive its session.
    @schemathesis.auth(refresh_interval=None)
    class LivingToken:
        """A bearer token that works at the time of the request."""

        caller = Caller(_CORE, ROLES[_CALLER])

        def get(self, case: Any, context: Any) -> str:
            return self.caller.token()

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}
