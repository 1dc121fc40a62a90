"""Lists and searches of a million users: how long a page takes, and whether its plan reads a table.

    python -m bench.directory [--users N] [--write]

Makes the database in build/bench/directory once and keeps it; an interrupted run goes on where it
ended. Prints tables; `--write` puts them into docs/performance.md too. Exit status 1 when a
statement reads a large table whole, when one is ended by its deadline, or when page 19,000 takes
over twice the goal of page 1's time: machines are shared and noisy.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.machine import circumstances
from bench.pages import Pages, Timed
from bench.population import populate
from core.bootstrap import build_core
from core.config import Settings
from core.domain.directory import UserQuery, UserSort
from core.domain.trail import AuditQuery
from core.domain.user import UserStatus
from handler.local.postgres import LocalPostgres
from scripts.sections import write_section
from tests.support.environment import service_environment

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "bench" / "directory"
DOCUMENT = ROOT / "docs" / "performance.md"
# Nothing in it has to survive a power cut; a quarter of a small server's memory.
SERVER = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
}
LIMIT = 50
ROUNDS, DEEP_ROUNDS = 9, 101
GOAL, TOLERANCE = 1.2, 2.0
_YEAR = timedelta(days=365)


def filters(now: datetime, *, email: str) -> list[tuple[str, UserQuery]]:
    """Common and rare ones, by what bench/population.sql has made."""
    return [
        ("status=active (94 %)", UserQuery(status=UserStatus.ACTIVE)),
        ("status=pending (4 %, no logins)", UserQuery(status=UserStatus.PENDING)),
        ("status=suspended (0.1 %)", UserQuery(status=UserStatus.SUSPENDED)),
        ("role=member (80 %)", UserQuery(role="member")),
        ("role=editor (1 %)", UserQuery(role="editor")),
        ("role=admin (5 users)", UserQuery(role="admin")),
        ("role of nobody", UserQuery(role="nobody")),
        ("role=editor, status=pending (none)", _editors_pending()),
        ("created of late (a day)", UserQuery(created_after=now - timedelta(days=2))),
        ("created long ago (a fifth)", UserQuery(created_before=now - 4 * _YEAR)),
        ("whole address", UserQuery(email=email)),
        ("whole address of nobody", UserQuery(email="nobody@example.com")),
        ("q=example (all)", UserQuery(search="example")),
        ("q=son (3 letters, 10 %)", UserQuery(search="son")),
        ("q=123 (0.5 %)", UserQuery(search="123")),
        ("q=.777777@ (one)", UserQuery(search=".777777@")),
        ("q=NÖ alm (not ASCII, none)", UserQuery(search="NÖ alm")),
        ("q=xyq (3 letters, none)", UserQuery(search="xyq")),
        ("q=@example.com@ (none, refused)", UserQuery(search="@example.com@")),
        ("q=com.org (refused)", UserQuery(search="com.org")),
        ("q=@example.com@, status=suspended", _broad(UserStatus.SUSPENDED)),
        ("q=son, status=suspended", UserQuery(search="son", status=UserStatus.SUSPENDED)),
        ("q=.777777@, role=member", UserQuery(search=".777777@", role="member")),
    ]


def _broad(status: UserStatus) -> UserQuery:
    return UserQuery(search="@example.com@", status=status)


def _editors_pending() -> UserQuery:
    return UserQuery(role="editor", status=UserStatus.PENDING)


def deep_pages(pages: Pages, *, users: int) -> list[str]:
    """Page 1 against the one before the last twentieth; rows of a table."""
    offset = users * 95 // 100
    rows = [
        f"| sort | page 1 | page {offset // LIMIT:,} | ratio | plan |",
        "|---|---:|---:|---:|---|",
    ]
    for sort in UserSort:
        for descending in (True, False):
            query = UserQuery(sort=sort, descending=descending)
            name = ("-" if descending else "") + sort
            print(f"  by {name}", flush=True)
            first, deep = pages.against_each_other(query, offset=offset, rounds=DEEP_ROUNDS)
            ratio = deep.milliseconds / first.milliseconds
            if ratio > GOAL * TOLERANCE:
                pages.failures.append(f"page {offset // LIMIT:,} by {name}: ratio {ratio:.2f}")
            plans = ", ".join(dict.fromkeys([*first.plan, *deep.plan]))
            rows.append(f"| {name} | {first} | {deep} | {ratio:.2f} | {plans} |")
    return rows


def filtered_pages(pages: Pages) -> list[str]:
    """Each filter in each order, newest and latest first; rows of a table."""
    names = [f"-{sort}" for sort in UserSort]
    rows = [f"| page 1 of | {' | '.join(names)} | plans |", "|---|---:|---:|---:|---|"]
    email = pages.first_of(UserQuery(descending=False)).email
    for name, query in filters(datetime.now(UTC), email=email):
        print(f"  {name}", flush=True)
        timed = [pages.timed(query, sort=sort, rounds=ROUNDS) for sort in UserSort]
        rows.append(_row(name, timed))
    return rows


def audit_pages(pages: Pages) -> list[str]:
    """Rows of a table."""
    someone = pages.first_of(UserQuery(descending=False)).id
    now = datetime.now(UTC)
    rows = ["| page 1 of the audit trail | time | plan |", "|---|---:|---|"]
    for name, query in (
        ("everything", AuditQuery()),
        ("of a user", AuditQuery(subject=someone)),
        ("by a user, of a type", AuditQuery(actor=someone, type="login.succeeded")),
        ("login.succeeded (90 %)", AuditQuery(type="login.succeeded")),
        ("role.granted (0.02 %)", AuditQuery(type="role.granted")),
        ("a day, three years ago", _day(now - 3 * _YEAR, None)),
        ("role.granted in a month, three years ago", _day(now - 3 * _YEAR, "role.granted", 30)),
    ):
        print(f"  audit: {name}", flush=True)
        rows.append(_row(name, [pages.audit(query, rounds=ROUNDS)]))
    return rows


def _day(begin: datetime, event_type: str | None, days: int = 1) -> AuditQuery:
    return AuditQuery(after=begin, before=begin + timedelta(days=days), type=event_type)


def _row(name: str, timed: list[Timed]) -> str:
    plans = ", ".join(dict.fromkeys(leaf for each in timed for leaf in each.plan))
    return f"| {' | '.join([name, *map(str, timed), plans])} |"


def migrations(postgres: LocalPostgres, *, users: int) -> list[str]:
    """Makes the database if need be; what each migration took when it did. Rows of a table."""
    note = FOLDER / "migrations.json"
    times = populate(postgres, users=users)
    if times:
        note.write_text(json.dumps(times), encoding="utf-8")
    kept = json.loads(note.read_text("utf-8")) if note.exists() else []
    rows = [f"| {line.replace(' applied: ', ': ')} | {each:.1f} s |" for line, each in kept]
    return ["| migration of the filled database | time |", "|---|---:|", *rows]


def measure(*, users: int) -> tuple[str, list[str]]:
    """The report, and what is wrong."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with LocalPostgres.start(FOLDER / "data", settings=SERVER) as postgres:
        print(f"a database of {users:,} users in {FOLDER.relative_to(ROOT)}", flush=True)
        tables = [migrations(postgres, users=users)]
        environment = service_environment(postgres.app_url, FOLDER / "mail")
        core = build_core(Settings.from_environ(environment))
        with closing(core), closing(Pages(core, postgres.superuser_url, limit=LIMIT)) as pages:
            tables.append(deep_pages(pages, users=users))
            tables.append(filtered_pages(pages))
            tables.append(audit_pages(pages))
        head = circumstances(postgres=postgres.version)
    body = "\n\n".join("\n".join(table) for table in tables)
    return f"{head}\n\n{body}\n", pages.failures


def main() -> int:
    parser = argparse.ArgumentParser(description="Pages of a million users.")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true", help=f"also write docs/{DOCUMENT.name}")
    arguments = parser.parse_args()
    try:
        report, failures = measure(users=arguments.users)
    except KeyboardInterrupt:
        print("\nstopped; the next run goes on from here", file=sys.stderr)
        return 130
    print(report)
    if arguments.write:
        write_section(DOCUMENT, "directory", report)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
