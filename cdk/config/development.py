"""Development: the smallest of everything, deleted with its stacks."""

from __future__ import annotations

from cdk.config.model import Cache, Cluster, Database, Environment, Fallback, Logs, Network

DEVELOPMENT = Environment(
    name="development",
    region="us-east-1",
    network=Network(
        cidr="10.0.0.0/16",
        availability_zones=("us-east-1a", "us-east-1b", "us-east-1c"),
        nat_gateways=1,
    ),
    cluster=Cluster(
        kubernetes_version="1.35", instance_type="t3.medium", min_nodes=3, max_nodes=10
    ),
    database=Database(
        engine_version="15.17",
        instance_class="t3.medium",
        multi_az=False,
        backup_days=7,
        allocated_storage=100,
        max_storage=500,
        connections=200,
    ),
    cache=Cache(engine_version="7.1", node_type="cache.t3.micro", replicas=0, cluster_mode=False),
    fallback=Fallback(memory_mib=1024),
    logs=Logs(level="DEBUG", retention_days=1),
    guarded=False,
    monthly_budget_usd=500,
)
