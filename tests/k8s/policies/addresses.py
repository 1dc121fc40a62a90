"""Addresses that several policies name."""

from __future__ import annotations

from cdk.config.deployment import ENVIRONMENTS

# Every environment has the same, since one platform/base is for all.
(VPC,) = {it.network.cidr for it in ENVIRONMENTS.values()}
AGENT = "169.254.170.23/32"
"""The agent of Pod Identity."""
