"""`make mutants` draws alike for a seed, asks the tests that run the line, and counts honestly."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import coverage
import pytest

from scripts.covering import BUDGET, SHARED, SHARED_SERVER, Covering
from scripts.mutant_trial import Result, Trial
from scripts.mutants import (
    DURATIONS,
    LINES,
    Record,
    equivalent,
    record_lines,
    report,
    sample,
    sources_of,
)
from scripts.mutation import Mutation
from scripts.mutations import mutations
from scripts.planted_verdict import Outcome, TrialError
from scripts.scratch import ROOT, Bench

SETTINGS = tomllib.loads((ROOT / "tests/mutants.toml").read_text())


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    return sources_of(ROOT)


def test_a_seed_gives_the_same_sample(sources: dict[str, str]) -> None:
    """And another one another, of all areas, without repetition."""
    some = ("core/domain/", "handler/http/routes/", "cdk/config/", "k8s/base/")
    sources = {path: source for path, source in sources.items() if path.startswith(some)}
    drawn = sample(sources, "1", 40)
    assert drawn == sample(sources, "1", 40)
    assert len(set(drawn)) == 40
    assert not set(drawn) & set(sample(sources, "2", 40)[:20])
    assert Counter(mutation.path.split("/")[0] for mutation in drawn) == {
        "core": 20,
        "handler": 8,
        "cdk": 6,
        "k8s": 6,
    }


def test_the_floor_never_falls() -> None:
    """Below that of any commit before, as far as this clone knows them."""
    path = "tests/mutants.toml"
    log = ["git", "log", "--format=%H", "--", path]
    known = subprocess.run(log, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    for commit in known.stdout.split():
        show = ["git", "show", f"{commit}:{path}"]
        was = subprocess.run(show, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
        assert SETTINGS["floor"] >= tomllib.loads(was.stdout)["floor"], commit


def test_an_equivalent_mutant_has_a_reason_and_is_still_there(sources: dict[str, str]) -> None:
    for entry in SETTINGS["equivalent"]:
        assert entry["why"], entry
        found = mutations(entry["path"], sources[entry["path"]])
        assert any(equivalent(mutation, [entry]) for mutation in found), entry


def test_a_reason_is_for_its_change_alone() -> None:
    """The same change of another line is another mutant."""
    one, other, third = mutations("core/x.py", "x = 1\ny = 1\nz = 2\n")
    entry = {"path": "core/x.py", "line": "x = 1", "change": "1 -> (2)", "why": "unused"}
    assert [equivalent(it, [entry]) for it in (one, other, third)] == [True, False, False]


def test_mutants_that_read_the_same_are_told_apart() -> None:
    """A result is for one of them."""
    found = mutations("core/x.py", "x = f(1, 1)\n")
    assert len({str(it) for it in found}) == 1
    assert len({it.key for it in found}) == len(found) == 2


ONE, TWO, BROKEN = (f"tests/unit/test_a.py::test_{name}" for name in ("one", "two", "broken"))
IT, OTHER, ELSEWHERE = (
    f"tests/conformance/test_b.py::test_{name}" for name in ("it", "other[asgi]", "it[lambda]")
)
DOCUMENT = "tests/unit/test_c.py::test_document"
EVERY = [IT, OTHER, ELSEWHERE]


@pytest.fixture
def covering(tmp_path: Path) -> Covering:
    """As if the tests of test_a.py ran lines 2 and 3, and a server of test_b.py line 3; test_one
    came first, and imported it; the one of test_c.py compares a document."""
    data = coverage.CoverageData(str(tmp_path / "lines"))
    for context, lines in {
        "": [1, 2, 3, 5],
        ONE: [2, 3, 4],
        TWO: [2],
        BROKEN: [2, 3],
        f"{IT}|": [3],
        "tests/conformance/test_b.py": [7],
        SHARED: [8, 10],
        f"{SHARED_SERVER}|": [9, 10],
        "tests/unit/test_z.py::test_z": [10],
    }.items():
        data.set_context(context)
        data.add_lines({"/somewhere/core/x.py": lines})
    data.write()
    (tmp_path / "times").mkdir()
    notes = [
        (ONE, 0.2, False),
        (TWO, 0.1, False),
        (BROKEN, None, False),
        (IT, 0.3, False),
        (OTHER, 0.4, False),
        (ELSEWHERE, 0.5, False),
        (DOCUMENT, 0.6, True),
    ]
    (tmp_path / "times/1.jsonl").write_text("\n".join(map(json.dumps, notes)))
    begin = ["import y", "def f(): return LIMIT", "def g(): return f(LIMIT)", "LIMIT = BASE"]
    source = "\n".join([*begin, "BASE = 'a'", "", *(f"def {name}(): pass" for name in "hijk")])
    sources = {"core/x.py": source, "k8s/x.yaml": "- LIMIT: {a b}"}
    return Covering(tmp_path / "lines", tmp_path / "times", sources)


def mutation(line: int, *names: str) -> Mutation:
    return Mutation(
        path="core/x.py",
        operator="number",
        line=line,
        text="a",
        lines=(line, line),
        start=0,
        end=0,
        before="a",
        after="b",
        names=names,
    )


@pytest.mark.parametrize(
    ("change", "tests"),
    [
        (mutation(2), [TWO, ONE]),
        (mutation(3), [ONE, IT]),
        (mutation(4), [DOCUMENT, TWO, ONE, *EVERY]),
        (mutation(5, "LIMIT"), [TWO, ONE, IT, DOCUMENT, OTHER, ELSEWHERE]),
        (mutation(5, "BASE"), [TWO, ONE, IT, DOCUMENT, OTHER, ELSEWHERE]),
        (mutation(6), []),
        (mutation(7), EVERY),
        (mutation(8), [DOCUMENT, TWO, ONE, *EVERY]),
        (mutation(9), [IT, OTHER]),
        (mutation(10), ["tests/unit/test_z.py::test_z", DOCUMENT, TWO, ONE, *EVERY]),
    ],
)
def test_who_runs_the_lines(covering: Covering, change: Mutation, tests: Sequence[str]) -> None:
    """Or uses the name, or shares what ran them; the quickest first, those of one file together. No
    test that is broken."""
    assert covering.tests(change) == list(tests)


def changing(path: str, line: str) -> Mutation:
    """The first mutation of a line that begins so."""
    return next(
        it for it in mutations(path, sources_of(ROOT)[path]) if it.text.strip().startswith(line)
    )


def test_one_run_of_the_tests_records_their_lines(tmp_path: Path) -> None:
    """With coverage and pytest as they are, on the commit that is tried. A server is shared by all
    tests of its target."""
    limit = changing("core/domain/addresses.py", "if ascii_domain and len(local)")
    server = changing("handler/asgi.py", "if self._closes_at is not None and")
    folder = tmp_path / "kept" / "commit"
    files = ["tests/unit/test_domain.py", "tests/conformance/test_metrics_listener.py"]
    with Bench(tmp_path) as bench, bench.worktree("tree") as tree:
        record_lines(bench, tree, folder, [*files, "-k", "254 or has_no_metrics"])
        kept = Covering(folder / LINES, folder / DURATIONS, sources_of(tree))
    assert kept.tests(limit) == [
        "tests/unit/test_domain.py::test_an_address_has_at_most_254_characters"
    ]
    asked = "tests/conformance/test_metrics_listener.py::test_the_api_has_no_metrics"
    assert set(kept.tests(server)) == {
        f"{asked}[asgi-{method}]" for method in ("GET", "HEAD", "POST")
    }


def test_the_tests_of_a_mutant_take_no_longer_than_its_budget(tmp_path: Path) -> None:
    """But for those that compare a document, which have a budget of their own."""
    data = coverage.CoverageData(str(tmp_path / "lines"))
    tests = [f"tests/unit/test_{file}.py::test_{n}" for file in "ab" for n in range(100)]
    for test in tests:
        data.set_context(test)
        data.add_lines({"/core/x.py": [1]})
    data.set_context(SHARED)
    data.add_lines({"/core/x.py": [1]})
    data.write()
    notes = [*((test, 2.0, False) for test in tests), (DOCUMENT, 3.0, True)]
    (tmp_path / "1.jsonl").write_text("\n".join(map(json.dumps, notes)))
    source = {"core/x.py": "def f(): a"}
    *chosen, last = Covering(tmp_path / "lines", tmp_path, source).tests(mutation(1))
    assert last == DOCUMENT
    assert len(chosen) * 2.0 == BUDGET
    assert Counter(test[:17] for test in chosen) == {
        "tests/unit/test_a": 30,
        "tests/unit/test_b": 30,
    }


def result(number: int, *killers: str) -> Result:
    return Result(str(number), f"core/x.py:{number}: 1 -> (2)", killers, "x")


def test_the_score_counts_what_was_killed(capsys: pytest.CaptureFixture[str]) -> None:
    """A test that fails without the mutant too has killed none."""
    results = [
        result(1, "tests/a.py::test[1]"),
        result(2),
        result(3, "tests/flaky.py::test[a]"),
        result(4, "tests/infra/test_snapshots.py::test"),
    ]
    assert report(results, 1, {"tests/flaky.py::test"}, 50) == 0
    told = capsys.readouterr().out
    assert "50.0 % of 4 killed" in told
    assert "1 by a snapshot alone; 1 more" in told
    assert [line.split(": ")[1] for line in told.splitlines() if line.startswith("survived")] == [
        "core/x.py:2",
        "core/x.py:3",
    ]
    assert report(results, 1, {"tests/flaky.py::test"}, 51) == 1


def test_results_are_found_again(tmp_path: Path) -> None:
    """Those of a run that was interrupted."""
    Record(tmp_path / "r").add(result(1, "tests/a.py::test"))
    again = Record(tmp_path / "r")
    again.add(result(2))
    assert Record(tmp_path / "r").results == {
        one.key: one for one in (result(1, "tests/a.py::test"), result(2))
    }


class Pytest:
    """In place of a bench: answers each run with the next outcome, and notes what it was asked."""

    def __init__(self, *outcomes: Outcome, imports: bool = True) -> None:
        self.outcomes, self.imports, self.asked = list(outcomes), imports, list[list[str]]()
        self.imported = ""

    def execute(self, _tree: Path, arguments: Sequence[str], **_: object) -> int:
        self.imported = arguments[-1]
        return 0 if self.imports else 1

    def run(self, tree: Path, arguments: Sequence[str], *, seconds: float) -> Outcome:
        last = arguments[-1]
        self.asked.append(Path(last[1:]).read_text().split("\n") if last[0] == "@" else [last])
        return self.outcomes.pop(0)


def tried(bench: Pytest, covering: Covering, folder: Path, path: str = "core/x.py") -> Result:
    tree = folder / "tree"
    (tree / path).parent.mkdir(parents=True)
    (tree / path).write_text("a")
    trial = Trial(cast(Any, bench), [tree], covering)
    found = trial.of(replace(mutation(3), path=path, end=1))
    assert (tree / path).read_text() == "a"
    return found


@pytest.mark.parametrize(
    ("path", "imported"),
    [
        ("core/x.py", "import core.x, tests.conftest"),
        ("cdk/__init__.py", "import cdk, tests.infra.conftest"),
    ],
)
def test_what_its_tests_cannot_start_without_is_imported(
    covering: Covering, tmp_path: Path, path: str, imported: str
) -> None:
    bench = Pytest(imports=False)
    tried(bench, covering, tmp_path, path)
    assert bench.imported == imported


def test_a_module_that_cannot_be_imported_needs_no_test(covering: Covering, tmp_path: Path) -> None:
    assert tried(Pytest(imports=False), covering, tmp_path).killers == ("the import",)


def test_a_test_that_fails_kills(covering: Covering, tmp_path: Path) -> None:
    bench = Pytest(Outcome(status=1, failures=("assert 0",), broken=(ONE,)))
    assert tried(bench, covering, tmp_path).killers == (ONE,)
    assert bench.asked == [[ONE, IT]]


def test_a_renamed_parameter_is_no_kill(covering: Covering, tmp_path: Path) -> None:
    """pytest knows no test of the old name and runs none: their functions are asked then."""
    bench = Pytest(Outcome(status=4), Outcome(status=0, passed=2))
    assert tried(bench, covering, tmp_path).killers == ()
    assert len(bench.asked) == 2


def test_a_run_without_an_answer_is_no_kill(covering: Covering, tmp_path: Path) -> None:
    """It says nothing of the mutant, nor of the others that would end so."""
    with pytest.raises(TrialError, match="status 3"):
        tried(Pytest(Outcome(status=3)), covering, tmp_path)


def test_snapshots_are_asked_last(covering: Covering, tmp_path: Path) -> None:
    bench = Pytest(Outcome(status=0, passed=9), Outcome(status=1, broken=("s",)))
    assert tried(bench, covering, tmp_path, "k8s/x.yaml").killers == ("s",)
    assert bench.asked == [
        ["--ignore=tests/k8s/test_snapshots.py"],
        ["tests/k8s/test_snapshots.py"],
    ]
