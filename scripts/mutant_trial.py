"""One mutant, and the tests that may notice it; `scripts.mutants` draws and counts them."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.covering import Covering
from scripts.mutations import Mutation
from scripts.planted_verdict import Outcome, UnusablePatch
from scripts.scratch import Bench

SNAPSHOTS = "tests/{}/test_snapshots.py"
# Whose lines no record tells: a template is made once for all tests, and a manifest has none.
WHOLE = {"cdk": "infra", "k8s": "k8s"}
# A mutant that hangs is noticed too.
HANGS = "--timeout=90"
SECONDS = 900.0


@dataclass(frozen=True)
class Result:
    """How one mutant fared: `killers` are the tests that failed, empty if none did."""

    mutant: str
    killers: tuple[str, ...]
    how: str


class Trial:
    """Tries mutants in `jobs` scratch worktrees."""

    def __init__(self, bench: Bench, trees: Sequence[Path], covering: Covering) -> None:
        self._bench = bench
        self._free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for tree in trees:
            self._free.put(tree)
        self._covering = covering

    def of(self, mutation: Mutation) -> Result:
        tree = self._free.get()
        try:
            with _changed(tree / mutation.path, mutation):
                return self._judge(tree, mutation)
        finally:
            self._free.put(tree)

    def _judge(self, tree: Path, mutation: Mutation) -> Result:
        for chosen in self._choices(tree, mutation):
            try:
                outcome = self._bench.run(tree, ["-x", HANGS, *chosen], seconds=SECONDS)
            except UnusablePatch as error:
                if self._bench.stopped:
                    raise
                return Result(str(mutation), ("a deadline",), str(error))
            if outcome.status:
                return Result(str(mutation), _killers(outcome), _how(outcome))
        return Result(str(mutation), (), "no test failed")

    def _choices(self, tree: Path, mutation: Mutation) -> Iterator[Sequence[str]]:
        area = mutation.path.split("/")[0]
        if area in WHOLE:
            snapshots = SNAPSHOTS.format(WHOLE[area])
            # Last, as they say that something is other than it was, and the others what is wrong.
            yield (f"tests/{WHOLE[area]}", "-m", "not slow", f"--ignore={snapshots}")
            yield (snapshots,)
        else:
            asked = self._covering.tests(mutation)
            yield from self._listed(tree, asked)
            # What only a process of its own runs has no test that is known to run it.
            others = self._covering.tests_of(_mentioning(tree, mutation))
            yield from self._listed(tree, [test for test in others if test not in asked])

    def _listed(self, tree: Path, tests: Sequence[str]) -> Iterator[Sequence[str]]:
        if tests:
            arguments = tree.parent / f"{tree.name}.tests"
            arguments.write_text("\n".join(tests))
            yield (f"@{arguments}",)


def _killers(outcome: Outcome) -> tuple[str, ...]:
    return outcome.broken or ("nothing can be collected",)


def _how(outcome: Outcome) -> str:
    return (outcome.failures or (f"pytest ended with {outcome.status}",))[0].split("\n", 1)[0][:160]


def _mentioning(tree: Path, mutation: Mutation) -> list[str]:
    """Test files that name the module or what the line defines."""
    module = Path(mutation.path).with_suffix("")
    words = {".".join(module.parts), *mutation.names}
    found = []
    for path in sorted((tree / "tests").rglob("test_*.py")):
        text = path.read_text("utf-8")
        if any(word in text for word in words):
            found.append(str(path.relative_to(tree)))
    return found


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
