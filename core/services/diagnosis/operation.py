"""Whether the service can do its work: keys, mails, administrators, the worker, hashes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from core.config import Settings
from core.domain.diagnosis import Finding, fail, ok, warn
from core.ports.inspection import OVERDUE, OutboxFacts
from core.ports.messaging import Mailer, MailFailed
from core.ports.runtime import Accelerator
from core.ports.security import PasswordHasher
from core.ports.storage import SigningKey

SUCCESSOR_NEEDED = timedelta(days=7)
UNCLEANED = timedelta(hours=1)
SLOW_HASH = 0.5
"""Seconds. At that cost two cores serve four logins a second."""


def signing_keys(
    keys: Sequence[SigningKey], *, open_key: Callable[[SigningKey], object], now: datetime
) -> Finding:
    """That tokens can be signed. `open_key` raises ValueError for a key of another SECRET_KEY."""
    if not keys:
        return warn("there is none yet", "start user-api serve: it makes one when it needs it")
    closed = [key.kid for key in keys if not _opens(key, open_key)]
    if len(closed) == len(keys):
        told = f"SECRET_KEY is not the one of this database: none of {len(keys)} keys opens"
        remedy = (
            "set SECRET_KEY to the value that the keys were made with, for every process; if they "
            "were made by mistake, run user-api keys discard-unreadable"
        )
        return fail(told, remedy)
    if closed:
        told = f"{', '.join(closed)} does not open: damaged, or made under another SECRET_KEY"
        remedy = (
            "give every process the same SECRET_KEY, then run "
            "user-api keys discard-unreadable --force"
        )
        return fail(told, remedy)
    active = [key for key in keys if key.active_from <= now]
    if not active:
        return fail("none is active yet", f"wait until {keys[0].active_from:%Y-%m-%d %H:%M} UTC")
    newest = max(active, key=lambda key: (key.active_from, key.kid))
    return _lifetime(newest, keys, now)


def _lifetime(signing: SigningKey, keys: Sequence[SigningKey], now: datetime) -> Finding:
    days = (now - signing.created_at).days
    detail = f"{signing.kid} signs, {days} days old, {len(keys)} published"
    ends = signing.retired_at
    if ends is None:
        return ok(f"{detail}, without an end")
    detail += f", until {ends:%Y-%m-%d %H:%M} UTC"
    followed = any(key.retired_at is None or key.retired_at > ends for key in keys)
    if ends - now < SUCCESSOR_NEEDED and not followed:
        return warn(detail, "publish its successor before that moment")
    return ok(detail)


def _opens(key: SigningKey, open_key: Callable[[SigningKey], object]) -> bool:
    try:
        open_key(key)
    except ValueError:
        return False
    return True


def mail(mailer: Mailer) -> Finding:
    """As far as a mail would go, without one."""
    try:
        return ok(mailer.check())
    except MailFailed as error:
        remedy = "correct MAIL_URL, or mend the relay; mails wait in the outbox until then"
        return fail(str(error), remedy)


def redis(accelerator: Accelerator) -> Finding:
    """Never needed: without it each process counts and remembers for itself."""
    try:
        reachable = accelerator.reachable()
    finally:
        accelerator.close()
    if reachable is None:
        return ok("not configured; each process counts addresses for itself")
    if not reachable:
        remedy = "correct REDIS_URL, or mend the server; until then each process counts for itself"
        return warn("configured, and does not answer in time", remedy)
    return ok("answers in time")


def administrators(active: int) -> Finding:
    """Somebody has to be able to let others in."""
    if not active:
        remedy = "run user-api admin create --email you@example.com"
        return fail("no active user has the role admin", remedy)
    return ok(f"{active} active")


def outbox(facts: OutboxFacts) -> Finding:
    """Whether mails leave: a worker takes each within seconds of its time."""
    detail = f"{facts.waiting} waiting, {facts.overdue} overdue, {facts.parked} parked"
    if facts.overdue:
        told = f"{detail}: nobody took them for {OVERDUE.total_seconds() / 60:.0f} minutes"
        return fail(told, "start user-api worker, or look into its log")
    if facts.parked:
        remedy = "mend the cause, then run user-api outbox retry --all; outbox list shows them"
        return warn(f"{detail}; the last one: {facts.last_error}", remedy)
    return ok(detail)


def housekeeping(oldest: datetime | None, *, now: datetime) -> Finding:
    """Whether a worker deletes what has expired."""
    if oldest is not None and now - oldest > UNCLEANED:
        hours = (now - oldest).total_seconds() / 3600
        told = f"rows that expired {hours:.1f} hours ago are still there"
        return warn(told, "start user-api worker, or invoke the job housekeeping every minute")
    return ok("what expired was deleted")


def hashing(hasher: PasswordHasher, settings: Settings) -> Finding:
    """What one password costs on this machine, measured."""
    # The first one pays for its memory.
    hasher.hash("a password to warm up with").work()
    started = time.perf_counter()
    hasher.hash("a password to measure with").work()
    took = time.perf_counter() - started
    return judge_hash(took, settings)


def judge_hash(seconds: float, settings: Settings) -> Finding:
    """`seconds` that one hash took with these settings."""
    memory, passes = settings.argon2_memory_kib, settings.argon2_iterations
    detail = f"{seconds * 1000:.0f} ms a password with {memory} KiB and {passes} passes"
    if settings.weak_hash():
        remedy = "raise ARGON2_MEMORY_KIB to 19456 and ARGON2_ITERATIONS to 2"
        return warn(f"{detail}: weaker than OWASP's minimum", remedy)
    if seconds > SLOW_HASH:
        remedy = "give the process more CPU, or lower ARGON2_MEMORY_KIB or ARGON2_ITERATIONS"
        return warn(detail, remedy)
    if 2 * seconds > settings.login_refusal_time:
        remedy = "raise LOGIN_REFUSAL_TIME, or the time of a refused login tells who has an account"
        return warn(f"{detail}: two take longer than LOGIN_REFUSAL_TIME", remedy)
    return ok(detail)
