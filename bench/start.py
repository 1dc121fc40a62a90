"""How long a start takes, and how much memory an idle server does.

    python -m bench.start [--write]

Prints a table; `--write` puts it into docs/performance.md too. Exit status 1 when a goal is missed
by more than a factor of two: machines are shared and noisy.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from bench.machine import circumstances
from handler.local.postgres import LocalPostgres
from migrations.runner import upgrade
from scripts.sections import write_section
from tests.support.environment import delivered_environment
from tests.support.processes import SECONDS, Command, clean_environment
from tests.support.server import ServerProcess, free_port

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
ROUNDS = 3
# An idle server is measured once it has nothing left to import.
SETTLE_SECONDS = 2.0
TOLERANCE = 2.0


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Rounds of one measurement; `goal` is the highest median that is good enough."""

    what: str
    unit: str
    rounds: Sequence[float]
    goal: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def far_off(self) -> bool:
        return self.goal is not None and self.median > TOLERANCE * self.goal

    def __str__(self) -> str:
        goal = "" if self.goal is None else f"{self.goal:g} {self.unit}"
        rounds = ", ".join(f"{each:.3g}" for each in self.rounds)
        return f"| {self.what} | {self.median:.3g} {self.unit} | {rounds} | {goal} |"


def first_answer(folder: Path) -> float:
    """Seconds from `user-api dev` in `folder` to its first 200; it has ended on return."""
    port = free_port()
    started = time.monotonic()
    with Command.start("dev", "--port", str(port), settings={}, cwd=folder) as command:
        command.wait_until(lambda: _live(port), what="answer")
        seconds = time.monotonic() - started
        status = command.interrupt()
    if status != 0:
        raise RuntimeError(f"`user-api dev` ended with status {status}:\n{command.output}")
    return seconds


def _live(port: int) -> bool:
    """The port listens early, and then the request waits until the service is ready."""
    try:
        url = f"http://127.0.0.1:{port}/health/live"
        return httpx.get(url, timeout=SECONDS, trust_env=False).status_code == 200
    except httpx.ConnectError:
        return False


def starts(folder: Path) -> tuple[list[float], list[float]]:
    """Of each round the start from an empty folder, and the one after it."""
    cold, warm = [], []
    for number in range(ROUNDS):
        place = folder / str(number)
        place.mkdir()
        cold.append(first_answer(place))
        warm.append(first_answer(place))
    return cold, warm


def idle_megabytes(environment: dict[str, str]) -> float:
    """Resident memory of `user-api serve` that has answered once and does nothing."""
    with ServerProcess.start(environment) as server:
        if server.client().request("GET", "/health/ready").status != 200:
            raise RuntimeError("the server is not ready")
        time.sleep(SETTLE_SECONDS)
        return psutil.Process(server.process.pid).memory_info().rss / 1_000_000


def help_seconds() -> float:
    """Of `user-api --help`, from the shell and back."""
    program = Path(sys.executable).with_name("user-api")
    started = time.monotonic()
    subprocess.run(
        [program, "--help"],
        env=clean_environment({}),
        stdout=subprocess.DEVNULL,
        timeout=SECONDS,
        check=True,
    )
    return time.monotonic() - started


def measure(folder: Path) -> tuple[list[Figure], str]:
    """All figures, and the version of PostgreSQL."""
    cold, warm = starts(folder)
    with LocalPostgres.start(folder / "data") as postgres:
        upgrade(postgres.owner_url)
        environment = delivered_environment(postgres.app_url, folder / "mail")
        memory = [idle_megabytes(environment) for _ in range(ROUNDS)]
        version = postgres.version
    help_times = [help_seconds() for _ in range(ROUNDS)]
    figures = [
        Figure(what="`user-api dev` in an empty folder, first 200", unit="s", rounds=cold, goal=8),
        Figure(what="`user-api dev` again, first 200", unit="s", rounds=warm, goal=3),
        Figure(what="idle `user-api serve`, resident", unit="MB", rounds=memory, goal=120),
        Figure(what="`user-api --help`", unit="s", rounds=help_times),
    ]
    return figures, version


def main() -> int:
    parser = argparse.ArgumentParser(description="How long a start takes, and how much memory.")
    parser.add_argument("--write", action="store_true", help=f"also write docs/{DOCUMENT.name}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="user-api-start-") as folder:
        # PostgreSQL, which does not run as root, has to reach its data.
        Path(folder).chmod(0o755)
        figures, postgres = measure(Path(folder))
    head = ["| measured | median | rounds | goal |", "|---|---:|---|---:|"]
    rows = [str(figure) for figure in figures]
    report = "\n".join([circumstances(postgres=postgres), "", *head, *rows, ""])
    print(report)
    if arguments.write:
        write_section(DOCUMENT, "start", report)
    missed = [figure.what for figure in figures if figure.far_off]
    if missed:
        print(f"over {TOLERANCE:g} times its goal: {'; '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
