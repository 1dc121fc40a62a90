"""The database as an operator sees it: facts, which core/services/diagnosis judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from core.ports.storage import SigningKey


class InspectionFailed(Exception):
    """The database did not answer, or refused; `lost` when it will not answer the next question
    either. The reason is one line in the words of the server or the driver."""

    def __init__(self, reason: str, *, lost: bool) -> None:
        super().__init__(reason)
        self.lost = lost


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """`version` is PostgreSQL's server_version_num; `local` when the connection does not leave this
    machine; `durable` when a commit survives a crash of the server."""

    version: int
    version_text: str
    standby: bool
    encoding: str
    time_zone: str
    encrypted: bool
    local: bool
    durable: bool
    connections: int
    max_connections: int


@dataclass(frozen=True, kw_only=True)
class ClockReading:
    """The server's clock, asked at `asked_at` by ours and answered after `round_trip`."""

    asked_at: datetime
    server: datetime
    round_trip: timedelta

    @property
    def ahead(self) -> timedelta:
        """How far ours is ahead of the server's, within half of the round trip."""
        return self.asked_at + self.round_trip / 2 - self.server


@dataclass(frozen=True, kw_only=True)
class SchemaFacts:
    """Revisions; `found` is None where nothing was ever migrated."""

    found: str | None
    needed: str
    extensions_missing: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class RoleFacts:
    """One role against the table of rights.

    `powers` are what no role of the service should have, such as `superuser`; `missing` and
    `excess` are rights on tables, such as `UPDATE on users`. `exists` is False when there is no
    such role, and then nothing else counts.
    """

    name: str
    exists: bool = True
    powers: Sequence[str] = ()
    missing: Sequence[str] = ()
    excess: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class OutboxFacts:
    """`overdue` messages were due for `OVERDUE` and nobody took them; `last_error` is that of the
    message parked last."""

    waiting: int
    overdue: int
    parked: int
    last_error: str | None


OVERDUE = timedelta(minutes=5)


class Inspection(Protocol):
    """Each method asks the database anew, within the deadlines of the settings.

    All of them raise InspectionFailed.
    """

    def server(self) -> ServerFacts: ...

    def clock(self) -> ClockReading:
        """The quickest of a few round trips."""
        ...

    def schema(self) -> SchemaFacts: ...

    def application_role(self) -> RoleFacts:
        """The role of this connection, with all that it has by membership."""
        ...

    def erasure_role(self) -> RoleFacts: ...

    def limits(self) -> Mapping[str, str]:
        """The parameters that ALTER ROLE sets, as they are in this session; times in
        milliseconds."""
        ...

    def server_log(self) -> Mapping[str, str]:
        """The parameters of core/domain/server_log.py as they are in this session, without those
        that there are not, or that this login may not read."""
        ...

    def other_databases(self) -> Sequence[str]:
        """Those that everybody may connect to, this login too, beside its own."""
        ...

    def signing_keys(self, *, now: datetime) -> Sequence[SigningKey]:
        """Those that are not retired; makes none."""
        ...

    def active_admins(self) -> int: ...

    def outbox(self, *, now: datetime) -> OutboxFacts: ...

    def oldest_expired(self, *, now: datetime) -> datetime | None:
        """When the oldest row that housekeeping should have deleted expired; None without one."""
        ...

    def close(self) -> None: ...
