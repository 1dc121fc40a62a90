"""Scratch worktrees of HEAD, and pytest in them, for the scripts that try changed code."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Self, TypeVar

from scripts.planted_verdict import Outcome, TrialError, read_outcome

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = "cdk, core, handler, migrations, tests"
GIT_SECONDS = 120
# Bytes of one process: several times what any test takes.
MEMORY = 4 * 2**30

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Late(TrialError):
    """The tests took longer than their deadline."""


class Bench:
    """Scratch worktrees of one commit and the processes in them, which end with it.

    Raises TrialError when there is no commit.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Later ones do not count, as the first worktree would be of another one than the last.
        self.commit = git(ROOT, "rev-parse", "HEAD")
        self._git = threading.Lock()
        self._starting = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextlib.contextmanager
    def worktree(self, name: str) -> Iterator[Path]:
        """Raises TrialError when Python imports another checkout's code in it."""
        tree = self._folder / name
        with self._git:
            git(ROOT, "worktree", "add", "--quiet", "--detach", str(tree), self.commit)
        try:
            self._check_imports(tree)
            yield tree
        finally:
            with self._git:
                git(ROOT, "worktree", "remove", "--force", str(tree))

    def run(self, tree: Path, arguments: Sequence[str], *, seconds: float) -> Outcome:
        """What pytest reports of the tests that `arguments` choose, in a worktree.

        Raises TrialError when the bench has stopped, Late at the deadline.
        """
        report, log = tree.parent / f"{tree.name}.xml", tree.parent / f"{tree.name}.log"
        report.unlink(missing_ok=True)
        options = ["-q", "-p", "no:cacheprovider", *arguments, f"--junitxml={report}"]
        status = self.execute(tree, ["-m", "pytest", *options], seconds=seconds, log=log)
        outcome = read_outcome(status, report)
        if status not in {0, 1} or outcome.errors:
            show_end(log)
        return outcome

    def execute(
        self,
        tree: Path,
        arguments: Sequence[str],
        *,
        seconds: float,
        log: Path | None = None,
        more: Mapping[str, str] | None = None,
    ) -> int:
        """The exit status of Python with `arguments`, whose output goes to `log`, else to ours.

        Raises TrialError when the bench has stopped, Late at the deadline.
        """
        with contextlib.ExitStack() as files:
            output = files.enter_context(log.open("wb")) if log else None
            with self._starting:
                if self._stopped:
                    raise TrialError("stopped")
                process = subprocess.Popen(
                    [sys.executable, *arguments],
                    cwd=tree,
                    env=environment(tree) | dict(more or {}),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT if output else None,
                    start_new_session=True,
                )
                self._running.add(process)
                _bound(process)
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                raise Late(f"its test took more than {seconds:.0f} s") from None
            finally:
                _end(process)
                self._running.discard(process)
        if self._stopped:
            raise TrialError("stopped")
        return status

    def finished(
        self, jobs: int, tasks: Mapping[_Key, Callable[[], _Value]]
    ) -> Generator[tuple[_Key, _Value]]:
        """Does `jobs` tasks at once, and gives each result as it comes; stops if one raises."""
        with ThreadPoolExecutor(jobs) as pool:
            waiting = {pool.submit(task): key for key, task in tasks.items()}
            try:
                for future in as_completed(waiting):
                    yield waiting[future], future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.stop()
                raise

    def stop(self) -> None:
        with self._starting:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _end(process)

    def _check_imports(self, tree: Path) -> None:
        listing = f"import {PACKAGES}\nfor m in ({PACKAGES}): print(m.__file__)"
        found = tree.parent / f"{tree.name}.imports"
        # Code that changes within a second, and keeps its length, would be taken for unchanged.
        status = self.execute(tree, ["-B", "-c", listing], seconds=GIT_SECONDS, log=found)
        files = found.read_text(errors="replace").splitlines()
        if status or not all(Path(file).is_relative_to(tree) for file in files):
            raise TrialError(f"Python imports other code: {' '.join(files)[-500:]}")


def main_of(name: str, work: Callable[[Bench], int], *, stopped: str = "stopped") -> int:
    """The exit status of `work` on a bench of its own; a line for what cannot be tried, and for
    Ctrl-C and SIGTERM."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        with (
            contextlib.ExitStack() as last,
            tempfile.TemporaryDirectory(prefix=f"{name}-") as folder,
            Bench(Path(folder).resolve()) as bench,
        ):
            # What git could not remove in time must not stay registered.
            last.callback(git, ROOT, "worktree", "prune")
            return work(bench)
    except TrialError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: {stopped}", file=sys.stderr)
        return 130


def _terminated(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def environment(tree: Path) -> dict[str, str]:
    # RECORDED_TESTS is for tests that run on code as it is. Without bytecode, each process compiles
    # all packages.
    left = ("COVERAGE_", "COVERED_", "PYTHONDONTWRITEBYTECODE", "RECORDED_TESTS")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(left)}
    return kept | {"PYTHONPATH": str(tree)}


def git(folder: Path, *arguments: str) -> str:
    """What git prints. Raises TrialError with git's own words."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TrialError(f"git {arguments[0]} took more than {GIT_SECONDS} s") from None
    if done.returncode:
        raise TrialError(done.stderr.strip().replace("\n", "; ") or f"git {arguments[0]} failed")
    return done.stdout.strip()


def _bound(process: subprocess.Popen[bytes]) -> None:
    """A changed loop may fill the machine before its deadline."""
    if sys.platform == "linux":
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (MEMORY, MEMORY))


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
