"""Show that the tests which guard a promise fail when the promise is broken.

    python -m scripts.planted [-j N] [--one-of N] [NAME ...]

Each `tests/planted/NAME.patch` plants one defect. Its first line names the test that has to notice:

    # fails: tests/unit/test_codes.py::test_expired_code_is_refused
    # fails: tests/conformance/test_login.py::test_answers[lambda-unknown]
    # fails: tests/conformance/test_login.py -k "unknown and not slow"

First every patch has to apply, and its tests have to be there. Then every patch is tried, or with
--one-of N every Nth, from a place that follows from the commit: its tests have to pass without it
and to *fail* with it, in a scratch git worktree of HEAD (uncommitted work is not seen). An error of
a fixture, an import error, a time-out or no test at all is not a proof. Exit status 0 when every
patch was noticed, 1 otherwise.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from scripts.planted_verdict import TrialError, Verdict, judge, selection
from scripts.scratch import ROOT, Bench, git, main_of, show_end

PATCHES = ROOT / "tests" / "planted"
# Each with the arguments of pytest that choose its tests.
Patches = Mapping[Path, tuple[str, ...]]


def one_of(number: int, patches: Patches, commit: str) -> Patches:
    """Every Nth, from a place that follows from the commit. Raises TrialError if there is none."""
    chosen = dict(list(patches.items())[int(commit, 16) % number :: number])
    if not chosen:
        raise TrialError(f"there are fewer patches than {number}")
    return chosen


def check_all(bench: Bench, patches: Patches, seconds: float) -> None:
    """Raises TrialError with each patch that no longer applies, and when a test is not there."""
    with bench.worktree("applied") as tree:
        stale = []
        for patch in patches:
            try:
                git(tree, "apply", "--check", "--whitespace=nowarn", str(patch))
            except TrialError as error:
                stale.append(f"{patch.name} no longer applies: {error}")
        if stale:
            raise TrialError("\n".join(stale))
        for run in runs_of(patches):
            log = tree.parent / "collected.log"
            arguments = ["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *run]
            if bench.execute(tree, arguments, seconds=seconds, log=log):
                show_end(log)
                raise TrialError(f"there is no such test: {' '.join(run)[:500]}")


def runs_of(patches: Patches) -> list[tuple[str, ...]]:
    """Arguments of pytest: nodes in one run, each -k expression in its own."""
    selections = set(patches.values())
    nodes = sorted(chosen[0] for chosen in selections if len(chosen) == 1)
    runs = [tuple(nodes)] if nodes else []
    return runs + sorted(chosen for chosen in selections if len(chosen) > 1)


def passes_unpatched(bench: Bench, patches: Patches, seconds: float) -> bool:
    """Whether all named tests pass on HEAD."""
    with bench.worktree("unpatched") as tree:
        for run in runs_of(patches):
            outcome = bench.run(tree, run, seconds=seconds * len(run))
            if outcome.status or not outcome.passed:
                show_end(tree.parent / f"{tree.name}.log")
                print("planted: these tests do not pass without a patch", file=sys.stderr)
                return False
    return True


def try_patch(bench: Bench, patch: Path, tests: Sequence[str], seconds: float) -> Verdict:
    try:
        with bench.worktree(patch.stem) as tree:
            git(tree, "apply", "--whitespace=nowarn", str(patch))
            return judge(bench.run(tree, tests, seconds=seconds))
    except TrialError as error:
        return Verdict(False, str(error))


def try_all(bench: Bench, patches: Patches, jobs: int, seconds: float) -> int:
    """The number of patches that nobody noticed."""
    failed = 0
    began = time.monotonic()
    tasks = {
        patch.stem: functools.partial(try_patch, bench, patch, tests, seconds)
        for patch, tests in patches.items()
    }
    with closing(bench.finished(jobs, tasks)) as verdicts:
        for number, (name, verdict) in enumerate(verdicts, 1):
            failed += not verdict.noticed
            told = "noticed" if verdict.noticed else "NOT NOTICED"
            spent = f"{time.monotonic() - began:.0f} s"
            reason = verdict.reason.split("\n", 1)[0][:160]
            print(f"[{number}/{len(patches)}, {spent}] {told}: {name}: {reason}", flush=True)
    return failed


def chosen_patches(names: Sequence[str]) -> Patches:
    """Each patch with its test; raises TrialError for an unknown name or a wrong first line."""
    patches = sorted(PATCHES.glob("*.patch"))
    unknown = set(names) - {patch.stem for patch in patches}
    if unknown or not patches:
        raise TrialError(f"tests/planted has no {', '.join(sorted(unknown)) or 'patches'}")
    chosen = {}
    for patch in patches:
        try:
            chosen[patch] = selection(patch.read_text().split("\n", 1)[0])
        except TrialError as error:
            raise TrialError(f"{patch.name}: {error}") from None
    return {patch: tests for patch, tests in chosen.items() if not names or patch.stem in names}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="planted", description="Try the defects in tests/planted."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="patches to try (default: all)")
    parser.add_argument(
        "--one-of", type=int, default=1, metavar="N", help="try every Nth (default 1)"
    )
    parser.add_argument("-j", dest="jobs", type=int, default=2, help="patches at once (default 2)")
    parser.add_argument(
        "--seconds", type=float, default=360, help="deadline of a test (default 360)"
    )
    arguments = parser.parse_args()
    if arguments.one_of < 1:
        parser.error("--one-of is at least 1")
    return arguments


def main() -> int:
    arguments = _arguments()

    def work(bench: Bench) -> int:
        patches = chosen_patches(arguments.names)
        check_all(bench, patches, arguments.seconds)
        patches = one_of(arguments.one_of, patches, bench.commit)
        print(f"planted: {len(patches)} patches on HEAD; uncommitted work is not seen", flush=True)
        if not passes_unpatched(bench, patches, arguments.seconds):
            return 1
        failed = try_all(bench, patches, arguments.jobs, arguments.seconds)
        print(f"planted: {len(patches) - failed} passed, {failed} failed")
        return 1 if failed else 0

    return main_of("planted", work)


if __name__ == "__main__":
    sys.exit(main())
