"""`.ci/run` ends with the question whether some stage has selected each test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import complete

HERE = Path(__file__)


@pytest.mark.parametrize(
    ("run", "there", "status", "said"),
    [
        ("a b", "a b", 0, "2 of 2"),
        ("a", "a b", 1, "complete: in no stage: b"),
        ("a b gone", "a b", 0, "2 of 2"),
        ("", "", 1, "0 of 0"),
    ],
)
def test_a_test_in_no_stage_is_named(
    run: str,
    there: str,
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Over all runs together; and finding none at all is a failure of its own."""
    for number, name in enumerate(run.split()):
        (tmp_path / str(number)).write_text(f"{name}\n")
    monkeypatch.setattr(complete, "everything", lambda: set(there.split()))
    monkeypatch.setattr(sys, "argv", ["complete", str(tmp_path)])
    assert complete.main() == status
    assert said in "".join(capsys.readouterr())


def test_a_run_records_what_it_selects(tmp_path: Path) -> None:
    """And not what its expression leaves out."""
    subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-k", "records", HERE],
        cwd=HERE.parents[2],
        env={**os.environ, "RECORDED_TESTS": str(tmp_path)},
        capture_output=True,
        timeout=100,
        check=True,
    )
    name = f"tests/unit/{HERE.name}::test_a_run_records_what_it_selects"
    assert complete.recorded(tmp_path) == {name}
