"""Whether the database is the one that the service needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from core.config import Settings
from core.domain.diagnosis import Finding, fail, ok, warn
from core.domain.server_log import QUIET, loud, unread
from core.ports.inspection import (
    ClockReading,
    InspectionFailed,
    RoleFacts,
    SchemaFacts,
    ServerFacts,
)

OLDEST_VERSION = 15
SLOW_ROUND_TRIP = timedelta(milliseconds=20)
CLOCK_WARNING = timedelta(seconds=1)
CLOCK_FAILURE = timedelta(seconds=30)
"""Access tokens have a leeway of 5 s between hosts; beyond half a minute, refresh and lease times
of processes on other machines contradict one another."""

PROVISION = "run migrations/provision.sql again, as a superuser or the RDS master user"
MIGRATE = "run user-api migrate with MIGRATION_DATABASE_URL of the owner"

# In the words of libpq and the server, which are English unless lc_messages says otherwise.
_REMEDIES = (
    ("password", "set the password of the role in DATABASE_URL, or by ALTER ROLE ... PASSWORD"),
    ("does not exist", "create it and run migrations/provision.sql, then user-api migrate"),
    ("permission denied for database", PROVISION),
    ("pg_hba.conf", "let this machine and role in by pg_hba.conf, with the encryption it asks for"),
    ("certificate", "name the authority's file by sslrootcert in DATABASE_URL"),
    ("SSL", "enable TLS on the server, or correct sslmode in DATABASE_URL"),
    ("too many", "raise max_connections, or lower DATABASE_POOL_SIZE or the number of processes"),
    ("remaining connection slots", "raise max_connections, or lower DATABASE_POOL_SIZE"),
    ("refused", "start PostgreSQL, or correct host and port in DATABASE_URL"),
    ("No such file", "start PostgreSQL, or correct host and port in DATABASE_URL"),
    ("translate host name", "correct the host in DATABASE_URL, or the name service"),
    ("in time", "look whether the server hangs, or a firewall swallows packets to it"),
    ("starting up", "wait until the server has recovered"),
)


def unreachable(error: InspectionFailed) -> Finding:
    """A database that does not answer, or refuses the login."""
    reason = str(error)
    remedies = (remedy for words, remedy in _REMEDIES if words in reason)
    return fail(reason, next(remedies, "check DATABASE_URL and the log of the server"))


def refused(error: InspectionFailed) -> Finding:
    """A database that answers, but not this question."""
    return fail(f"PostgreSQL refuses to tell: {error}", f"{MIGRATE}: it grants the rights")


def database(facts: ServerFacts, reading: ClockReading) -> Finding:
    """That it answers, how quickly, and as what."""
    part = "standby" if facts.standby else "primary"
    line = "TLS" if facts.encrypted else "this machine" if facts.local else "no TLS"
    took = f"{reading.round_trip.total_seconds() * 1000:.1f} ms a round trip"
    detail = f"PostgreSQL {facts.version_text}, {part}, over {line}, {took}"
    if not facts.encrypted and not facts.local:
        return warn(detail, "add sslmode=verify-full to DATABASE_URL")
    if facts.standby:
        return warn(detail, "a standby is read only: for writes, name the primary in DATABASE_URL")
    if reading.round_trip > SLOW_ROUND_TRIP:
        return warn(detail, "run user-api in the region and zone of its database")
    return ok(detail)


def server(facts: ServerFacts) -> Finding:
    """How it is set up, as far as the data depend on it."""
    detail = f"encoding {facts.encoding}, time zone {facts.time_zone}"
    if facts.version // 10_000 < OLDEST_VERSION:
        told = f"PostgreSQL {facts.version_text} is older than {OLDEST_VERSION}"
        return fail(told, f"upgrade PostgreSQL to {OLDEST_VERSION} or later")
    if facts.encoding != "UTF8":
        return fail(detail, "create the database anew with ENCODING 'UTF8', and restore into it")
    if facts.time_zone != "UTC":
        return warn(detail, PROVISION)
    if not facts.durable:
        told = f"{detail}, fsync, full_page_writes or synchronous_commit is off"
        return warn(told, "switch it on: a crash of the server would lose what was confirmed")
    return ok(detail)


def connections(facts: ServerFacts, settings: Settings) -> Finding:
    """Whether one more process finds its connections."""
    wanted, left = settings.database_pool_size, facts.max_connections - facts.connections
    detail = f"{facts.connections} of {facts.max_connections} in use, {wanted} a process"
    if left < wanted:
        remedy = "raise max_connections, or lower DATABASE_POOL_SIZE or the number of processes"
        return warn(detail, remedy)
    return ok(detail)


def clock(reading: ClockReading) -> Finding:
    """Times of codes, leases and tokens are this machine's, and others compare them."""
    difference = reading.ahead
    seconds = difference.total_seconds()
    detail = f"this machine's is {abs(seconds):.3f} s {'behind' if seconds < 0 else 'ahead of'}"
    detail += f" the database's (within {reading.round_trip.total_seconds() / 2:.3f} s)"
    remedy = "synchronise both clocks by NTP (chrony, systemd-timesyncd): tokens depend on them"
    if abs(difference) > CLOCK_FAILURE:
        return fail(detail, remedy)
    return warn(detail, remedy) if abs(difference) > CLOCK_WARNING else ok(detail)


def schema(facts: SchemaFacts) -> Finding:
    """The revision of the schema against the one that this code needs."""
    if facts.found is None:
        return fail(f"empty; this version needs {facts.needed}", MIGRATE)
    if facts.found < facts.needed:
        return fail(f"{facts.found}, behind {facts.needed}, which this version needs", MIGRATE)
    if facts.extensions_missing:
        return fail(f"no extension {', '.join(facts.extensions_missing)}", PROVISION)
    if facts.found > facts.needed:
        told = f"{facts.found}, ahead of {facts.needed}, which this version needs"
        return warn(told, "it does no harm; deploy the version that the schema was migrated for")
    return ok(f"{facts.found}, as this version needs")


def role(facts: RoleFacts) -> Finding:
    """Exactly the rights of the table, so that a stolen password opens nothing else."""
    if not facts.exists:
        return fail(f"there is no role {facts.name}", PROVISION)
    if facts.powers:
        remedy = (
            "connect as user_api, which migrations/provision.sql makes, or take this away:"
            f" ALTER ROLE {facts.name} ..., REVOKE ... FROM {facts.name}"
        )
        return fail(f"{facts.name} is {', '.join(facts.powers)}", remedy)
    told = [f"lacks {right}" for right in facts.missing]
    told += [f"has {right} too much" for right in facts.excess]
    if told:
        remedy = "GRANT what is lacking and REVOKE what is too much, as the owner user_api_owner"
        return fail(f"{facts.name} {', '.join(told)}", remedy)
    return ok(f"{facts.name} has the rights it needs, and no others")


def limits(found: Mapping[str, str], settings: Settings) -> Finding:
    """What ALTER ROLE sets for each session, because the driver cannot behind a proxy."""
    times = {name: int(value) for name, value in found.items() if name.endswith("_timeout")}
    isolation = found["default_transaction_isolation"]
    listed = ", ".join(f"{name} {value} ms" for name, value in sorted(times.items()))
    detail = f"{listed}, {isolation}"
    missing = sorted(name for name, value in times.items() if value == 0)
    if missing:
        told = f"no {', no '.join(missing)}: the server goes on when the service has given up"
        return warn(told, PROVISION)
    if isolation != "read committed":
        return warn(detail, PROVISION)
    if times["statement_timeout"] > settings.database_statement_timeout * 1000:
        remedy = "ALTER ROLE ... SET statement_timeout to at most DATABASE_STATEMENT_TIMEOUT"
        return warn(f"{detail}: longer than DATABASE_STATEMENT_TIMEOUT", remedy)
    return ok(detail)


def server_log(found: Mapping[str, str]) -> Finding:
    """That the server's log quotes no statement of this login: its values are people's data."""
    wanted, hidden = loud(found), unread(found)
    told = [f"{name} is {found[name]}" for name in wanted]
    remedies = []
    if wanted:
        settings = ", ".join(f"{name} = {value}" for name, value in wanted.items())
        remedies.append(f"set for the server {settings}")
    if wanted.keys() & QUIET.keys():
        remedies.append(
            "or for this login alone: run migrations/provision.sql again, as a superuser"
        )
    if "log_destination" in wanted:
        remedies.append(
            "or ALTER ROLE ... SET log_min_messages = log, which logs none of its errors"
        )
    if hidden:
        told.append(f"this login may not read {', '.join(hidden)}")
        remedies.append("look at what it may not read as a superuser")
    if not told:
        return ok("it quotes no statement of this login")
    return warn(f"it may hold addresses and hashes: {', '.join(told)}", "; ".join(remedies))


_OF_EVERY_SERVER = ("postgres", "template1")


def other_databases(found: Sequence[str]) -> Finding:
    """A stolen password should open one database."""
    if not found:
        return ok("none is open to everybody")
    named = ", ".join(found)
    ours = [name for name in found if name in _OF_EVERY_SERVER]
    others = ", ".join(name for name in found if name not in _OF_EVERY_SERVER)
    remedies = []
    if ours:
        remedies.append(f"run migrations/provision.sql again as the owner of {' and '.join(ours)}")
    if others:
        remedies.append(
            f"REVOKE CONNECT ON DATABASE {others} FROM PUBLIC, and grant it to those who need it"
        )
    return warn(f"everybody may connect to {named}, this login too", "; ".join(remedies))
