"""Production: three zones of everything, and a second region that is always on."""

from __future__ import annotations

from cdk.config.model import (
    Cache,
    Cluster,
    Database,
    Environment,
    Fallback,
    Logs,
    Network,
    Recovery,
)

PRODUCTION = Environment(
    name="production",
    region="us-east-1",
    network=Network(
        cidr="10.0.0.0/16",
        availability_zones=("us-east-1a", "us-east-1b", "us-east-1c"),
        nat_gateways=3,
    ),
    cluster=Cluster(kubernetes_version="1.35", instance_type="t3.large", min_nodes=3, max_nodes=10),
    database=Database(
        engine_version="15.17",
        instance_class="r6g.large",
        multi_az=True,
        backup_days=30,
        allocated_storage=100,
        max_storage=500,
        connections=500,
    ),
    cache=Cache(engine_version="7.1", node_type="cache.r6g.large", replicas=2, cluster_mode=True),
    fallback=Fallback(memory_mib=1769),
    logs=Logs(level="INFO", retention_days=30),
    guarded=True,
    monthly_budget_usd=2500,
    recovery=Recovery(
        region="us-west-2",
        network=Network(
            cidr="10.1.0.0/16",
            availability_zones=("us-west-2a", "us-west-2b", "us-west-2c"),
            nat_gateways=1,
        ),
        database_instance_class="r6g.large",
        database_connections=500,
        fallback=Fallback(memory_mib=1769, reserved_concurrency=200),
    ),
)
