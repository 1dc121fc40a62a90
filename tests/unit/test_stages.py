"""`.ci/run` and `make nightly` tell whether a stage held, what it took, and what it left out."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / ".ci"
GIT = ("git", "-c", "user.name=x", "-c", "user.email=x@example.com")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with the runner and no stages yet."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(CI / "runner.sh", tmp_path / ".ci")
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "Begin"]):
        subprocess.run([*GIT, *command], cwd=tmp_path, check=True, timeout=30)
    (tmp_path / ".git/info/exclude").write_text("*\n")
    return tmp_path


@pytest.fixture
def write(checkout: Path) -> Callable[..., Path]:
    """Writes a script of stages that are given as the lines of their functions."""

    def write(
        name: str = "ci",
        *,
        budget: int = 60,
        limit: int = 60,
        pace: float = 100,
        lanes: Mapping[str, str] | None = None,
        **stages: str,
    ) -> Path:
        functions = "\n".join(f"stage_{stage}() {{\n{lines}\n}}" for stage, lines in stages.items())
        script = checkout / ".ci" / name
        script.write_text(
            f'set -euo pipefail\n{functions}\nsource .ci/runner.sh\nrun_stages {name} "$@"\n'
        )
        budgets = [
            f"{name} {stage} {budget} {limit} {(lanes or {}).get(stage, '')}" for stage in stages
        ]
        (checkout / ".ci/budgets").write_text("\n".join(["# x", f"pace {pace}", *budgets, ""]))
        return script

    return write


@pytest.fixture
def run(checkout: Path, write: Callable[..., Path]) -> Run:
    """Runs such a script, or chosen stages of it."""

    def run(name: str = "ci", *chosen: str, **how: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", write(name, **how), *chosen],
            cwd=checkout,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return run


def test_stages_run_in_order_and_are_timed(run: Run) -> None:
    done = run(first="echo one", second="echo two")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"=== first\none\n=== second\ntwo\n=== skipped\n=== time", done.stdout)
    assert re.search(r"^first +\d+ s of +60  ok$", done.stdout, re.MULTILINE)
    assert "ci: everything held, in" in done.stdout


def test_a_stage_that_fails_is_named_and_the_others_run(run: Run) -> None:
    done = run(first="false; echo on", second="echo two")
    assert done.returncode == 1
    assert "\non\n" not in done.stdout
    assert "\ntwo\n" in done.stdout
    assert "FAILED with status 1" in done.stdout
    assert done.stderr == "ci: failed: first\n"


def test_a_stage_that_takes_too_long_is_ended(run: Run) -> None:
    done = run(first="sleep 60", limit=1)
    assert done.returncode == 1
    assert "FAILED: took more than 1 s" in done.stdout


def test_what_grew_is_told_and_is_no_failure(run: Run) -> None:
    """By more than a quarter and ten seconds; here the budget is in the past."""
    done = run(first="true", budget=-60)
    assert done.returncode == 0
    assert "ci: grew by more than a quarter: first\n" in done.stdout
    assert "grew" not in run(first="true").stdout


def test_a_slower_machine_has_more_time(run: Run) -> None:
    """In proportion to a piece of work that takes it longer than the machine of the budgets."""
    shown = re.search(
        r"^first +\d+ s of +(\d+)  ok$", run(first="true", pace=1e-9).stdout, re.MULTILINE
    )
    assert shown is not None
    assert int(shown[1]) > 60 * 1000


def test_what_was_skipped_is_repeated_at_the_end(run: Run) -> None:
    done = run(first="echo 'skipped: first: no network'; echo SKIPPED [1] x", second="true")
    assert "=== skipped\nskipped: first: no network\nSKIPPED [1] x\n=== time" in done.stdout


MEET = "touch here-{0}; until [ -e here-{1} ]; do sleep 0.05; done; echo {0}; sleep 0.2; echo {0}"
LANES = {"left": "a", "right": "b"}


def test_stages_of_two_lanes_run_at_once_and_are_shown_apart(run: Run) -> None:
    """Each waits for the other; one without a lane waits for both."""
    done = run(
        lanes=LANES | {"last": "b"},
        left=MEET.format("left", "right"),
        right=MEET.format("right", "left"),
        last="sleep 0.5; touch ended",
        alone="test -e ended",
    )
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("left", "right"):
        assert f"=== {name}\n{name}\n{name}\n" in done.stdout
    assert "=== last\n" in done.stdout
    assert "=== alone\n=== skipped\n" in done.stdout


def test_a_stage_of_a_lane_that_fails_is_named(run: Run) -> None:
    done = run(lanes=LANES | {"last": "b"}, left="true", right="echo why; false", last="echo on")
    assert done.returncode == 1
    assert "=== right\nwhy\n" in done.stdout
    assert "=== last\non\n" in done.stdout
    assert done.stderr == "ci: failed: right\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("lanes", [{}, LANES], ids=["alone", "lanes"])
def test_a_run_that_is_stopped_leaves_nothing(
    write: Callable[..., Path], checkout: Path, lanes: Mapping[str, str], number: signal.Signals
) -> None:
    """By Ctrl-C, which lanes hear too, or by a signal to it alone."""
    stages = dict.fromkeys(("left", "right"), "sleep 60 & echo $$ $! >>working; wait")
    working = checkout / "working"
    wanted = 2 * max(1, len(lanes))
    with subprocess.Popen(
        ["bash", write(lanes=lanes, **stages)], cwd=checkout, process_group=0
    ) as process:
        try:
            while not working.exists() or len(working.read_text().split()) < wanted:
                assert process.poll() is None
                time.sleep(0.02)
            if number is signal.SIGINT:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            assert process.wait(30) == 130
        finally:
            process.kill()
    left = [
        psutil.Process(int(pid))
        for pid in working.read_text().split()
        if psutil.pid_exists(int(pid))
    ]
    assert psutil.wait_procs(left, timeout=30)[1] == []


def test_a_lane_that_dies_is_no_success(run: Run) -> None:
    """Killed for want of memory, say, before a stage of it ran."""
    done = run(
        lanes=LANES | {"last": "b"}, left="true", right="kill -9 $(ps -o ppid= $PPID)", last="true"
    )
    assert done.returncode == 1
    assert done.stderr.endswith("ci: failed: right last\n")


def test_one_run_does_not_take_the_results_of_another(run: Run, checkout: Path) -> None:
    again = f"bash {checkout / '.ci' / 'ci'} quick"
    done = run(bad="false", slow=again, quick="true")
    assert done.returncode == 1
    assert done.stderr == "ci: failed: bad\n"


def test_one_stage_can_be_chosen(run: Run) -> None:
    done = run("ci", "second", first="echo one", second="echo two")
    assert done.returncode == 0
    assert "one" not in done.stdout
    wrong = run("ci", "third", first="true", second="true")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "no stage third; there are: first second\n"


def test_a_night_goes_on_where_it_stopped(run: Run, checkout: Path) -> None:
    """What held for this commit is not repeated, until all has held."""
    stages = {"first": "echo one", "second": "test -e ready"}
    assert run("nightly", **stages).returncode == 1
    (checkout / "ready").touch()
    second = run("nightly", **stages)
    assert second.returncode == 0
    assert "these held before: first\n" in second.stdout
    assert "=== first" not in second.stdout
    assert "=== first" in run("nightly", **stages).stdout


def test_a_night_begins_anew_for_another_commit(run: Run, checkout: Path) -> None:
    stages = {"first": "echo one", "second": "false"}
    run("nightly", **stages)
    subprocess.run([*GIT, "commit", "-q", "--allow-empty", "-m", "x"], cwd=checkout, check=True)
    assert "=== first" in run("nightly", **stages).stdout


@pytest.mark.parametrize("name", ["run", "nightly"])
def test_every_stage_has_a_budget(name: str) -> None:
    """And every budget a stage."""
    functions = re.findall(r"^stage_(\w+)\(\)", (CI / name).read_text(), re.MULTILINE)
    lines = re.findall(
        rf"^{name.replace('run', 'ci')} (\w+) (\d+) (\d+)(?: [ab])?$",
        (CI / "budgets").read_text(),
        re.MULTILINE,
    )
    assert functions
    assert sorted(functions) == sorted(stage for stage, _, _ in lines)
    assert all(int(budget) < int(limit) for _, budget, limit in lines)
    # It judges what the others have run.
    assert name == "nightly" or lines[-1][0] == "complete"
