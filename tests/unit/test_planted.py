"""`make planted` accepts only a failing test as proof, never a broken one."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.planted import one_of
from scripts.planted_verdict import Outcome, TrialError, judge, read_outcome, selection

FAILED = Outcome(status=1, failures=("assert 200 == 401",))


def test_every_patch_has_its_turn() -> None:
    """Three commits that end in successive digits try each once."""
    patches = {Path(f"{n}.patch"): ("tests/unit/test_x.py::test_y",) for n in range(7)}
    parts = [one_of(3, patches, f"{'a' * 38}{n:02x}") for n in range(3)]
    assert sorted(patch for part in parts for patch in part) == sorted(patches)
    assert one_of(1, patches, "b" * 40) == patches
    with pytest.raises(TrialError, match="fewer patches than 100"):
        one_of(100, patches, f"{99:040x}")


def test_a_failing_test_is_proof() -> None:
    """A defect counts as noticed when the named test fails by what it checks."""
    verdict = judge(FAILED)
    assert (verdict.noticed, verdict.reason) == (True, "assert 200 == 401")


@pytest.mark.parametrize("said", ["AssertionError: 3 do not wait", "Failed: DID NOT RAISE <X>"])
def test_what_a_test_says_is_proof(said: str) -> None:
    """By assert with a message, or by pytest's own functions."""
    assert judge(Outcome(status=1, failures=(said,))).noticed


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome(status=0, passed=1), "its test passes"),
        (Outcome(status=0), "its test was skipped"),
        (Outcome(status=1, failures=("assert 0",), errors=1), "a fixture or an import broke"),
        (Outcome(status=1, failures=("ImportError: no name",)), "may just crash: ImportError"),
        (Outcome(status=1, failures=("KeyError: 'x'",)), "may just crash: KeyError"),
        (Outcome(status=1, failures=("assert 0", "TypeError: x")), "may just crash: TypeError"),
        (Outcome(status=1, failures=("Failed: Timeout (>120.0s)",)), "ran out of time"),
        (Outcome(status=1), "no failure"),
        (Outcome(status=2), "status 2"),
        (Outcome(status=4), "status 4"),
        (Outcome(status=5), "status 5"),
        (Outcome(status=-9), "status -9"),
    ],
)
def test_anything_else_is_not_proof(outcome: Outcome, reason: str) -> None:
    """A passing, skipped, broken, slow or missing test leaves the defect unproven, and says why."""
    verdict = judge(outcome)
    assert not verdict.noticed
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("# fails: tests/unit/test_x.py::test_y", ("tests/unit/test_x.py::test_y",)),
        ("# fails: tests/unit/test_x.py::test_y[a-b]", ("tests/unit/test_x.py::test_y[a-b]",)),
        ('# fails: tests/t.py -k "one and two"', ("tests/t.py", "-k", "one and two")),
    ],
)
def test_the_first_line_names_one_test(line: str, arguments: tuple[str, ...]) -> None:
    """A node id, with or without parameters, or a file and an expression."""
    assert selection(line) == arguments


@pytest.mark.parametrize(
    "line",
    [
        "",
        "diff --git a/core/x.py b/core/x.py",
        "# fails:",
        "# fails: tests/unit/test_x.py",
        "# fails: core/x.py::test_y",
        "# fails: tests/a.py::test_y tests/b.py::test_z",
        "# fails: tests/a.py -m slow",
    ],
)
def test_a_patch_without_a_test_is_refused(line: str) -> None:
    """A patch that names no test would prove nothing."""
    with pytest.raises(TrialError):
        selection(line)


def test_the_report_of_pytest_is_counted(tmp_path: Path) -> None:
    """Failures, errors and skipped tests are told apart as pytest reports them."""
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite><testcase name="a"/><testcase name="b"><skipped/></testcase>'
        '<testcase classname="tests.unit.test_x" name="c"><failure message="assert 0"/></testcase>'
        '<testcase classname="tests.unit.test_x.TestY" name="d"><error message="boom"/></testcase>'
        '<testcase classname="" name="tests.unit.test_z"><error message="boom"/></testcase>'
        '<testcase classname="" name=""><error message="boom"/></testcase>'
        "</testsuite></testsuites>"
    )
    assert read_outcome(1, report) == Outcome(
        status=1,
        passed=1,
        errors=3,
        failures=("assert 0",),
        broken=(
            "tests/unit/test_x.py::c",
            "tests/unit/test_x.py::TestY::d",
            "tests/unit/test_z.py",
        ),
    )


def test_no_report_counts_as_no_test(tmp_path: Path) -> None:
    """When pytest dies before it reports, nothing is proven."""
    assert not judge(read_outcome(1, tmp_path / "absent.xml")).noticed
