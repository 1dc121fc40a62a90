"""Which tests run which lines: a plugin of pytest that records it, and whom a mutation is shown.

    coverage run -m pytest -p scripts.covering ...    with COVERED_BY, a folder for the durations

The context of each line is the test that ran it, in its own process and in those that it started;
what the tests of a file share has the file's name.
"""

from __future__ import annotations

import ast
import json
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import coverage
import pytest
from coverage.config import CoverageConfig

from scripts.mutation import Mutation
from scripts.mutations import definitions

# As many seconds of tests are tried for one mutation.
BUDGET = 120.0
# What a fixture of all tests runs, in the process of the tests and in one that it starts.
SHARED, SHARED_SERVER = "shared", "shared server"
_OF_PROCESSES = "COVERAGE_PROCESS_CONFIG"
# The fixture of tests that compare a whole document, which shows much of what an import defines.
_COMPARING_FIXTURE = "write_tables"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Without coverage there is no context, and the times alone are noted."""
    began = time.monotonic()
    try:
        with _context(item.nodeid, of_processes=item.nodeid):
            return (yield)
    finally:
        compares = _COMPARING_FIXTURE in getattr(item, "fixturenames", ())
        _note(item.nodeid, round(time.monotonic() - began, 3), compares=compares)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Iterator[None]:
    """What tests share is not of the one that happened to ask first."""
    if fixturedef.scope == "function":
        return (yield)
    file = request.node.nodeid
    with _context(file or SHARED, of_processes=file or SHARED_SERVER):
        return (yield)


@contextmanager
def _context(name: str, *, of_processes: str) -> Iterator[None]:
    """Of the lines that run meanwhile, here and in processes that are started, to their end."""
    before = os.environ.get(_OF_PROCESSES)
    measured = coverage.Coverage.current()
    if before is None or measured is None:
        yield
        return
    # coverage hands its settings on as they are, and reads no file again in another process.
    settings = CoverageConfig.deserialize(before)
    settings.context = of_processes
    os.environ[_OF_PROCESSES] = settings.serialize()
    outer = measured.switch_context(name)
    try:
        yield
    finally:
        measured.switch_context(outer or "")
        os.environ[_OF_PROCESSES] = before


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _note(report.nodeid, None)


def _note(test: str, seconds: float | None, *, compares: bool = False) -> None:
    """What failed without a mutant has no time, and is not asked about one."""
    with Path(os.environ["COVERED_BY"], f"{os.getpid()}.jsonl").open("a") as notes:
        notes.write(json.dumps([test, seconds, compares]) + "\n")


def lines_of_functions(source: str) -> set[int]:
    """Those that a call runs, and no import."""
    functions = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return {
        line
        for node in functions
        for line in range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
    }


class Covering:
    """What one run of all tests has recorded.

    Args:
        data: coverage's combined file.
        durations: the folder of COVERED_BY.
        sources: the text of each file by its path, as the paths of mutations are.
    """

    def __init__(self, data: Path, durations: Path, sources: Mapping[str, str]) -> None:
        self._data = coverage.CoverageData(str(data))
        self._data.read()
        self._files = {
            path: next((f for f in self._data.measured_files() if f.endswith(f"/{path}")), None)
            for path in sources
        }
        self._sources = sources
        self._lines: dict[str, dict[int, list[str]]] = {}
        self._definitions: dict[str, list[tuple[tuple[int, int], tuple[str, ...]]]] = {}
        self._seconds: dict[str, float] = {}
        self._comparing: set[str] = set()
        self.failed: set[str] = set()
        for part in durations.glob("*.jsonl"):
            for line in part.read_text().splitlines():
                test, seconds, compares = json.loads(line)
                if seconds is None:
                    self.failed.add(test)
                else:
                    self._seconds[test] = seconds
                if compares:
                    self._comparing.add(test)

    def tests(self, mutation: Mutation) -> list[str]:
        """Node ids of those that run its lines, those of one file together, within BUDGET: first
        those that are known to, then those that share what does. Of these the ones that compare a
        document are asked first, and in any case."""
        first, last = mutation.lines
        found = self._of_lines(mutation.path, range(first, last + 1))
        self._of_names(mutation.names, found, seen=set())
        known = {test for name in found for test in self._of_context(name)}
        shared = {test for name in found for test in self._sharing(name)} - known
        chosen = self._within_budget(known)
        left = BUDGET - self._taken(chosen)
        # However many run its lines: a name or a bound in a document is seen by these alone.
        chosen += self._within_budget(shared & self._comparing)
        return chosen + self._within_budget(shared - self._comparing, left)

    def tests_of(self, files: Iterable[str]) -> list[str]:
        """Node ids of files of tests, within BUDGET."""
        chosen = set(files)
        return self._within_budget(t for t in self._seconds if t.split("::")[0] in chosen)

    def _of_lines(self, path: str, lines: Iterable[int]) -> set[str]:
        """The contexts of lines. What an import runs is shared, whichever test came first."""
        if path not in self._lines:
            self._lines[path] = self._recorded(path)
        known = self._lines[path]
        contexts = {context for line in lines for context in known.get(line, ())}
        return {name for context in contexts for name in context.split("|") if name}

    def _recorded(self, path: str) -> dict[int, list[str]]:
        measured = self._files.get(path)
        if measured is None:
            return {}
        within = lines_of_functions(self._sources[path])
        return {
            line: contexts if line in within else [SHARED]
            for line, contexts in self._data.contexts_by_lineno(measured).items()
        }

    def _of_context(self, name: str) -> Iterable[str]:
        """A test, or all of a file, that ran what it ran."""
        return [name] if "::" in name else [t for t in self._seconds if t.split("::")[0] == name]

    def _sharing(self, name: str) -> Iterable[str]:
        """The tests that may."""
        if name == SHARED:
            return self._seconds
        if name == SHARED_SERVER:
            return [t for t in self._seconds if "/conformance/" in t and "[lambda" not in t]
        return []

    def _of_names(self, names: Iterable[str], found: set[str], *, seen: set[str]) -> None:
        """Adds who runs a line that uses one of the names, or a name that such a line defines."""
        new = {name for name in names if not name.startswith("__")} - seen
        if not new:
            return
        seen |= new
        word = re.compile(rf"\b({'|'.join(map(re.escape, sorted(new)))})\b")
        further: set[str] = set()
        for path, source in self._sources.items():
            lines = {n for n, text in enumerate(source.splitlines(), 1) if word.search(text)}
            if lines:
                found |= self._of_lines(path, lines)
                further |= self._defined(path, lines)
        self._of_names(further, found, seen=seen)

    def _defined(self, path: str, lines: set[int]) -> set[str]:
        if path not in self._definitions:
            self._definitions[path] = definitions(path, self._sources[path])
        return {
            name
            for (first, last), names in self._definitions[path]
            if not lines.isdisjoint(range(first, last + 1))
            for name in names
        }

    def _within_budget(self, tests: Iterable[str], budget: float = BUDGET) -> list[str]:
        """The quickest of each file in turn, as a test of another file sees with other eyes."""
        of_files: dict[str, list[str]] = defaultdict(list)
        for test in sorted(set(tests) - self.failed, key=lambda test: (self._taken([test]), test)):
            of_files[test.split("::")[0]].append(test)
        chosen: dict[str, list[str]] = defaultdict(list)
        spent, turn = 0.0, 0
        while spent < budget and any(turn < len(of_file) for of_file in of_files.values()):
            for name, of_file in of_files.items():
                if turn < len(of_file) and spent < budget:
                    chosen[name].append(of_file[turn])
                    spent += self._taken([of_file[turn]])
            turn += 1
        return [test for of_file in chosen.values() for test in of_file]

    def _taken(self, tests: Iterable[str]) -> float:
        return sum(self._seconds.get(test, 1.0) for test in tests)
