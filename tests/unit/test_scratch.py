"""What runs changed code holds the machine's memory and its own deadline, and leaves nothing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from scripts.planted_verdict import TrialError
from scripts.scratch import MEMORY, Bench, Late

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        yield bench


def test_a_process_ends_with_its_own_status(bench: Bench, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert bench.execute(tmp_path, ["-c", "print(1); exit(7)"], seconds=60, log=log) == 7
    assert log.read_text() == "1\n"


def test_a_worktree_has_no_bytecode_yet(bench: Bench) -> None:
    """Python tells sources apart by second and length, and what is planted may keep both."""
    with bench.worktree("tree") as tree:
        assert (tree / "core/__init__.py").exists()
        assert list(tree.rglob("*.pyc")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of another process is Linux' own")
def test_a_loop_that_fills_memory_ends(bench: Bench, tmp_path: Path) -> None:
    """Before it takes the machine along."""
    log = tmp_path / "log"
    allocating = ["-c", f"import time; time.sleep(1); bytearray({MEMORY * 2})"]
    assert bench.execute(tmp_path, allocating, seconds=60, log=log) == 1
    assert "MemoryError" in log.read_text()


def test_the_deadline_ends_it(bench: Bench, tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    with pytest.raises(Late):
        bench.execute(tmp_path, ["-c", SLEEPER], seconds=0.5)
    assert set(psutil.Process().children()) <= before


def test_an_end_of_the_bench_is_one_of_all(bench: Bench, tmp_path: Path) -> None:
    """Of what runs, and of what would begin."""
    log = tmp_path / "log"
    ended = list[str]()

    def work() -> None:
        with pytest.raises(TrialError, match="stopped"):
            bench.execute(tmp_path, ["-c", SLEEPER], seconds=100, log=log)
        ended.append("ended")

    thread = threading.Thread(target=work)
    thread.start()
    while not (log.exists() and log.read_text()):
        assert thread.is_alive()
    bench.stop()
    thread.join(60)
    assert ended == ["ended"]
    with pytest.raises(TrialError, match="stopped"):
        bench.execute(tmp_path, ["-c", "pass"], seconds=60)


def test_results_come_as_they_are_ready(bench: Bench) -> None:
    first = threading.Event()

    def slow() -> int:
        assert first.wait(60)
        return 1

    results = bench.finished(2, {"slow": slow, "quick": lambda: 2})
    assert next(results) == ("quick", 2)
    first.set()
    assert list(results) == [("slow", 1)]


def test_a_task_that_raises_stops_the_others(bench: Bench) -> None:
    def failing() -> int:
        raise TrialError("no")

    with pytest.raises(TrialError, match="no"):
        list(bench.finished(1, {"a": failing, "b": lambda: 2}))
    with pytest.raises(TrialError, match="stopped"):
        bench.execute(Path(), ["-c", "pass"], seconds=60)
