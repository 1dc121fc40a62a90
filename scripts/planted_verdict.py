"""What counts as proof that a test notices a planted defect; `scripts.planted` runs them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

HEADER = "# fails: "
# What a test says that has looked: pytest's assert, with or without a message, and pytest.fail or
# pytest.raises. A patch that crashes the code raises anything else, and no test looked for it.
_LOOKED = ("assert ", "AssertionError", "Failed: ")


class TrialError(Exception):
    """A patch or a mutant cannot be tried; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one run of pytest reported: its exit status, counts, and the message of each failure.

    `broken` are the tests that failed or whose fixtures did, as node ids.
    """

    status: int
    passed: int = 0
    errors: int = 0
    failures: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """Whether the defect was noticed, and by which failure, or why not."""

    noticed: bool
    reason: str


def selection(first_line: str) -> tuple[str, ...]:
    """The pytest arguments that a patch's first line names.

    Raises TrialError unless it is one node id, or one test file and a -k expression.
    """
    if not first_line.startswith(HEADER):
        raise TrialError(f"its first line has to read `{HEADER}tests/...::test_...`")
    words = tuple(shlex.split(first_line.removeprefix(HEADER)))
    one_node = len(words) == 1 and "::" in words[0]
    one_expression = len(words) == 3 and words[1] == "-k" and "::" not in words[0]
    if not (one_node or one_expression) or not words[0].startswith("tests/"):
        raise TrialError(f"its first line names no test: {first_line.strip()}")
    return words


def judge(outcome: Outcome) -> Verdict:
    """Noticed only if a test failed by what it checks, and nothing else went wrong."""
    crashed = [text for text in outcome.failures if not text.startswith(_LOOKED)]
    late = [text for text in outcome.failures if text.startswith("Failed: Timeout")]
    if outcome.status == 0:
        return Verdict(False, "its test passes" if outcome.passed else "its test was skipped")
    if outcome.status != 1:
        return Verdict(False, f"pytest ended with status {outcome.status}, so no test spoke")
    if outcome.errors:
        return Verdict(False, "a fixture or an import broke, which proves nothing")
    if crashed:
        return Verdict(False, f"no test looked for this, so the code may just crash: {crashed[0]}")
    if late:
        return Verdict(False, "its test ran out of time, which proves nothing")
    if not outcome.failures:
        return Verdict(False, "pytest reported no failure")
    return Verdict(True, outcome.failures[0])


def read_outcome(status: int, report: Path) -> Outcome:
    """Counts from pytest's JUnit report; an absent one counts as nothing run."""
    if not report.exists():
        return Outcome(status=status)
    root = ET.parse(report).getroot()  # noqa: S314  pytest wrote it
    failures = tuple(node.get("message", "") for node in root.iter("failure"))
    errors = len(list(root.iter("error")))
    silent = len(list(root.iter("skipped"))) + len(failures) + errors
    cases = list(root.iter("testcase"))
    broken = tuple(
        _node(case)
        for case in cases
        # With -x the session, which has no name, fails behind a module that cannot be collected.
        if case.get("name") and (case.find("failure") is not None or case.find("error") is not None)
    )
    return Outcome(
        status=status,
        passed=len(cases) - silent,
        errors=errors,
        failures=failures,
        broken=broken,
    )


def _node(case: ET.Element) -> str:
    """The report joins modules and classes by dots; a module's name begins with a small letter."""
    words = case.get("classname", "").split(".")
    if words == [""]:
        # A module that cannot be collected.
        return case.get("name", "").replace(".", "/") + ".py"
    classes = [word for word in words if word[:1].isupper()]
    file = "/".join(word for word in words if word not in classes) + ".py"
    return "::".join([file, *classes, case.get("name", "")])
