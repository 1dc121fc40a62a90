"""The figures of an environment, checked when they are written down."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
RETENTIONS = {
    1: "ONE_DAY",
    3: "THREE_DAYS",
    5: "FIVE_DAYS",
    7: "ONE_WEEK",
    14: "TWO_WEEKS",
    30: "ONE_MONTH",
    60: "TWO_MONTHS",
    90: "THREE_MONTHS",
    365: "ONE_YEAR",
}
"""Days that CloudWatch Logs takes, and the CDK's name of each."""


class ConfigurationError(Exception):
    """The environment cannot be deployed as described; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A VPC: `cidr` in CIDR notation (at least a /20), zones by name, `nat_gateways` in all."""

    cidr: str
    availability_zones: tuple[str, ...]
    nat_gateways: int

    def __post_init__(self) -> None:
        try:
            block = IPv4Network(self.cidr)
        except ValueError as error:
            raise ConfigurationError(f"network: {error}") from None
        if not block.is_private or not 16 <= block.prefixlen <= 20:
            raise ConfigurationError(f"network: {self.cidr} is no private block from /16 to /20")
        if len(set(self.availability_zones)) != 3:
            raise ConfigurationError("network: three different availability zones are needed")
        _within("network: nat_gateways", self.nat_gateways, 1, 3)

    def overlaps(self, other: Network) -> bool:
        return IPv4Network(self.cidr).overlaps(IPv4Network(other.cidr))


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The EKS cluster and its one managed node group, from `min_nodes` to `max_nodes`."""

    kubernetes_version: str
    instance_type: str
    min_nodes: int
    max_nodes: int

    def __post_init__(self) -> None:
        if not 1 <= self.min_nodes <= self.max_nodes:
            raise ConfigurationError(
                f"cluster: min_nodes {self.min_nodes} is above"
                f" max_nodes {self.max_nodes}, or below 1"
            )


@dataclass(frozen=True, kw_only=True)
class Database:
    """RDS for PostgreSQL: storage in GiB, `backup_days` of point-in-time recovery, windows in UTC.

    `connections` is what `max_connections` is set to; everything that connects shares it.
    """

    engine_version: str
    instance_class: str
    multi_az: bool
    backup_days: int
    allocated_storage: int
    max_storage: int
    connections: int
    backup_window: str = "03:00-03:30"
    maintenance_window: str = "sun:04:30-sun:05:30"

    def __post_init__(self) -> None:
        _within("database: backup_days", self.backup_days, 1, 35)
        if not 20 <= self.allocated_storage < self.max_storage:
            raise ConfigurationError(
                f"database: allocated_storage {self.allocated_storage} is not below"
                f" max_storage {self.max_storage}, or below 20"
            )


@dataclass(frozen=True, kw_only=True)
class Cache:
    """ElastiCache for Redis: one shard with `replicas`, in cluster mode or not."""

    engine_version: str
    node_type: str
    replicas: int
    cluster_mode: bool

    def __post_init__(self) -> None:
        _within("cache: replicas", self.replicas, 0, 5)
        if self.cluster_mode and self.replicas == 0:
            raise ConfigurationError("cache: cluster mode without a replica cannot fail over")


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """The Lambda function behind its own load balancer.

    `reserved_concurrency` None leaves the account's pool: a new account has too little to reserve.
    """

    memory_mib: int
    reserved_concurrency: int | None = None

    def __post_init__(self) -> None:
        _within("fallback: memory_mib", self.memory_mib, 128, 10240)


@dataclass(frozen=True, kw_only=True)
class Logs:
    """What is logged, and for how many days it can be searched; S3 keeps it longer."""

    level: str
    retention_days: int

    def __post_init__(self) -> None:
        if self.level not in LOG_LEVELS:
            raise ConfigurationError(f"logs: level {self.level} is none of {', '.join(LOG_LEVELS)}")
        if self.retention_days not in RETENTIONS:
            known = ", ".join(map(str, RETENTIONS))
            raise ConfigurationError(
                f"logs: retention_days {self.retention_days} is none of {known}"
            )


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """The second region: a read replica and the Lambda function, always on.

    It has no proxy (RDS Proxy takes no replica), so `fallback.reserved_concurrency` is needed, and
    is below the replica's `database_connections`.
    """

    region: str
    network: Network
    database_instance_class: str
    database_connections: int
    fallback: Fallback

    def __post_init__(self) -> None:
        reserved = self.fallback.reserved_concurrency
        if reserved is None or reserved >= self.database_connections:
            raise ConfigurationError(
                f"recovery: reserved_concurrency {reserved} is not below"
                f" database_connections {self.database_connections}"
            )


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One environment in its region. `guarded`: data and stacks survive a mistaken deletion."""

    name: str
    region: str
    network: Network
    cluster: Cluster
    database: Database
    cache: Cache
    fallback: Fallback
    logs: Logs
    guarded: bool
    monthly_budget_usd: int
    recovery: Recovery | None = None

    def __post_init__(self) -> None:
        recovery = self.recovery
        if recovery is None:
            return
        if recovery.region == self.region:
            raise ConfigurationError(f"recovery: {recovery.region} is the primary region too")
        if recovery.network.overlaps(self.network):
            raise ConfigurationError(
                f"recovery: network {recovery.network.cidr} overlaps {self.network.cidr}"
            )


def _within(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigurationError(f"{what} {value} is not from {least} to {most}")
