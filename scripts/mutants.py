"""Change the code in a sample of places, one at a time, and see whether a test fails.

    python -m scripts.mutants --tests "DIR ..." --markers EXPRESSION [--at-once="-n N ..."]
                              [--seed N] [--count N] [-j N]

The sample is of HEAD (uncommitted work is not seen) and follows from the seed: the commit, if none
is given, so that no test is tuned to it. A mutant of core or handler is tried with the tests that
run its lines, as one run of all tests has recorded; one of cdk or k8s with all of theirs, snapshots
last. tests/mutants.toml holds the floor, and the equivalent mutants. Goes on where it was
interrupted. Exit status 1 below the floor.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import shutil
import sys
import time
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path

from scripts.covering import Covering
from scripts.mutant_trial import (
    DEADLINE,
    IMPORT,
    Result,
    Trial,
    arguments_of,
    without_parameters,
)
from scripts.mutation import Mutation
from scripts.mutations import mutations
from scripts.planted_verdict import TrialError
from scripts.scratch import ROOT, Bench, main_of

# Of a hundred mutants.
SHARES = {"core": 50, "handler": 20, "cdk": 15, "k8s": 15}

SMALLEST = 20
# In the folder of a commit: coverage's data, and how long each test took.
LINES, DURATIONS = "lines", "durations"
RECORDING_SECONDS = 5400.0
RECORDING = ("-q", "-p", "scripts.covering", "-p", "no:cacheprovider")


def sample(sources: Mapping[str, str], seed: str, count: int) -> list[Mutation]:
    """`count` mutations, by SHARES of the folders and alike of each operator; none twice."""
    chance = random.Random(seed)  # noqa: S311  a sample, no secret
    chosen: list[Mutation] = []
    drawn = 0
    for folder, share in SHARES.items():
        by_operator: dict[str, list[Mutation]] = defaultdict(list)
        for path in sorted(path for path in sources if path.startswith(f"{folder}/")):
            for mutation in mutations(path, sources[path]):
                by_operator[mutation.operator].append(mutation)
        for places in by_operator.values():
            chance.shuffle(places)
        drawn += share
        while len(chosen) < round(count * drawn / 100):
            operator = chance.choice(sorted(name for name, left in by_operator.items() if left))
            chosen.append(by_operator[operator].pop())
    return chosen


def sources_of(tree: Path) -> dict[str, str]:
    """The text of each file that is mutated, by its path."""
    return {
        str(path.relative_to(tree)): path.read_text("utf-8")
        for folder in SHARES
        for path in sorted((tree / folder).rglob("*"))
        if path.suffix in {".py", ".yaml"}
    }


def equivalent(mutation: Mutation, known: Sequence[Mapping[str, str]]) -> bool:
    """Whether tests/mutants.toml says why it changes nothing for a user."""
    told = {"path": mutation.path, "line": mutation.text, "change": mutation.change}
    return any(told == {name: entry[name] for name in told} for entry in known)


class Record:
    """Results on disk, so that a run goes on where it was interrupted."""

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        self.results = {
            line["key"]: Result(**line | {"killers": tuple(line["killers"])})
            for line in map(json.loads, lines)
        }

    def add(self, result: Result) -> None:
        self.results[result.key] = result
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")


def record_lines(bench: Bench, tree: Path, folder: Path, chosen: Sequence[str]) -> None:
    """Keeps in `folder` which tests run which lines, from one run of pytest with `chosen`.

    Raises TrialError when they cannot run.
    """
    parts = folder / "parts"
    # What an interrupted run or another commit left.
    shutil.rmtree(folder.parent, ignore_errors=True)
    parts.mkdir(parents=True)
    (folder / DURATIONS).mkdir()
    print("mutants: all tests run once, to record their lines", flush=True)
    # Combine looks for parts of this very name.
    whole = parts / LINES
    more = {
        "COVERAGE_CORE": "ctrace",
        "COVERAGE_FILE": str(whole),
        "COVERED_BY": str(folder / DURATIONS),
    }
    tests = ["run", "-m", "pytest", *RECORDING, *chosen]
    together = ["combine", "-q", f"--data-file={whole}", str(parts)]
    for run, good in ((tests, {0, 1}), (together, {0})):
        arguments = ["-m", "coverage", *run]
        status = bench.execute(tree, arguments, seconds=RECORDING_SECONDS, more=more)
        if status not in good:
            raise TrialError(f"coverage {run[0]} ended with status {status}")
    whole.rename(folder / LINES)


def try_all(
    trial: Trial, bench: Bench, chosen: Sequence[Mutation], record: Record, jobs: int
) -> None:
    """Adds a result of each to the record and prints it."""
    began = time.monotonic()
    tasks = {mutation: functools.partial(trial.of, mutation) for mutation in chosen}
    with closing(bench.finished(jobs, tasks)) as results:
        for number, (mutation, result) in enumerate(results, 1):
            record.add(result)
            told = f"killed by {result.killers[0]}" if result.killers else "SURVIVED"
            spent = f"{time.monotonic() - began:.0f} s"
            print(f"[{number}/{len(chosen)}, {spent}] {mutation}: {told}", flush=True)


def flaky_among(bench: Bench, tree: Path, results: Sequence[Result]) -> set[str]:
    """The tests of `results` that fail without a mutant too, when the killers run by themselves.

    Raises TrialError when they cannot run.
    """
    killers = {test for result in results for test in without_parameters(result.killers)}
    known = sorted(killers - {IMPORT, DEADLINE})
    if not known:
        return set()
    print(f"mutants: {len(known)} tests that killed one run again without", flush=True)
    outcome = bench.run(tree, [arguments_of(tree, known)], seconds=RECORDING_SECONDS)
    if outcome.status not in {0, 1}:
        raise TrialError(f"the killers cannot run again: pytest ended with {outcome.status}")
    return set(without_parameters(outcome.broken))


def report(results: Sequence[Result], equivalents: int, flaky: set[str], floor: float) -> int:
    """Prints score and survivors; the exit status."""
    survivors = [it for it in results if set(without_parameters(it.killers)) <= flaky]
    snapshots = [
        it for it in results if it.killers and all("test_snapshots.py" in by for by in it.killers)
    ]
    score = 100 * (len(results) - len(survivors)) / len(results)
    for title, listed in (("survived", survivors), ("killed by a snapshot alone", snapshots)):
        for result in listed:
            print(f"{title}: {result.mutant}")
    for test in sorted(flaky):
        print(f"fails without a mutant too, so it killed none: {test}")
    print(
        f"mutants: {score:.1f} % of {len(results)} killed, floor {floor:g} %;"
        f" {len(snapshots)} by a snapshot alone; {equivalents} more are equivalent"
    )
    return int(score < floor)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutants", description="Try small changes of the code.")
    parser.add_argument("--tests", required=True, help="folders of tests of core and handler")
    parser.add_argument("--markers", required=True, help="which of them, as pytest's -m")
    parser.add_argument("--at-once", default="-n 2", help="of that one run (default: -n 2)")
    parser.add_argument("--seed", help="of the sample (default: the commit)")
    parser.add_argument("--count", type=int, default=100, help="mutants (default 100)")
    parser.add_argument("-j", dest="jobs", type=int, default=2, help="at once (default 2)")
    arguments = parser.parse_args()
    if arguments.count < SMALLEST:
        parser.error(f"--count must be at least {SMALLEST}")
    return arguments


def run(arguments: argparse.Namespace, bench: Bench) -> int:
    """The exit status. Raises TrialError when the tests cannot speak."""
    settings = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text("utf-8"))
    seed = arguments.seed or bench.commit[:8]
    folder = ROOT / "build" / "mutants" / bench.commit
    chosen = (*arguments.at_once.split(), "-m", arguments.markers, *arguments.tests.split())
    with ExitStack() as trees:
        places = [trees.enter_context(bench.worktree(f"{n}")) for n in range(arguments.jobs)]
        if not (folder / LINES).exists():
            record_lines(bench, places[0], folder, chosen)
        sources = sources_of(places[0])
        covering = Covering(folder / LINES, folder / DURATIONS, sources)
        for test in sorted(covering.failed):
            print(f"fails without a mutant, and is not asked: {test}")
        record = Record(folder / f"{seed}-{arguments.count}.jsonl")
        drawn = sample(sources, seed, arguments.count)
        meant = [it for it in drawn if not equivalent(it, settings["equivalent"])]
        rest = [it for it in meant if it.key not in record.results]
        done = len(meant) - len(rest)
        print(
            f"mutants: {len(drawn)} of {bench.commit[:8]}, seed {seed}; {done} are done", flush=True
        )
        try_all(Trial(bench, places, covering), bench, rest, record, arguments.jobs)
        results = [record.results[it.key] for it in meant]
        flaky = flaky_among(bench, places[0], results)
    return report(results, len(drawn) - len(meant), flaky, settings["floor"])


def main() -> int:
    arguments = _arguments()
    return main_of(
        "mutants",
        functools.partial(run, arguments),
        stopped="stopped; the next run goes on here",
    )


if __name__ == "__main__":
    sys.exit(main())
