"""What the platform's specification says of an environment, apart from cdk/config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of one environment; days where a unit is missing."""

    nat_gateways: int
    node_type: str
    database_class: str
    multi_az: bool
    backup_days: int
    cache_type: str
    cache_nodes: int
    log_days: int
    guarded: bool


FIGURES: Mapping[str, Figures] = {
    "development": Figures(
        nat_gateways=1,
        node_type="t3.medium",
        database_class="db.t3.medium",
        multi_az=False,
        backup_days=7,
        cache_type="cache.t3.micro",
        cache_nodes=1,
        log_days=1,
        guarded=False,
    ),
    "production": Figures(
        nat_gateways=3,
        node_type="t3.large",
        database_class="db.r6g.large",
        multi_az=True,
        backup_days=30,
        cache_type="cache.r6g.large",
        cache_nodes=3,
        log_days=30,
        guarded=True,
    ),
}

SUBNETS: Mapping[str, tuple[str, str, str]] = {
    "application": ("0.0/19", "32.0/19", "64.0/19"),
    "public": ("96.0/22", "100.0/22", "104.0/22"),
    "data": ("108.0/22", "112.0/22", "116.0/22"),
}
"""Tier -> the end of the CIDR block in zone a, b and c; the VPC's two numbers stand before."""

VPCS: Mapping[str, str] = {"us-east-1": "10.0", "us-west-2": "10.1"}
"""Region -> how its addresses begin."""
