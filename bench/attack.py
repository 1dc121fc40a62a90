"""A simulated attack on one account, and whether its owner gets in meanwhile.

    python -m bench.attack [--guesses N] [--write]

Guesses 100,000 passwords from 1,000 addresses through the real server process, once as it is
delivered and once without the limit by address, so that the counters by account stand alone; some
of the guesses are at random accounts. Prints a table; `--write` puts it into docs/performance.md
too. Exit status 1 when more passwords were hashed than the limits allow, when an answer was a
server's error, when the owner did not get in, or when others could not read. Times are told and not
judged: machines are shared and noisy.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.accounts import make_accounts
from bench.guessing import Plan
from bench.line import BUSY
from bench.load_figures import LIVE, READS, READY, Pair
from bench.machine import circumstances
from bench.owner import Logins, Owner
from bench.service import delivered, total
from bench.watching import asked, port_of
from core.bootstrap import Core, build_core
from core.config import Settings
from scripts.sections import write_section
from tests.support.mailbox import Mailbox
from tests.support.people import random_email
from tests.support.server import ServerProcess

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
GUESSES_PER_ADDRESS = 100
CONNECTIONS = 64
UNKNOWN = 5
OTHERS = 200
READERS = 20
BEFORE_SECONDS = 15.0
DEADLINE_SECONDS = 900.0
# Addresses that make all their guesses at once meet the limit by address. In turn, as fast as one
# server answers, they stay below it: then the limits by account have to do.
RUNS: Mapping[str, tuple[int, Mapping[str, str]]] = {
    "addresses one after the other": (GUESSES_PER_ADDRESS, {}),
    "in turn, without the limit by address": (1, {"LIMIT_ADDRESS_PER_MINUTE": "0"}),
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an attack cost, and what the owner noticed; `elsewhere` are statuses of logins from a
    new address: during the attack, and behind it with a password reset by mail."""

    statuses: Mapping[str, int]
    lost: int
    seconds: float
    hashes: int
    most_hashes: int
    statements: int
    before: Logins
    during: Logins
    elsewhere: tuple[int, int]
    callers: Mapping[str, Pair]

    @property
    def guesses(self) -> int:
        return sum(self.statuses.values())

    def faults(self) -> Iterator[str]:
        """What must never be, whatever the machine."""
        if self.lost:
            yield f"{self.lost} guesses got no answer"
        errors = {status for status in self.statuses if status.startswith(("2", "5"))} - {BUSY}
        if errors:
            yield f"guesses were answered {', '.join(sorted(errors))}"
        if self.hashes > self.most_hashes:
            yield f"{self.hashes} hashes were computed, the limits allow {self.most_hashes}"
        refused = [status for status in self.during.statuses if status != 200]
        if refused or not self.during.statuses:
            yield f"the owner got in {self.during.statuses.count(200)} times, and then {refused}"
        if self.elsewhere[1] != 200:
            yield f"after the reset the owner's login was answered {self.elsewhere[1]}"
        for kind in (LIVE, READY, READS):
            statuses = self.callers[kind].during.statuses
            if set(statuses) != {"200"}:
                yield f"{kind} were answered {dict(statuses)}"


def simulate(
    core: Core, environment: dict[str, str], mail: Path, *, guesses: int, in_a_row: int
) -> Outcome:
    """One attack, on a server and an account of its own."""
    readers, others = make_accounts(core, READERS), make_accounts(core, OTHERS)
    with ServerProcess.start(environment) as server, ThreadPoolExecutor(1) as meanwhile:
        owner = Owner(server.client(), Mailbox(core, mail))
        emails = [each.person.email for each in others]
        plan = plan_of(owner.person.email, emails, guesses=guesses, in_a_row=in_a_row)
        asking = meanwhile.submit(asked, server, BEFORE_SECONDS, readers=readers)
        before = owner.log_in_for(BEFORE_SECONDS)
        idle = asking.result()
        began = counters(server)
        during_attack, told = 0, dict[str, Any]()
        with owner.logging_in() as during:
            asking = meanwhile.submit(asked, server, BEFORE_SECONDS, readers=readers)
            for told in guess(server, plan):
                if not during_attack and told.get("done", 0) > guesses // 2:
                    during_attack = owner.log_in_elsewhere()
        ended = counters(server)
        noticed = asking.result()
        owner.reset_password()
        return Outcome(
            statuses=told["statuses"],
            lost=told["lost"],
            seconds=told["seconds"],
            hashes=ended["hashes"] - began["hashes"],
            most_hashes=most_hashes(core.settings, plan, during),
            statements=ended["statements"] - began["statements"],
            before=before,
            during=during,
            elsewhere=(during_attack, owner.log_in_elsewhere()),
            callers={kind: Pair(idle=idle[kind], during=noticed[kind]) for kind in idle},
        )


def plan_of(victim: str, others: list[str], *, guesses: int, in_a_row: int) -> Plan:
    return Plan(
        victim=victim,
        unknown=[random_email() for _ in range(UNKNOWN)],
        others=others,
        guesses=guesses,
        addresses=max(1, guesses // GUESSES_PER_ADDRESS),
        in_a_row=in_a_row,
        connections=CONNECTIONS,
        seconds=DEADLINE_SECONDS,
    )


def most_hashes(settings: Settings, plan: Plan, owner: Logins) -> int:
    """What strangers may guess in an hour at each identifier that is guessed at again and again,
    each guess at a random account, two hashes a refusal, and one hash a login of the owner."""
    again = settings.limit_failures_per_account * (1 + UNKNOWN)
    return 2 * (again + plan.at_random) + len(owner.statuses)


def counters(server: ServerProcess) -> dict[str, int]:
    """The server's own counts of hashes and statements."""
    page = server.metrics()
    names = {"hashes": "password_hashes_total", "statements": "db_queries_total"}
    return {name: total(page, metric) for name, metric in names.items()}


def guess(server: ServerProcess, plan: Plan) -> Iterator[dict[str, Any]]:
    """Runs the attack in a process of its own, and passes on what it tells, the result last."""
    port = port_of(server)
    command = [sys.executable, "-m", "bench.guessing", str(port), json.dumps(asdict(plan))]
    # A session of its own: Ctrl-C is for us, and we end it.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    # It keeps its deadline by itself, unless it hangs.
    watch = threading.Timer(plan.seconds + 10, process.kill)
    watch.start()
    try:
        if process.stdout is None:
            raise RuntimeError("no pipe")
        for line in process.stdout:
            told = json.loads(line)
            print(f"\r{told.get('done', plan.guesses):,} guesses", end="", file=sys.stderr)
            yield told
        if process.wait(10):
            raise RuntimeError(f"the attack ended with status {process.returncode}")
    finally:
        print(file=sys.stderr)
        watch.cancel()
        process.kill()
        process.wait(10)


def table(outcomes: Mapping[str, Outcome]) -> list[str]:
    """A column a run."""
    rows: dict[str, list[str]] = {}

    def row(what: str, of: Callable[[Outcome], str]) -> None:
        rows[what] = [of(outcome) for outcome in outcomes.values()]

    row("guesses, a second", lambda o: f"{o.guesses:,}, {o.guesses / o.seconds:,.0f}")
    for status in sorted({status for o in outcomes.values() for status in o.statuses}):
        code, _, policy = status.partition(" ")
        name = f"answered {code}" + (f" by `{policy}`" if policy else "")
        row(name, lambda o, status=status: f"{o.statuses.get(status, 0):,}")  # type: ignore[misc]
    row("hashes, at most", lambda o: f"{o.hashes:,}, {o.most_hashes:,}")
    row("statements, a guess", lambda o: f"{o.statements:,}, {o.statements / o.guesses:.2f}")
    row("the owner's logins, let in", lambda o: _let_in(o.during))
    row("median before, during", lambda o: _milliseconds(o.before.median, o.during.median))
    row("p99 before, during", lambda o: _milliseconds(o.before.p99, o.during.p99))
    row(f"{READS}, answered 200", lambda o: _share(o.callers[READS]))
    for kind in (READS, LIVE, READY):
        row(
            f"{kind}, p99 before, during",
            lambda o, kind=kind: _milliseconds(  # type: ignore[misc]
                o.callers[kind].idle.p99, o.callers[kind].during.p99
            ),
        )
    row("from a new address during the attack", lambda o: str(o.elsewhere[0]))
    row("from there after a reset by mail", lambda o: str(o.elsewhere[1]))
    head = f"| | {' | '.join(outcomes)} |"
    return [head, "|---|" + "---:|" * len(outcomes), *_lines(rows)]


def _lines(rows: Mapping[str, list[str]]) -> Iterator[str]:
    for what, values in rows.items():
        yield f"| {what} | {' | '.join(values)} |"


def _let_in(logins: Logins) -> str:
    return f"{len(logins.statuses)}, {logins.statuses.count(200)}"


def _share(pair: Pair) -> str:
    return f"{pair.during.count}, {pair.during.statuses['200']}"


def _milliseconds(before: float, during: float) -> str:
    return f"{before * 1000:.0f} ms, {during * 1000:.0f} ms: {during / before:.1f} times"


def measure(guesses: int) -> tuple[dict[str, Outcome], str]:
    """All runs, and the version of PostgreSQL."""
    with delivered("attack") as (postgres, environment):
        mail = Path(environment["MAIL_URL"].removeprefix("directory://"))
        outcomes = {}
        with closing(build_core(Settings.from_environ(environment))) as core:
            for run, (in_a_row, settings) in RUNS.items():
                print(f"{run}:", file=sys.stderr)
                outcomes[run] = simulate(
                    core, {**environment, **settings}, mail, guesses=guesses, in_a_row=in_a_row
                )
        return outcomes, postgres.version


def main() -> int:
    parser = argparse.ArgumentParser(description="Attacks an account, and logs its owner in.")
    parser.add_argument("--guesses", type=int, default=100_000, help="in each run (100,000)")
    parser.add_argument("--write", action="store_true", help=f"also write docs/{DOCUMENT.name}")
    arguments = parser.parse_args()
    try:
        outcomes, postgres = measure(arguments.guesses)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    report = "\n".join([circumstances(postgres=postgres), "", *table(outcomes), ""])
    print(report)
    if arguments.write:
        write_section(DOCUMENT, "attack", report)
    faults = [f"{run}: {fault}" for run, o in outcomes.items() for fault in o.faults()]
    print(*faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
