"""Usage: python -m tests.fuzz [--target NAME] [--caller NAME] [SCHEMATHESIS OPTION ...]

Runs schemathesis with all its checks over the whole schema: against the server process and against
the Lambda handler, as nobody, as a user and as an administrator. Each target has a database of its
own. Ends with status 1 if anything was found; the reports are in build/fuzz.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from core.config import Settings, env_name
from handler.local.postgres import LocalPostgres
from migrations.runner import upgrade
from tests.support.environment import service_environment
from tests.support.server import free_port

CALLERS = ("nobody", "user", "admin")
TARGETS = {"asgi": ["handler.cli", "serve"], "lambda": ["tests.fuzz.lambda_door"]}
"""The module that serves each, on the port of the settings, with its arguments."""

HERE = Path(__file__).parent
REPORTS = Path("build/fuzz")
START_SECONDS = 60.0
RUN_SECONDS = 3600.0


@dataclass(frozen=True)
class Target:
    name: str
    url: str
    environment: dict[str, str]


def unlimited() -> dict[str, str]:
    """Limits that are high or off, so that 429 does not hide what is behind."""
    found = {"ARGON2_MEMORY_KIB": "7168", "ARGON2_ITERATIONS": "1"}
    for item in fields(Settings):
        if item.name.startswith("limit_"):
            for value in ("0", "1000"):
                try:
                    item.metadata["parse"](value)
                except ValueError:
                    continue
                found[env_name(item)] = value
                break
    return found


@contextmanager
def running(name: str, folder: Path) -> Iterator[Target]:
    """A target on a free port, with a new database."""
    with LocalPostgres.start(folder / "data", settings={"fsync": "off"}) as database:
        upgrade(database.owner_url)
        port = free_port()
        own = service_environment(database.app_url, folder / "mail")
        own |= {**unlimited(), "LOG_LEVEL": "WARNING", "PORT": str(port)}
        environment = {**os.environ, **own}
        with (REPORTS / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *TARGETS[name]],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_live(process, url)
            yield Target(name, url, environment)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_live(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/health/live", trust_env=False, timeout=5)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit(f"fuzz: {url} did not start; its log is in {REPORTS}")


def fuzz(target: Target, caller: str, options: list[str]) -> bool:
    """One run of schemathesis; True if it found nothing."""
    report = REPORTS / f"{target.name}-{caller}.txt"
    began = time.monotonic()
    with report.open("wb") as output:
        status = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                *("--config-file", str(HERE / "schemathesis.toml")),
                *(
                    "run",
                    "docs/openapi.json",
                    "--checks",
                    "all",
                    "--url",
                    target.url,
                    "--no-color",
                    *options,
                ),
            ],
            env={
                **target.environment,
                "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
                "FUZZ_CALLER": caller,
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=RUN_SECONDS,
            check=False,
        ).returncode
    seconds = time.monotonic() - began
    result = "nothing found" if status == 0 else f"FAILED, see {report}"
    print(f"fuzz: {target.name:7} {caller:7} {seconds:5.0f} s  {result}", flush=True)
    return status == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the API.")
    parser.add_argument("--target", choices=TARGETS, action="append", help="only this one")
    parser.add_argument("--caller", choices=CALLERS, action="append", help="only this one")
    chosen, options = parser.parse_known_args()
    REPORTS.mkdir(parents=True, exist_ok=True)

    def as_each_caller(target: Target) -> list[bool]:
        return [fuzz(target, caller, options) for caller in chosen.caller or CALLERS]

    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        # One after the other: Alembic's environment belongs to the process.
        targets = [
            stack.enter_context(running(name, Path(stack.enter_context(TemporaryDirectory()))))
            for name in chosen.target or TARGETS
        ]
        results = [each for run in pool.map(as_each_caller, targets) for each in run]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
