"""`user-api` commands as processes of their own, with their output and their children in sight."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from core.config import Settings, env_name
from tests.support.log_review import review

SECONDS = 90.0

# What they print is their log; that of `dev` is for people.
_SERVICES = frozenset({"serve", "worker"})
_SETTINGS = frozenset(env_name(each) for each in fields(Settings))


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's, with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    return {**kept, **settings}


def run_command(
    *arguments: str, settings: Mapping[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    """`user-api` with these arguments, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "handler.cli", *arguments],
        env=clean_environment(settings),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@contextmanager
def _heard_hangups() -> Iterator[None]:
    """What is started meanwhile does not ignore them, though this process may run under nohup."""
    before = signal.getsignal(signal.SIGHUP)
    if before is not signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@dataclass
class Command:
    """A running command in a process group of its own, as a shell starts it."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls, *arguments: str, settings: Mapping[str, str], cwd: Path, files: int | None = None
    ) -> Self:
        """`files` is how many it may open at once, if not as many as this process."""
        command = [sys.executable, "-m", "handler.cli", *arguments]
        if files is not None:
            command = ["/bin/sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
        log = cwd / f"{arguments[0]}-{time.monotonic_ns()}.log"
        if arguments[0] in _SERVICES:
            review(log)
        with log.open("wb") as output, _heard_hangups():
            process = subprocess.Popen(
                command,
                env=clean_environment(settings),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        return cls(process, log)

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def wait_for(self, text: str) -> None:
        """Until the output holds it; fails when the command ends first."""
        self.wait_until(lambda: text in self.output, what=repr(text))

    def wait_until(self, holds: Callable[[], bool], *, what: str) -> None:
        ends = time.monotonic() + SECONDS
        while not holds():
            assert self.process.poll() is None, f"it ended before {what}:\n{self.output[-4000:]}"
            assert time.monotonic() < ends, f"no {what} in {SECONDS:g} s:\n{self.output[-4000:]}"
            time.sleep(0.02)

    def family(self) -> list[psutil.Process]:
        """The process and all below it."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def interrupt(self) -> int:
        """Ctrl-C in a terminal reaches the whole process group; returns the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(SECONDS)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The signal, to this process alone; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(SECONDS)


def left_over(family: list[psutil.Process]) -> list[psutil.Process]:
    """Those that do not end."""
    ends = time.monotonic() + SECONDS
    while (alive := [each for each in family if _runs(each)]) and time.monotonic() < ends:
        time.sleep(0.05)
    return alive


def _runs(process: psutil.Process) -> bool:
    """A zombie has ended, though its parent has not asked how."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
