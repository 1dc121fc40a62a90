"""Staging: production's shape at development's size."""

from __future__ import annotations

from dataclasses import replace

from cdk.config.development import DEVELOPMENT
from cdk.config.model import Cluster, Logs

STAGING = replace(
    DEVELOPMENT,
    name="staging",
    cluster=Cluster(kubernetes_version="1.35", instance_type="t3.large", min_nodes=3, max_nodes=10),
    cache=replace(DEVELOPMENT.cache, replicas=1),
    logs=Logs(level="INFO", retention_days=7),
    guarded=True,
    monthly_budget_usd=650,
)
