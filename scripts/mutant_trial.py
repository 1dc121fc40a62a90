"""One mutant, and the tests that may notice it; `scripts.mutants` draws and counts them."""

from __future__ import annotations

import contextlib
import queue
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.covering import Covering
from scripts.mutation import Mutation
from scripts.planted_verdict import Outcome, TrialError
from scripts.scratch import Bench, Late

SNAPSHOTS = "tests/{}/test_snapshots.py"
# Whose lines no record tells: a template is made once for all tests, and a manifest has none.
WHOLE = {"cdk": "infra", "k8s": "k8s"}
# A mutant that hangs is noticed too.
HANGS = "--timeout=90"
SECONDS = 900.0
UNKNOWN_TEST, NO_TESTS = 4, 5
# What kills a mutant besides tests.
IMPORT, DEADLINE = "the import", "the deadline"


@dataclass(frozen=True)
class Result:
    """How one mutant fared: `killers` are the tests that failed, empty if it survived."""

    key: str
    mutant: str
    killers: tuple[str, ...]
    how: str


class Trial:
    """Tries mutants, each in one of the worktrees that is free."""

    def __init__(self, bench: Bench, trees: Sequence[Path], covering: Covering) -> None:
        self._bench = bench
        self._free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for tree in trees:
            self._free.put(tree)
        self._covering = covering

    def of(self, mutation: Mutation) -> Result:
        """Raises TrialError when the tests cannot speak."""
        tree = self._free.get()
        try:
            with _changed(tree / mutation.path, mutation):
                killers, how = self._judge(tree, mutation)
        finally:
            self._free.put(tree)
        return Result(mutation.key, str(mutation), killers, how)

    def _judge(self, tree: Path, mutation: Mutation) -> tuple[tuple[str, ...], str]:
        if not self._can_be_imported(tree, mutation):
            return (IMPORT,), "the module cannot be imported"
        for chosen in self._choices(tree, mutation):
            try:
                outcome = self._ask(tree, chosen)
            except Late as late:
                return (DEADLINE,), str(late)
            if outcome.broken:
                return outcome.broken, _how(outcome)
            if outcome.status not in {0, NO_TESTS}:
                raise TrialError(f"{mutation}: pytest ended with status {outcome.status}")
        return (), "no test failed"

    def _ask(self, tree: Path, chosen: Sequence[str]) -> Outcome:
        def run(arguments: Sequence[str]) -> Outcome:
            return self._bench.run(tree, ["-x", HANGS, *arguments], seconds=SECONDS)

        if "::" not in chosen[0]:
            return run(chosen)
        outcome = run([arguments_of(tree, chosen)])
        if outcome.status != UNKNOWN_TEST:
            return outcome
        # The change is in the parameter of a test, which has another name then.
        return run([arguments_of(tree, without_parameters(chosen))])

    def _can_be_imported(self, tree: Path, mutation: Mutation) -> bool:
        """What cannot is noticed at every start, and pytest may not even collect its tests."""
        if not mutation.path.endswith(".py"):
            return True
        module = _module(mutation)
        tests = f"tests.{WHOLE[folder]}" if (folder := _folder(mutation)) in WHOLE else "tests"
        log = tree.parent / f"{tree.name}.import"
        try:
            importing = ["-c", f"import {module}, {tests}.conftest"]
            return self._bench.execute(tree, importing, seconds=60, log=log) == 0
        except Late:
            return False

    def _choices(self, tree: Path, mutation: Mutation) -> Iterator[Sequence[str]]:
        folder = _folder(mutation)
        if folder in WHOLE:
            snapshots = SNAPSHOTS.format(WHOLE[folder])
            # Last, as they say that something is other than it was, and the others what is wrong.
            yield (f"tests/{WHOLE[folder]}", "-m", "not slow", f"--ignore={snapshots}")
            yield (snapshots,)
        else:
            asked = self._covering.tests(mutation)
            # What only a process that is not measured runs has no test that is known to run it.
            others = self._covering.tests_of(_mentioning(tree, mutation))
            for tests in (asked, [test for test in others if test not in asked]):
                if tests:
                    yield tests


def _folder(mutation: Mutation) -> str:
    return mutation.path.split("/")[0]


def _module(mutation: Mutation) -> str:
    return ".".join(Path(mutation.path).with_suffix("").parts).removesuffix(".__init__")


def arguments_of(tree: Path, tests: Sequence[str]) -> str:
    """Of tests, what pytest takes for them: a line may be longer than a command may."""
    file = tree.parent / f"{tree.name}.tests"
    file.write_text("\n".join(tests))
    return f"@{file}"


def without_parameters(tests: Iterable[str]) -> list[str]:
    """Their functions, whose names no parameter is part of."""
    return list(dict.fromkeys(test.partition("[")[0] for test in tests))


def _how(outcome: Outcome) -> str:
    return (outcome.failures or ("a fixture or an import failed",))[0].split("\n", 1)[0][:160]


def _mentioning(tree: Path, mutation: Mutation) -> list[str]:
    """Test files that name the module or what the line defines."""
    names = {_module(mutation), *mutation.names}
    word = re.compile(rf"\b({'|'.join(map(re.escape, sorted(names)))})\b")
    return [
        str(path.relative_to(tree))
        for path in sorted((tree / "tests").rglob("test_*.py"))
        if word.search(path.read_text("utf-8"))
    ]


@contextlib.contextmanager
def _changed(file: Path, mutation: Mutation) -> Iterator[None]:
    source = file.read_bytes()
    _write(file, mutation.applied(source))
    try:
        yield
    finally:
        _write(file, source)


def _write(file: Path, source: bytes) -> None:
    file.write_bytes(source)
    # Python tells sources apart by size and second.
    for compiled in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
        compiled.unlink()
