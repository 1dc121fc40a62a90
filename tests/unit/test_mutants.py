"""`make mutants` draws alike for a seed, asks the tests that run the line, and counts honestly."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import coverage
import pytest

from scripts.covering import BUDGET, Covering
from scripts.mutant_trial import Result
from scripts.mutants import Record, meaningless, report, sample, sources_of
from scripts.mutations import Mutation, mutations
from scripts.scratch import ROOT

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
    """Who raises it raises it here too."""
    assert SETTINGS["floor"] >= 95


def test_what_means_nothing_has_a_reason_and_is_still_there(sources: dict[str, str]) -> None:
    for entry in SETTINGS["meaningless"]:
        assert entry["why"], entry
        found = mutations(entry["path"], sources[entry["path"]])
        assert any(meaningless(mutation, [entry]) for mutation in found), entry


def test_a_reason_is_for_its_change_alone() -> None:
    one, other = mutations("core/x.py", "x = 1\ny = 2\n")
    entry = {"path": "core/x.py", "change": "1 -> (2)", "why": "nobody reads it"}
    assert (meaningless(one, [entry]), meaningless(other, [entry])) == (True, False)


ONE, TWO, BROKEN = (f"tests/unit/test_a.py::test_{name}" for name in ("one", "two", "broken"))
IT = "tests/conformance/test_b.py::test_it"


@pytest.fixture
def covering(tmp_path: Path) -> Covering:
    """As if the tests of test_a.py ran lines 2 and 3, and a server of test_b.py line 3."""
    data = coverage.CoverageData(str(tmp_path / "lines"))
    for context, lines in {
        "": [1, 2, 3, 5],
        ONE: [2, 3],
        TWO: [2],
        BROKEN: [2, 3],
        f"{IT}|": [3],
    }.items():
        data.set_context(context)
        data.add_lines({"/somewhere/core/x.py": lines})
    data.write()
    (tmp_path / "times").mkdir()
    seconds = [
        [ONE, 0.2],
        [TWO, 0.1],
        [BROKEN, None],
    ]
    (tmp_path / "times/1.jsonl").write_text("\n".join(map(json.dumps, seconds)))
    source = "import y\nLIMIT = BASE\nif LIMIT == 2: f(LIMIT)\n\nBASE = 'a'\n"
    return Covering(tmp_path / "lines", tmp_path / "times", {"core/x.py": source})


def mutation(line: int, *names: str) -> Mutation:
    return Mutation(
        path="core/x.py",
        kind="number",
        line=line,
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
        (mutation(5, "LIMIT"), [TWO, ONE, IT]),
        (mutation(5, "BASE"), [TWO, ONE, IT]),
        (mutation(5), []),
    ],
)
def test_who_runs_the_lines(covering: Covering, change: Mutation, tests: Sequence[str]) -> None:
    """Or uses the name; the quickest first, those of one file together. No test that is broken."""
    assert covering.tests(change) == list(tests)


def test_the_tests_of_a_mutant_take_no_longer_than_its_budget(tmp_path: Path) -> None:
    data = coverage.CoverageData(str(tmp_path / "lines"))
    tests = [f"tests/unit/test_{file}.py::test_{n}" for file in "ab" for n in range(100)]
    for test in tests:
        data.set_context(test)
        data.add_lines({"/core/x.py": [1]})
    data.write()
    (tmp_path / "1.jsonl").write_text("\n".join(json.dumps([test, 2.0]) for test in tests))
    chosen = Covering(tmp_path / "lines", tmp_path, {"core/x.py": "a"}).tests(mutation(1))
    assert len(chosen) * 2.0 == BUDGET
    assert Counter(test[:17] for test in chosen) == {
        "tests/unit/test_a": 30,
        "tests/unit/test_b": 30,
    }


def result(number: int, *killers: str) -> Result:
    return Result(f"core/x.py:{number}: 1 -> (2)", killers, "x")


def test_the_score_counts_what_was_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    """A test that fails without the mutant too has noticed nothing."""
    results = [
        result(1, "tests/a.py::test"),
        result(2),
        result(3, "tests/moody.py::test"),
        result(4, "tests/infra/test_snapshots.py::test"),
    ]
    assert report(results, 1, {"tests/moody.py::test"}, 50) == 0
    told = capsys.readouterr().out
    assert "50.0 % of 4 noticed" in told
    assert "1 by a snapshot alone; 1 more" in told
    assert [
        line.split(": ")[1] for line in told.splitlines() if line.startswith("not noticed")
    ] == [
        "core/x.py:2",
        "core/x.py:3",
    ]
    assert report(results, 1, {"tests/moody.py::test"}, 51) == 1


def test_results_are_found_again(tmp_path: Path) -> None:
    """Those of a run that was interrupted."""
    Record(tmp_path / "r").add(result(1, "tests/a.py::test"))
    again = Record(tmp_path / "r")
    again.add(result(2))
    assert Record(tmp_path / "r").results == {
        one.mutant: one for one in (result(1, "tests/a.py::test"), result(2))
    }
