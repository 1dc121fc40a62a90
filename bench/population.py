"""A database of a million users, made once and kept: an interrupted run goes on where it ended."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import psycopg2

from handler.local.postgres import LocalPostgres
from migrations.runner import current, head, upgrade

SCRIPT = Path(__file__).with_suffix(".sql")
# The schema of version 0.1.0, so that the later migrations find what they find in production.
FIRST_RELEASE = "0003"
BATCH = 20_000


def populate(postgres: LocalPostgres, *, users: int) -> list[tuple[str, float]]:
    """Brings the database to `users` users and to the newest schema.

    Returns:
        Each migration behind the first release with its seconds; empty when it was all there.
    """
    if current(postgres.owner_url) == head():
        return []
    if current(postgres.owner_url) is None:
        upgrade(postgres.owner_url, FIRST_RELEASE)
    if current(postgres.owner_url) == FIRST_RELEASE:
        _add_users(postgres.superuser_url, users)
    _vacuum(postgres.superuser_url)
    times: list[tuple[str, float]] = []
    started = time.monotonic()

    def applied(line: str) -> None:
        nonlocal started
        now = time.monotonic()
        times.append((line, now - started))
        print(f"  {line} ({now - started:.1f} s)", flush=True)
        started = now

    upgrade(postgres.owner_url, progress=applied)
    _vacuum(postgres.superuser_url)
    return times


def _add_users(url: str, users: int) -> None:
    """A transaction a batch."""
    with closing(psycopg2.connect(url)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM users")
        (done,) = cursor.fetchone() or (0,)
        while done < users:
            last = min(done + BATCH, users)
            cursor.execute(SCRIPT.read_text("utf-8"), {"first": done + 1, "last": last})
            connection.commit()
            done = last
            print(f"\r  {done:,} of {users:,} users", end="", flush=True)
    print()


def _vacuum(url: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
