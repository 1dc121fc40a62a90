"""Processes beside the one that measures: whoever loads the server, and whoever asks meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from bench.accounts import as_plain
from bench.load_figures import Series
from tests.support.people import LoggedIn
from tests.support.server import ServerProcess

PATIENCE_SECONDS = 60.0
"""How long a process may take beyond what it was told to."""


def port_of(server: ServerProcess) -> int:
    return int(server.url.rpartition(":")[2])


def asked(
    server: ServerProcess,
    seconds: float,
    *,
    readers: Sequence[LoggedIn],
    load: str | None = None,
    honest: Sequence[LoggedIn] = (),
) -> dict[str, Series]:
    """What callers noticed, by kind: those of bench.probing, and honest ones of the load."""
    plan = {
        "port": port_of(server),
        "load": load,
        "seconds": seconds,
        "readers": as_plain(readers),
        "honest": as_plain(honest),
    }
    with running("bench.probing", plan) as process:
        told = result(process, seconds + PATIENCE_SECONDS)
    return {kind: series_of(each) for kind, each in told.items()}


@contextmanager
def running(module: str, plan: Mapping[str, Any]) -> Iterator[subprocess.Popen[str]]:
    # A session of its own: Ctrl-C is for us, and we end it.
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        if process.stdin is None:
            raise RuntimeError("no pipe")
        process.stdin.write(json.dumps(plan) + "\n")
        process.stdin.flush()
        yield process
    finally:
        process.kill()
        process.communicate()


def result(process: subprocess.Popen[str], seconds: float = PATIENCE_SECONDS) -> Any:
    """Its one line; closes its standard input."""
    output, _ = process.communicate(timeout=seconds)
    if process.returncode:
        raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
    return json.loads(output)


def series_of(told: Mapping[str, Any]) -> Series:
    return Series(Counter(told["statuses"]), list(told["seconds"]))
