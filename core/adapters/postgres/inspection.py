"""Facts about the database for whoever has to find out what is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from sqlalchemy import Connection, exc, text

from core.adapters.postgres.engine import create_engine
from core.adapters.postgres.rights import APPLICATION, ERASURE, RIGHTS
from core.adapters.postgres.signing_keys import PostgresSigningKeys
from core.adapters.postgres.tables import REQUIRED_REVISION
from core.config import Settings
from core.domain.access import ADMIN_ROLE
from core.domain.server_log import OF_THE_SERVER, QUIET
from core.domain.user import UserStatus
from core.ports.inspection import (
    OVERDUE,
    ClockReading,
    InspectionFailed,
    OutboxFacts,
    RoleFacts,
    SchemaFacts,
    ServerFacts,
)
from core.ports.runtime import Clock
from core.ports.storage import SigningKey

_READINGS = 3
_REASON_LENGTH = 300
_EXTENSIONS = ("pg_trgm",)

_SERVER = text("""
SELECT current_setting('server_version_num')::int, current_setting('server_version'),
    pg_is_in_recovery(), current_setting('server_encoding'), current_setting('TimeZone'),
    current_setting('fsync')::bool AND current_setting('full_page_writes')::bool
        AND current_setting('synchronous_commit') <> 'off',
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
""")
_CLOCK = text("SELECT clock_timestamp()")
_REVISION_EXISTS = text("SELECT to_regclass('public.alembic_version') IS NOT NULL")
_REVISION = text("SELECT max(version_num) FROM alembic_version")
_EXTENSIONS_FOUND = text("SELECT extname FROM pg_extension")
_ROLE_EXISTS = text("SELECT to_regrole(:role) IS NOT NULL")
_CURRENT_ROLE = text("SELECT current_user")
# Attributes are not inherited, but SET ROLE gives those of every role that one is a member of.
# RDS gives rds_iam to a role that logs in by IAM.
_POWERS = text("""
SELECT power FROM pg_roles, unnest(
    CASE WHEN rolsuper THEN ARRAY['superuser'] ELSE '{}' END
    || CASE WHEN rolcreaterole THEN ARRAY['CREATEROLE'] ELSE '{}' END
    || CASE WHEN rolcreatedb THEN ARRAY['CREATEDB'] ELSE '{}' END
    || CASE WHEN rolreplication THEN ARRAY['REPLICATION'] ELSE '{}' END
    || CASE WHEN rolbypassrls THEN ARRAY['BYPASSRLS'] ELSE '{}' END) AS power
WHERE rolname = :role
UNION ALL
SELECT 'a member of ' || rolname FROM pg_roles
WHERE rolname NOT IN (:role, :application, 'rds_iam') AND pg_has_role(:role, oid, 'MEMBER')
UNION ALL
SELECT 'the owner of ' || relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
    AND pg_get_userbyid(relowner) = :role
UNION ALL
SELECT 'able to create in the schema public'
WHERE has_schema_privilege(:role, 'public', 'CREATE')
UNION ALL
SELECT 'able to ' || what || ' in the database'
FROM (VALUES ('CREATE', 'create schemas'), ('TEMPORARY', 'make temporary tables'))
    AS rights (right_name, what)
WHERE has_database_privilege(:role, current_database(), right_name)
""")
_SUPERUSER = text("SELECT rolsuper FROM pg_roles WHERE rolname = :role")
# What it holds itself, by membership and as everybody (grantee 0), columns one by one included.
_GRANTED = text("""
SELECT relname, privilege_type FROM pg_class, aclexplode(relacl)
WHERE relnamespace = 'public'::regnamespace
    AND CASE grantee WHEN 0 THEN true ELSE pg_has_role(:role, grantee, 'MEMBER') END
UNION
SELECT proname, privilege_type FROM pg_proc, aclexplode(proacl)
WHERE pronamespace = 'public'::regnamespace
    AND CASE grantee WHEN 0 THEN true ELSE pg_has_role(:role, grantee, 'MEMBER') END
UNION
SELECT relname, privilege_type || ' (' || attname || ')'
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid, aclexplode(attacl)
WHERE relnamespace = 'public'::regnamespace
    AND CASE grantee WHEN 0 THEN true ELSE pg_has_role(:role, grantee, 'MEMBER') END
""")
_LIMITS = text("""
SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout',
    'idle_in_transaction_session_timeout', 'default_transaction_isolation', 'TimeZone')
""")
_SERVER_LOG = text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)")
# Not those that are open to our roles by name: databases of other installations, which share them.
_OTHER_DATABASES = text("""
SELECT datname FROM pg_database
WHERE datallowconn AND datname <> current_database() AND EXISTS (
    SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba)))
    WHERE grantee = 0 AND privilege_type = 'CONNECT')
ORDER BY datname
""")
_ADMINS = text("""
SELECT count(*) FROM user_roles JOIN users ON users.id = user_roles.user_id
WHERE user_roles.role = :admin AND users.status = :active
""")
_OUTBOX = text("""
SELECT count(*) FILTER (WHERE parked_at IS NULL),
    count(*) FILTER (WHERE parked_at IS NULL AND due_at < :overdue),
    count(parked_at),
    (SELECT last_error FROM outbox WHERE parked_at IS NOT NULL ORDER BY parked_at DESC LIMIT 1)
FROM outbox
""")
# Each of them has an index.
_OLDEST = text("""
SELECT least(
    (SELECT min(expires_at) FROM one_time_codes),
    (SELECT min(expires_at) FROM pending_registrations),
    (SELECT min(expires_at) FROM sign_up_passwords),
    (SELECT min(expires_at) FROM idempotency_records),
    (SELECT min(expires_at) FROM throttles),
    (SELECT min(absolute_expires_at) FROM sessions))
""")


class PostgresInspection:
    """Implements Inspection. Does not connect before it is asked; for one thread."""

    def __init__(self, settings: Settings, *, clock: Clock) -> None:
        self._engine = create_engine(settings)
        url = self._engine.url
        host = url.host or url.query.get("host", "localhost")
        place = host if url.port is None else f"{host}:{url.port}"
        self._where = f"{url.username or 'nobody'} at {place}/{url.database or ''}"
        self._clock = clock

    def server(self) -> ServerFacts:
        with self._connection() as connection:
            driver: Any = connection.connection.dbapi_connection
            row = connection.execute(_SERVER).one()
            return ServerFacts(
                version=row[0],
                version_text=row[1],
                standby=row[2],
                encoding=row[3],
                time_zone=row[4],
                durable=row[5],
                connections=row[6],
                max_connections=row[7],
                encrypted=bool(driver.info.ssl_in_use),
                local=_local(driver.info.host),
            )

    def clock(self) -> ClockReading:
        with self._connection() as connection:
            # The first one may wait for a connection.
            connection.execute(_CLOCK)
            readings = [self._reading(connection) for _ in range(_READINGS)]
        return min(readings, key=lambda reading: reading.round_trip)

    def schema(self) -> SchemaFacts:
        with self._connection() as connection:
            exists = connection.execute(_REVISION_EXISTS).scalar_one()
            found = connection.execute(_REVISION).scalar_one() if exists else None
            present = set(connection.execute(_EXTENSIONS_FOUND).scalars())
        missing = [name for name in _EXTENSIONS if name not in present]
        return SchemaFacts(found=found, needed=REQUIRED_REVISION, extensions_missing=missing)

    def application_role(self) -> RoleFacts:
        with self._connection() as connection:
            name = connection.execute(_CURRENT_ROLE).scalar_one()
            return _role(connection, name, RIGHTS[APPLICATION])

    def erasure_role(self) -> RoleFacts:
        with self._connection() as connection:
            if not connection.execute(_ROLE_EXISTS, {"role": ERASURE}).scalar_one():
                return RoleFacts(name=ERASURE, exists=False)
            return _role(connection, ERASURE, RIGHTS[ERASURE])

    def limits(self) -> Mapping[str, str]:
        with self._connection() as connection:
            return {str(row[0]): str(row[1]) for row in connection.execute(_LIMITS)}

    def server_log(self) -> Mapping[str, str]:
        names = [*QUIET, *OF_THE_SERVER]
        with self._connection() as connection:
            rows = connection.execute(_SERVER_LOG, {"names": names})
            return {str(row[0]): str(row[1]) for row in rows}

    def other_databases(self) -> Sequence[str]:
        with self._connection() as connection:
            return [str(name) for name in connection.execute(_OTHER_DATABASES).scalars()]

    def signing_keys(self, *, now: datetime) -> Sequence[SigningKey]:
        with self._connection() as connection:
            return PostgresSigningKeys(connection).usable(now=now)

    def active_admins(self) -> int:
        with self._connection() as connection:
            wanted = {"admin": ADMIN_ROLE, "active": UserStatus.ACTIVE}
            return int(connection.execute(_ADMINS, wanted).scalar_one())

    def outbox(self, *, now: datetime) -> OutboxFacts:
        with self._connection() as connection:
            row = connection.execute(_OUTBOX, {"overdue": now - OVERDUE}).one()
        return OutboxFacts(waiting=row[0], overdue=row[1], parked=row[2], last_error=row[3])

    def oldest_expired(self, *, now: datetime) -> datetime | None:
        with self._connection() as connection:
            oldest: datetime | None = connection.execute(_OLDEST).scalar_one()
        return oldest if oldest is not None and oldest < now else None

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except exc.DBAPIError as error:
            lost = error.connection_invalidated or isinstance(error, exc.OperationalError)
            reason = _reason(error)
            raise InspectionFailed(
                f"{self._where}: {reason}" if lost else reason, lost=lost
            ) from None

    def _reading(self, connection: Connection) -> ClockReading:
        asked_at, started = self._clock.now(), time.perf_counter()
        server = connection.execute(_CLOCK).scalar_one()
        round_trip = timedelta(seconds=time.perf_counter() - started)
        return ClockReading(asked_at=asked_at, server=server, round_trip=round_trip)


def _role(connection: Connection, name: str, expected: Mapping[str, frozenset[str]]) -> RoleFacts:
    role = {"role": name}
    if connection.execute(_SUPERUSER, role).scalar_one():
        # To a superuser everything is granted, and the list of it would help nobody.
        return RoleFacts(name=name, powers=["superuser"])
    powers = connection.execute(_POWERS, {**role, "application": APPLICATION}).scalars().all()
    rows = connection.execute(_GRANTED, role)
    granted = {(row[0], row[1]) for row in rows if row[0] in expected}
    wanted = {(table, right) for table, rights in expected.items() for right in rights}
    return RoleFacts(
        name=name,
        powers=powers,
        missing=_listed(wanted - granted),
        excess=_listed(granted - wanted),
    )


def _listed(rights: set[tuple[str, str]]) -> list[str]:
    return [f"{right} on {table}" for table, right in sorted(rights)]


def _local(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(error: exc.DBAPIError) -> str:
    """The first line; libpq and the server give advice of their own below it."""
    lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
    return lines[0][:_REASON_LENGTH]
