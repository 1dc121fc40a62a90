"""Try what a newcomer does: clone, `make run`, `make demo`, Ctrl-C, `make run` again.

The clone of HEAD has a home folder of its own and none of this checkout's environment. Prints the
times; exit status 1 and one line when a step does not do what the README says.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil

ROOT = Path(__file__).resolve().parent.parent
# The first start installs the packages.
FIRST_START_SECONDS = 300.0
START_SECONDS = 30.0
STOP_SECONDS = 30.0


class StepFailed(Exception):
    """One line on what did not happen."""


def environment(home: Path, port: int) -> dict[str, str]:
    """This machine's settings for pip and certificates, and nothing of this checkout."""
    own = (
        "COVERAGE_",
        "DATABASE_",
        "MAKE",
        "MFLAGS",
        "PYTEST_",
        "PYTHON",
        "USER_API_",
        "VIRTUAL_ENV",
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith(own)}
    return kept | {"HOME": str(home), "PORT": str(port)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/health/ready", timeout=2) as answer:  # noqa: S310  a loopback URL
            return bool(answer.status == 200)
    except (URLError, ConnectionError, TimeoutError):
        return False


class Newcomer:
    """The clone, and the commands that are typed in it."""

    def __init__(self, clone: Path, home: Path) -> None:
        self.clone = clone
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self._environment = environment(home, port)
        # The interpreter below any virtual environment: a fresh clone has nothing else.
        self._python = Path(sys.base_prefix) / "bin" / "python3"

    def make(self, *arguments: str) -> list[str]:
        return ["make", *arguments, f"PYTHON={self._python}"]

    @contextlib.contextmanager
    def running(self, seconds: float) -> Iterator[float]:
        """`make run`, with the seconds until it was ready; then Ctrl-C, which has to end it all."""
        log = self.clone.parent / "run.log"
        began = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.make("run"),
                cwd=self.clone,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            while not ready(self.url):
                if process.poll() is not None or time.monotonic() - began > seconds:
                    raise StepFailed(f"make run did not answer:\n{log.read_text()[-3000:]}")
                time.sleep(0.05)
            yield time.monotonic() - began
            os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            if left := self.left_over():
                commands = "; ".join(" ".join(each.cmdline()) for each in left)
                raise StepFailed(f"after Ctrl-C these still ran: {commands}")
            if "***" in log.read_text():
                raise StepFailed(f"Ctrl-C looked like an error:\n{log.read_text()[-500:]}")
        finally:
            for each in self.left_over():
                with contextlib.suppress(psutil.Error):
                    each.kill()

    def left_over(self) -> list[psutil.Process]:
        """The processes that run in the clone or on its files."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                places = [*process.cmdline(), process.exe(), process.cwd()]
                if any(str(self.clone) in place for place in places):
                    found.append(process)
        return found

    def demo(self) -> None:
        done = subprocess.run(
            self.make("demo", f"URL={self.url}"),
            cwd=self.clone,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise StepFailed(f"make demo failed:\n{done.stdout[-2000:]}{done.stderr[-1000:]}")

    def untracked(self) -> str:
        command = ["git", "status", "--porcelain"]
        done = subprocess.run(
            command, cwd=self.clone, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()


def play(newcomer: Newcomer) -> None:
    with newcomer.running(FIRST_START_SECONDS) as seconds:
        print(f"clone: make run in a fresh clone answered after {seconds:.1f} s", flush=True)
        newcomer.demo()
        print("clone: make demo went as expected", flush=True)
    print("clone: Ctrl-C left nothing running", flush=True)
    with newcomer.running(START_SECONDS) as seconds:
        print(f"clone: the second make run answered after {seconds:.1f} s", flush=True)
    if files := newcomer.untracked():
        raise StepFailed(f"files that git does not ignore:\n{files}")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="clean-clone-") as name:
        folder = Path(name).resolve()
        # An embedded PostgreSQL may run as another user, who has to get to the clone.
        folder.chmod(0o755)
        (folder / "home").mkdir()
        clone = folder / "user-api"
        subprocess.run(
            ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)],
            timeout=120,
            check=True,
        )
        try:
            play(Newcomer(clone, folder / "home"))
        except StepFailed as error:
            print(f"clone: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
