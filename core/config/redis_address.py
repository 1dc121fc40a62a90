"""Where Redis is, and how it is spoken to, out of one URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_FORM = "redis:// or rediss://[user:password@]host[:port][/database][?cluster=true][&ca=/file.pem]"
_PARAMETERS = frozenset({"cluster", "ca"})


@dataclass(frozen=True, kw_only=True)
class RedisAddress:
    """`ca` is a file of certificates that are trusted instead of the system's; with `cluster`, the
    host is any node, or the configuration endpoint, and tells the others."""

    host: str
    port: int
    database: int
    username: str | None
    password: str | None = field(repr=False)
    tls: bool
    ca: str | None
    cluster: bool

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Raises ValueError, which quotes nothing of the URL."""
        try:
            parts = urlsplit(url)
            given = dict(parse_qsl(parts.query, strict_parsing=True) if parts.query else ())
            port = 6379 if parts.port is None else parts.port
        except ValueError:
            raise ValueError(f"must be {_FORM}") from None
        known = parts.scheme in {"redis", "rediss"}
        if not known or not parts.hostname or not port or parts.fragment:
            raise ValueError(f"must be {_FORM}")
        if given.keys() - _PARAMETERS:
            raise ValueError("may only have the parameters cluster and ca")
        address = cls(
            host=parts.hostname,
            port=port,
            database=_database(parts),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=parts.scheme == "rediss",
            ca=given.get("ca"),
            cluster=_cluster(given.get("cluster", "false")),
        )
        if address.cluster and address.database:
            raise ValueError("cannot have a database besides 0 in cluster mode")
        if address.ca and not address.tls:
            raise ValueError("has a ca, which only rediss:// uses")
        return address

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine, for certain."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def _database(parts: SplitResult) -> int:
    text = parts.path.removeprefix("/") or "0"
    if not (text.isascii() and text.isdigit()):
        raise ValueError("must have a number as its database")
    return int(text)


def _cluster(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("must have cluster=true or cluster=false")
    return text == "true"
