"""Loads by clients of which some mean harm, and whether everybody else is still served.

    python -m bench.loads [NAME ...] [--seconds S] [--judge] [--write] [--as before]

Plays each load on a server process of its own, as it is delivered, and asks it meanwhile what a
cluster and honest callers ask; before the load they ask as long of an idle server. Prints tables;
`--write` puts them into docs/performance.md too. Exit status 1 when an answer was lost or was a
server's error, or honest callers were refused; with `--judge` when a time was beyond its goal too.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from bench.accounts import as_plain, make_accounts
from bench.load_figures import Outcome, Pair, Series, table
from bench.load_mixes import LOADS
from bench.machine import circumstances
from bench.service import delivered
from bench.watching import asked, port_of, result, running, series_of
from core.bootstrap import build_core
from core.config import Settings
from handler.local.postgres import LocalPostgres
from scripts.sections import write_section
from tests.support.people import LoggedIn
from tests.support.server import ServerProcess

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
ATTACKED = 200
READERS = 20
HONEST = 120
WARM_SECONDS = 3.0
AHEAD_SECONDS = 1.0
LONGEST_SECONDS = 60.0
_LOCK_SECONDS = 0.7


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A server for one load, and accounts that nobody used before."""

    name: str
    server: ServerProcess
    superuser_url: str
    attacked: list[LoggedIn]

    @contextmanager
    def under_load(self) -> Iterator[dict[str, Any]]:
        """What the load got is in the value, behind the block."""
        plan = {"port": port_of(self.server), "load": self.name, "people": as_plain(self.attacked)}
        told: dict[str, Any] = {}
        with running("bench.loading", plan) as process:
            yield told
            if process.poll() is not None:
                raise RuntimeError(f"the load ended with status {process.returncode}")
            told.update(result(process))

    def reads_at_once(self) -> int:
        """How many of the load's reads wait for one lock of the database: all that may be at work
        there at the same time, however quick they are without it."""
        with closing(psycopg2.connect(self.superuser_url)) as holder:
            with holder.cursor() as cursor:
                cursor.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
                time.sleep(_LOCK_SECONDS)
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE usename = 'user_api' AND wait_event_type = 'Lock'"
                )
                (found,) = cursor.fetchone() or (0,)
            holder.rollback()
        return int(found)


def measured(
    name: str, postgres: LocalPostgres, environment: dict[str, str], seconds: float
) -> Outcome:
    """One load on a server of its own: idle, then under it."""
    load = LOADS[name]
    with closing(build_core(Settings.from_environ(environment))) as core:
        people = make_accounts(core, ATTACKED + READERS + 3 * HONEST)
    attacked, readers = people[:ATTACKED], people[ATTACKED : ATTACKED + READERS]
    honest = [people[-HONEST * part :][:HONEST] for part in (3, 2, 1)]
    server = ServerProcess.start(environment)
    try:
        bench = Bench(
            name=name,
            server=server,
            superuser_url=postgres.superuser_url,
            attacked=attacked,
        )
        phases = iter(honest)

        def probed(seconds: float) -> dict[str, Series]:
            return asked(server, seconds, readers=readers, load=name, honest=next(phases))

        probed(WARM_SECONDS)
        idle = probed(seconds)
        at_once = None
        with bench.under_load() as got:
            time.sleep(AHEAD_SECONDS)
            during = probed(seconds)
            if load.at_once:
                at_once = bench.reads_at_once()
    finally:
        # Not stop(): a server that has fallen behind would first do all that it was asked for.
        server.kill()
    return Outcome(
        got=series_of(got),
        seconds=got["lasted"],
        own_share=got["own_share"],
        callers={kind: Pair(idle=idle[kind], during=during[kind]) for kind in idle},
        times_judged=load.times_judged,
        at_once=at_once,
    )


def measure(names: list[str], seconds: float) -> tuple[dict[str, Outcome], str]:
    """All of these loads, and the version of PostgreSQL."""
    outcomes = {}
    with delivered("loads") as (postgres, environment):
        for name in names:
            print(f"{name} ...", file=sys.stderr, flush=True)
            outcomes[name] = measured(name, postgres, environment, seconds)
            print(*table({name: outcomes[name]}), sep="\n", file=sys.stderr, flush=True)
        return outcomes, postgres.version


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Loads the server, and asks as others would.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(LOADS))
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of each load (60, which is the most)"
    )
    parser.add_argument("--judge", action="store_true", help="times too decide the exit status")
    parser.add_argument("--write", action="store_true", help=f"also write docs/{DOCUMENT.name}")
    parser.add_argument(
        "--as", dest="when", choices=("now", "before"), default="now", help="which of its tables"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(LOADS):
        parser.error(f"there is no load {', '.join(sorted(unknown))}")
    if not 1 <= arguments.seconds <= LONGEST_SECONDS:
        parser.error("--seconds is from 1 to 60: a limit a minute must not meet honest callers")
    return arguments


def main() -> int:
    arguments = _arguments()
    try:
        outcomes, postgres = measure(arguments.names or list(LOADS), arguments.seconds)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    report = "\n".join([circumstances(postgres=postgres), "", *table(outcomes), ""])
    print(report)
    if arguments.write:
        write_section(DOCUMENT, f"loads {arguments.when}", report)
    broken = [f"{name}: {fault}" for name, o in outcomes.items() for fault in o.broken()]
    slow = [f"{name}: {fault}" for name, o in outcomes.items() for fault in o.slow()]
    print(*broken, *slow, sep="\n", file=sys.stderr)
    return 1 if broken or (arguments.judge and slow) else 0


if __name__ == "__main__":
    sys.exit(main())
