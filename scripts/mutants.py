"""Change the code in a sample of places, one at a time, and see whether a test fails.

    python -m scripts.mutants --tests "DIR ..." --markers EXPRESSION [--workers N]
                              [--seed N] [--count N] [-j N]

The sample is of HEAD (uncommitted work is not seen) and follows from the seed: the commit, if none
is given, so that nobody tunes to it. A mutant of core or handler is tried with the tests that run
its lines, as one run of all tests has recorded; one of cdk or k8s with all of theirs, snapshots
last. tests/mutants.toml holds the floor, and the mutants that change nothing for a user. Goes on
where it was interrupted. Exit status 1 below the floor.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from scripts.covering import Covering
from scripts.mutant_trial import Result, Trial
from scripts.mutations import Mutation, mutations
from scripts.planted_verdict import UnusablePatch
from scripts.scratch import ROOT, Bench, environment

# Of a hundred mutants.
SHARES = {"core": 50, "handler": 20, "cdk": 15, "k8s": 15}

RECORDING = ("-q", "-p", "scripts.covering", "-p", "no:cacheprovider")


def sample(sources: Mapping[str, str], seed: str, count: int) -> list[Mutation]:
    """`count` mutations, by SHARES of the areas and alike of each kind, without repetition."""
    chance = random.Random(seed)  # noqa: S311  a sample, no secret
    chosen = []
    for area, share in SHARES.items():
        of_kinds: dict[str, list[Mutation]] = defaultdict(list)
        for path in sorted(path for path in sources if path.startswith(f"{area}/")):
            for mutation in mutations(path, sources[path]):
                of_kinds[mutation.kind].append(mutation)
        for places in of_kinds.values():
            chance.shuffle(places)
        for _ in range(round(count * share / 100)):
            kind = chance.choice(sorted(kind for kind, places in of_kinds.items() if places))
            chosen.append(of_kinds[kind].pop())
    return chosen


def sources_of(tree: Path) -> dict[str, str]:
    """The text of each file that is mutated, by its path."""
    return {
        str(path.relative_to(tree)): path.read_text("utf-8")
        for area in SHARES
        for path in sorted((tree / area).rglob("*"))
        if path.suffix in {".py", ".yaml"}
    }


def meaningless(mutant: Mutation, known: Sequence[Mapping[str, str]]) -> bool:
    """Whether tests/mutants.toml says why it changes nothing for a user."""
    told = str(mutant).split(":", 1)[0], str(mutant).split(": ", 1)[1]
    return any(told == (entry["path"], entry["change"]) for entry in known)


class Record:
    """Results on disk, so that a run goes on where it was interrupted."""

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        self.results = {
            line["mutant"]: Result(line["mutant"], tuple(line["killers"]), line["how"])
            for line in map(json.loads, lines)
        }

    def add(self, result: Result) -> None:
        self.results[result.mutant] = result
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")


def recorded_lines(bench: Bench, folder: Path, chosen: Sequence[str]) -> Covering:
    """Which tests run which lines, from one run of pytest with `chosen`; kept in `folder`.

    Raises UnusablePatch when they cannot run.
    """
    data, durations = folder / "lines", folder / "durations"
    with bench.worktree("covering") as tree:
        if not data.exists():
            durations.mkdir(parents=True, exist_ok=True)
            print("mutants: all tests run once, to record their lines", flush=True)
            command = [sys.executable, "-m", "coverage"]
            own = environment(tree) | {
                "COVERAGE_CORE": "ctrace",
                "COVERAGE_FILE": str(folder / "parts" / data.name),
                "COVERED_BY": str(durations),
            }
            (folder / "parts").mkdir(exist_ok=True)
            tests = ["run", "-m", "pytest", *RECORDING, *chosen]
            together = ["combine", "-q", f"--data-file={data}", str(folder / "parts")]
            for run, good in ((tests, {0, 1}), (together, {0})):
                done = subprocess.run([*command, *run], cwd=tree, env=own, check=False)
                if done.returncode not in good:
                    raise UnusablePatch(f"{run[0]} ended with status {done.returncode}")
        covering = Covering(data, durations, sources_of(tree))
    for test in sorted(covering.failed):
        print(f"fails without a mutant, and is not asked: {test}")
    return covering


def try_all(
    trial: Trial, bench: Bench, chosen: Sequence[Mutation], record: Record, jobs: int
) -> None:
    """Adds a result of each to the record and prints it."""
    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(trial.of, mutation) for mutation in chosen]
        try:
            for number, future in enumerate(as_completed(waiting), 1):
                result = future.result()
                record.add(result)
                told = f"noticed by {result.killers[0]}" if result.killers else "NOT NOTICED"
                spent = f"{time.monotonic() - began:.0f} s"
                print(f"[{number}/{len(chosen)}, {spent}] {result.mutant}: {told}", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            bench.stop()
            raise


def without_mutant(bench: Bench, tree: Path, results: Sequence[Result]) -> set[str]:
    """Of the tests that noticed something, those that fail without it, run by themselves."""
    killers = sorted({test for result in results for test in result.killers if "tests/" in test})
    if not killers:
        return set()
    arguments = tree.parent / "killers.tests"
    arguments.write_text("\n".join(killers))
    return set(bench.run(tree, [f"@{arguments}"], seconds=1800).broken)


def report(results: Sequence[Result], left_out: int, moody: set[str], floor: float) -> int:
    """Prints score and survivors; the exit status."""
    survivors = [result for result in results if set(result.killers) <= moody]
    snapshots = [
        result
        for result in results
        if result.killers and all("test_snapshots.py" in killer for killer in result.killers)
    ]
    score = 100 * (len(results) - len(survivors)) / len(results)
    for title, listed in (("not noticed", survivors), ("noticed by a snapshot alone", snapshots)):
        for result in listed:
            print(f"{title}: {result.mutant}")
    for test in sorted(moody):
        print(f"fails without a mutant too, so it noticed nothing: {test}")
    print(
        f"mutants: {score:.1f} % of {len(results)} noticed, floor {floor:g} %;"
        f" {len(snapshots)} by a snapshot alone; {left_out} more mean nothing to a user"
    )
    return int(score < floor)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutants", description="Try small changes of the code.")
    parser.add_argument("--tests", required=True, help="folders of tests of core and handler")
    parser.add_argument("--markers", required=True, help="which of them, as pytest's -m")
    parser.add_argument("--workers", default="2", help="of that one run (default 2)")
    parser.add_argument("--seed", help="of the sample (default: the commit)")
    parser.add_argument("--count", type=int, default=100, help="mutants (default 100)")
    parser.add_argument("-j", dest="jobs", type=int, default=2, help="at once (default 2)")
    return parser.parse_args()


def _terminated(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def run(arguments: argparse.Namespace, bench: Bench) -> int:
    """The exit status. Raises UnusablePatch when the tests cannot speak."""
    settings = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text("utf-8"))
    seed = arguments.seed or bench.commit[:8]
    folder = ROOT / "build" / "mutants" / bench.commit
    chosen = ("-n", arguments.workers, "-m", arguments.markers, *arguments.tests.split())
    covering = recorded_lines(bench, folder, chosen)
    record = Record(folder / f"{seed}-{arguments.count}.jsonl")
    with ExitStack() as trees:
        places = [trees.enter_context(bench.worktree(f"{n}")) for n in range(arguments.jobs)]
        drawn = sample(sources_of(places[0]), seed, arguments.count)
        meant = [m for m in drawn if not meaningless(m, settings["meaningless"])]
        rest = [mutation for mutation in meant if str(mutation) not in record.results]
        done = len(meant) - len(rest)
        print(
            f"mutants: {len(drawn)} of {bench.commit[:8]}, seed {seed}; {done} are done", flush=True
        )
        try_all(Trial(bench, places, covering), bench, rest, record, arguments.jobs)
        results = [record.results[str(mutation)] for mutation in meant]
        moody = without_mutant(bench, places[0], results)
    return report(results, len(drawn) - len(meant), moody, settings["floor"])


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="mutants-") as folder,
            Bench(Path(folder).resolve()) as bench,
        ):
            return run(arguments, bench)
    except UnusablePatch as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("mutants: stopped; the next run goes on here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
