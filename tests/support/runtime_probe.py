"""A function that does what its event says, to try the runtime emulator with."""

from __future__ import annotations

import os
import time
from typing import Any


def answer(event: Any, context: Any) -> Any:
    if event.get("raise"):
        raise ValueError(event["raise"])
    if event.get("exit"):
        os._exit(int(event["exit"]))
    time.sleep(event.get("sleep", 0))
    return {
        "event": event,
        "request_id": context.aws_request_id,
        "remaining": context.get_remaining_time_in_millis(),
        "pid": os.getpid(),
        "setting": os.environ.get("PROBE"),
    }
