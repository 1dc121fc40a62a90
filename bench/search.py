"""Searches that nobody matches, of everybody's letters, and what other callers notice of them.

    python -m bench.search [--users N] [--seconds N] [--judge] [--write]

Plays three loads on the real server process, over the database of bench.directory: honest callers
alone; 40 searches at once by one account; one search at a time by each of 100 accounts. Half of
them are GET, half POST, in each order, with and without filters. Prints a table; `--write` puts it
into docs/performance.md. Exit status 1 when an answer is a server's error that the bulkhead did not
give, or an honest caller gets under 99 % 2xx; with `--judge` also when an honest caller's p99 is
over 3 times what it is alone. Without, times are told only: machines are shared and noisy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.directory import DOCUMENT, FOLDER, SERVER
from bench.machine import circumstances
from bench.population import populate
from bench.searching import Caller, Plan
from core.bootstrap import Core, build_core
from core.config import Settings
from handler.local.postgres import LocalPostgres
from scripts.sections import write_section
from tests.support.clients import random_address
from tests.support.environment import delivered_environment
from tests.support.people import PASSWORD
from tests.support.server import ServerProcess
from tests.support.storage import CONTEXT, IDS, new_user, query

MILLION = 1_000_000
ACCOUNTS, AT_ONCE = 100, 40
ALONE = "alone"
LEAST_ANSWERED, MOST_TIMES = 0.99, 3.0
# Their own, so that nothing of the population is changed.
_DOMAIN = "searching.invalid"
_NOBODY = "@example.com@"
_SORTS = ("-created_at", "created_at", "-email", "email", "-last_login_at", "last_login_at")
_FILTERS: tuple[dict[str, str], ...] = ({}, {"status": "active"}, {"role": "member"}, {})
_BULKHEAD = {"503 overloaded"}


@dataclass(frozen=True, kw_only=True)
class Got:
    """What one kind of caller got in one load."""

    statuses: Counter[str]
    milliseconds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.milliseconds, n=100, method="inclusive")[98]

    @property
    def answered(self) -> float:
        """The share of 2xx."""
        good = sum(count for status, count in self.statuses.items() if status.startswith("2"))
        return good / self.statuses.total()


Loads = Mapping[str, Mapping[str, Got]]


def sent(method: str, path: str, *, token: str = "", body: object = None) -> str:
    """A request as it goes over the wire, from an address of its own."""
    content = "" if body is None else json.dumps(body)
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: localhost",
        f"x-forwarded-for: {random_address()}",
        *([f"authorization: Bearer {token}"] if token else []),
        *(["content-type: application/json"] if content else []),
        f"content-length: {len(content)}",
    ]
    return "\r\n".join(lines) + "\r\n\r\n" + content


def searches(token: str) -> list[str]:
    """That nobody matches, by GET and POST in turn."""
    asked = [{"q": _NOBODY, "sort": sort, **filters} for filters in _FILTERS for sort in _SORTS]
    return [
        sent("POST", "/v1/users/search", token=token, body=each)
        if number % 2
        else sent("GET", f"/v1/users?{urlencode(each)}", token=token)
        for number, each in enumerate(asked)
    ]


def honest(tokens: list[str], emails: list[str]) -> list[Caller]:
    """Logins, oneself, a page of a list, and searches that find; each by an account of its own."""
    logins = [
        sent("POST", "/v1/auth/login", body={"identifier": email, "password": PASSWORD})
        for email in emails
    ]
    found = [
        sent("POST", "/v1/users/search", token=tokens[2], body={"q": f".{number}77777@"})
        for number in range(1, 10)
    ]
    page = sent("GET", "/v1/users?sort=email", token=tokens[1])
    return [
        Caller(kind="login", requests=logins, every=0.5),
        Caller(kind="me", requests=[sent("GET", "/v1/users/me", token=tokens[0])], every=0.1),
        Caller(kind="a list", requests=[page], every=0.1),
        Caller(kind="a search that finds", requests=found, every=0.1),
    ]


@contextmanager
def accounts(core: Core, superuser_url: str) -> Iterator[list[str]]:
    """Addresses of people who may read users; gone afterwards."""
    forget = ("DELETE FROM users WHERE email_normalised LIKE %s", (f"%@{_DOMAIN}",))
    query(superuser_url, *forget)
    hashed = core.hasher.hash(PASSWORD).work()
    emails = [f"reader-{number}@{_DOMAIN}" for number in range(ACCOUNTS + 10)]
    now = datetime.now(UTC)
    with core.storage.write(CONTEXT) as uow:
        for email in emails:
            user = new_user(id=IDS.new(), email=email, email_normalised=email, created_at=now)
            uow.users.insert(user)
            uow.credentials.set_password(user.id, hashed, now=now)
            uow.access.grant(user.id, "support", granted_by=None, now=now)
        uow.commit()
    try:
        yield emails
    finally:
        query(superuser_url, *forget)


def token(server: ServerProcess, email: str) -> str:
    body = {"identifier": email, "password": PASSWORD}
    answer = server.client().request("POST", "/v1/auth/login", json=body)
    if answer.status != 200:
        raise RuntimeError(f"a login was answered {answer.status}")
    access: str = answer.json()["access_token"]
    return access


def play(server: ServerProcess, callers: list[Caller], *, seconds: float) -> dict[str, Got]:
    """By kind."""
    plan = Plan(callers=callers, seconds=seconds)
    command = [sys.executable, "-m", "bench.searching", server.url.rpartition(":")[2]]
    # A session of its own: Ctrl-C is for us, and ends this wait.
    done = subprocess.run(
        command,
        input=plan.to_json(),
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the load ended with status {done.returncode}: {done.stderr[-2000:]}")
    told: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return {
        kind: Got(statuses=Counter(each["statuses"]), milliseconds=each["milliseconds"])
        for kind, each in told.items()
    }


def simulate(environment: dict[str, str], emails: list[str], *, seconds: float) -> Loads:
    """All loads, each on the same server."""
    others, searching = emails[:10], emails[10:]
    with ServerProcess.start(environment) as server:
        tokens = [token(server, email) for email in others[:3]]
        bystanders = honest(tokens, others[3:])
        attackers = [searches(token(server, email)) for email in searching]
        # The first requests of all kinds fill caches.
        play(server, bystanders, seconds=5)
        loads = {ALONE: bystanders}
        loads[f"{AT_ONCE} searches by one account"] = bystanders + [
            Caller(kind="searches", requests=attackers[0][number:] + attackers[0][:number])
            for number in (each % len(attackers[0]) for each in range(AT_ONCE))
        ]
        loads[f"a search by each of {ACCOUNTS} accounts"] = bystanders + [
            Caller(kind="searches", requests=requests[number % 24 :] + requests[: number % 24])
            for number, requests in enumerate(attackers)
        ]
        played = {}
        for name, callers in loads.items():
            print(f"{name}, {seconds:g} s", file=sys.stderr, flush=True)
            played[name] = play(server, callers, seconds=seconds)
        return played


def faults(loads: Loads, *, judge: bool) -> Iterator[str]:
    """What must not be."""
    for name, kinds in loads.items():
        for kind, got in kinds.items():
            bad = {status for status in got.statuses if status[0] in "5l"} - _BULKHEAD
            if bad:
                yield f"{name}: {kind} got {', '.join(sorted(bad))}"
            if kind == "searches":
                continue
            if got.answered < LEAST_ANSWERED:
                yield f"{name}: of {kind} {got.answered:.1%} got 2xx"
            times = got.p99 / loads[ALONE][kind].p99
            if judge and times > MOST_TIMES:
                yield f"{name}: p99 of {kind} is {times:.1f} times what it is alone"


def table(loads: Loads) -> list[str]:
    """A row a kind of caller and load."""
    rows = [
        "| load | caller | requests | 2xx | median | p99 | p99, times alone |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for name, kinds in loads.items():
        for kind, got in kinds.items():
            if kind != "searches":
                times = got.p99 / loads[ALONE][kind].p99
                rows.append(
                    f"| {name} | {kind} | {got.statuses.total():,} | {got.answered:.1%} "
                    f"| {got.median:.1f} ms | {got.p99:.1f} ms | {times:.1f} |"
                )
    for name, kinds in loads.items():
        if "searches" in kinds:
            got = kinds["searches"]
            told = ", ".join(f"{status}: {n:,}" for status, n in sorted(got.statuses.items()))
            rows += ["", f"{name}: median {got.median:.0f} ms; {told}"]
    return rows


def measure(*, users: int, seconds: float) -> tuple[Loads, str]:
    """All loads, and the version of PostgreSQL."""
    folder = FOLDER if users == MILLION else FOLDER.with_name(f"directory-{users}")
    folder.mkdir(parents=True, exist_ok=True)
    with (
        LocalPostgres.start(folder / "data", settings=SERVER) as postgres,
        tempfile.TemporaryDirectory(prefix="user-api-search-") as name,
    ):
        populate(postgres, users=users)
        mail = Path(name) / "mail"
        mail.mkdir()
        environment = delivered_environment(postgres.app_url, mail)
        with (
            closing(build_core(Settings.from_environ(environment))) as core,
            accounts(core, postgres.superuser_url) as emails,
        ):
            return simulate(environment, emails, seconds=seconds), postgres.version


def main() -> int:
    parser = argparse.ArgumentParser(description="Broad searches, and who notices.")
    parser.add_argument("--users", type=int, default=MILLION, help="in the database (1,000,000)")
    parser.add_argument("--seconds", type=float, default=60, help="of each load (60)")
    parser.add_argument("--judge", action="store_true", help="fail when others wait too long")
    parser.add_argument("--write", action="store_true", help=f"also write docs/{DOCUMENT.name}")
    arguments = parser.parse_args()
    try:
        loads, postgres = measure(users=arguments.users, seconds=arguments.seconds)
    except KeyboardInterrupt:
        print("stopped; the next run goes on with the same database", file=sys.stderr)
        return 130
    report = "\n".join([circumstances(postgres=postgres), "", *table(loads), ""])
    print(report)
    if arguments.write:
        write_section(DOCUMENT, "search", report)
    found = list(faults(loads, judge=arguments.judge))
    print(*found, sep="\n", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
