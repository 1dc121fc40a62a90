"""Scratch worktrees of HEAD, and pytest in them, for the scripts that try changed code."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from scripts.planted_verdict import Outcome, UnusablePatch, read_outcome

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = "cdk, core, handler, migrations, tests"


class Bench:
    """Scratch worktrees of one commit and the pytest processes in them; its end is theirs.

    Raises UnusablePatch when there is no commit.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Later ones do not count, as the first worktree would be of another one than the last.
        self.commit = git(ROOT, "rev-parse", "HEAD")
        self._git = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextlib.contextmanager
    def worktree(self, name: str) -> Iterator[Path]:
        tree = self._folder / name
        with self._git:
            git(ROOT, "worktree", "add", "--quiet", "--detach", str(tree), self.commit)
        try:
            yield tree
        finally:
            with self._git:
                git(ROOT, "worktree", "remove", "--force", str(tree))

    def run(self, tree: Path, arguments: Sequence[str], *, seconds: float) -> Outcome:
        """What pytest reports of the tests that `arguments` choose, in a worktree.

        Raises UnusablePatch when the deadline passes or another checkout's code is imported.
        """
        self._check_imports(tree)
        report, log = tree.parent / f"{tree.name}.xml", tree.parent / f"{tree.name}.log"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, f"--junitxml={report}"],
                cwd=tree,
                env=environment(tree),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.add(process)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise UnusablePatch(f"its test took more than {seconds:.0f} s") from None
        finally:
            _end(process)
            self._running.discard(process)
        if self._stopped.is_set():
            raise UnusablePatch("stopped")
        outcome = read_outcome(status, report)
        if status not in {0, 1} or outcome.errors:
            show_end(log)
        return outcome

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        self._stopped.set()
        for process in list(self._running):
            _end(process)

    def _check_imports(self, tree: Path) -> None:
        if self._stopped.is_set():
            raise UnusablePatch("stopped")
        listing = f"import {PACKAGES}\nfor m in ({PACKAGES}): print(m.__file__)"
        found = subprocess.run(
            [sys.executable, "-c", listing],
            cwd=self._folder,
            env=environment(tree),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        files = found.stdout.splitlines()
        if found.returncode or not all(Path(file).is_relative_to(tree) for file in files):
            raise UnusablePatch(f"Python imports other code: {found.stdout}{found.stderr[-500:]}")


def environment(tree: Path) -> dict[str, str]:
    # RECORDED_TESTS is for tests that run on code as it is.
    left = ("COVERAGE_", "COVERED_", "RECORDED_TESTS")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(left)}
    return kept | {"PYTHONPATH": str(tree)}


def git(folder: Path, *arguments: str) -> str:
    """What git prints. Raises UnusablePatch with git's own words."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise UnusablePatch(done.stderr.strip().replace("\n", "; ") or f"git {arguments[0]} failed")
    return done.stdout.strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupts first, so that fixtures stop their servers; then ends the rest of the group."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(5)


def show_end(log: Path) -> None:
    print(log.read_text(errors="replace")[-3000:], file=sys.stderr, flush=True)
