"""One Redis server: a command at a time, skipped while the server fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from redis.connection import ConnectionPool
from redis.exceptions import AskError, MovedError, ResponseError

from core.adapters.redis.breaker import Breaker, OutageLog
from core.ports.runtime import Metrics

Reply = TypeVar("Reply")


class Unreachable(Exception):
    """Redis did not answer in time, or not with what can be used."""


class Skipped(Unreachable):
    """Nobody was asked: the server failed a moment ago."""


class Moved(Exception):
    """The slot is served by the node at this host (empty: the one that was asked) and port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self.host = host
        self.port = port


@dataclass(frozen=True, kw_only=True)
class Command(Generic[Reply]):
    """`operation` is its name in metrics; `read` checks and converts the reply, and raises
    ValueError when it is none of this command's."""

    operation: str
    key: str
    words: tuple[str | bytes | int, ...]
    read: Callable[[object], Reply]


def _pong(reply: object) -> bool:
    if reply != b"PONG":
        raise ValueError("not the reply to PING")
    return True


PING = Command(operation="ping", key="", words=("PING",), read=_pong)


class Node:
    """Safe to use from several threads; each has a connection of its own for each command."""

    def __init__(
        self,
        pool: ConnectionPool,
        *,
        host: str,
        breaker: Breaker,
        outages: OutageLog,
        metrics: Metrics,
    ) -> None:
        self.host = host
        self._pool = pool
        self._breaker = breaker
        self._outages = outages
        self._metrics = metrics

    def call(self, command: Command[Reply]) -> Reply:
        """Raises Unreachable, or Moved by a node of a cluster."""
        if not self._breaker.admits():
            raise Skipped
        self._metrics.redis_operation(command.operation)
        try:
            reply = self._exchange(command)
        except MovedError as error:
            self._answered()
            raise Moved(error.host, error.port) from None
        except AskError:
            # The slot is on its way to another node: nothing is wrong with this one.
            self._answered()
            self._metrics.redis_error(command.operation)
            raise Unreachable from None
        except Exception as error:
            self._breaker.failed()
            self._metrics.redis_error(command.operation)
            self._outages.failed(error)
            # The next try begins with asking where the server is: after a failover the name leads
            # elsewhere, and an idle connection still to the old primary.
            self._pool.disconnect(inuse_connections=False)
            raise Unreachable from error
        self._answered()
        return reply

    def reachable(self) -> bool:
        """Whether it answers; while it is skipped, it does not."""
        try:
            return self.call(PING)
        except (Unreachable, Moved):
            return False

    def close(self) -> None:
        self._pool.disconnect()

    def _exchange(self, command: Command[Reply]) -> Reply:
        connection = self._pool.get_connection()
        try:
            connection.send_command(*command.words)  # type: ignore[no-untyped-call]
            return command.read(connection.read_response())
        except ResponseError:
            raise
        except BaseException:
            # Its reply may still come, and would be the next request's (CVE-2023-28858).
            connection.disconnect()  # type: ignore[no-untyped-call]
            raise
        finally:
            self._pool.release(connection)

    def _answered(self) -> None:
        if self._breaker.succeeded():
            self._outages.recovered()
