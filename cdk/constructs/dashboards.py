"""One page an environment: is it well, and what does it cost."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.metrics import Metrics

_ROWS: Sequence[tuple[str, Sequence[tuple[str, Sequence[str]]]]] = (
    (
        "Database",
        (
            ("CPU and connections, %", ("database.cpu", "database.connections")),
            ("Free memory and storage, %", ("database.memory", "database.storage")),
            ("Latency, s", ("database.read_latency", "database.write_latency")),
            ("Replication lag, s", ("replica.lag",)),
        ),
    ),
    (
        "Cache",
        (
            ("CPU and memory, %", ("cache.cpu", "cache.memory")),
            ("Misses, %", ("cache.misses",)),
            ("Evictions", ("cache.evictions",)),
            ("Replication lag, s", ("cache.lag",)),
        ),
    ),
    (
        "Lambda fallback",
        (
            ("Invocations", ("function.invocations",)),
            ("Errors and throttles", ("function.errors", "function.throttles")),
            ("Duration, % of the timeout", ("function.duration",)),
            ("Concurrency, %", ("function.concurrency",)),
        ),
    ),
    (
        "Load balancer of the fallback",
        (
            ("Requests", ("balancer.requests",)),
            ("5xx, %", ("balancer.failures",)),
            ("P95, s", ("balancer.latency",)),
            ("Blocked by the firewall", ("acl.blocked",)),
        ),
    ),
    (
        "Cluster",
        (
            ("Pods without a node", ("cluster.pending",)),
            ("Kubernetes API, failed %", ("cluster.failures",)),
            ("Health checks", ("health.cluster", "health.function")),
            ("NAT ports refused", ("gateway.ports",)),
        ),
    ),
)
_WIDTH = 6


class EnvironmentDashboard(Construct):
    """The state of every alarm, then a row a part; parts that a deployment lacks are left out.

    `metrics` are those of the first region and, for the replica, of the second.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        metrics: Metrics,
        alarms: Sequence[cloudwatch.IAlarm],
    ) -> None:
        super().__init__(scope, id_)
        rows: list[list[cloudwatch.IWidget]] = [
            [
                cloudwatch.AlarmStatusWidget(
                    title="Alarms", alarms=list(alarms), width=4 * _WIDTH, height=4
                )
            ]
        ]
        for title, graphs in _ROWS:
            found = [
                cloudwatch.GraphWidget(
                    title=f"{title}: {name}",
                    left=[metrics[key] for key in keys if key in metrics],
                    region=site.region,
                    width=_WIDTH,
                    height=5,
                )
                for name, keys in graphs
                if any(key in metrics for key in keys)
            ]
            if found:
                rows.append(list(found))
        rows.append([_cost(deployment)])
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=deployment.name(),
            default_interval=Duration.hours(3),
            widgets=rows,
        )


def _cost(deployment: Deployment) -> cloudwatch.IWidget:
    # Billing publishes in us-east-1 alone, once somebody has switched billing alerts on.
    spent = cloudwatch.Metric(
        namespace="AWS/Billing",
        metric_name="EstimatedCharges",
        dimensions_map={"Currency": "USD"},
        statistic="Maximum",
        period=Duration.hours(6),
        region="us-east-1",
    )
    limit = deployment.environment.monthly_budget_usd
    return cloudwatch.GraphWidget(
        title="Cost: the account's month so far, USD",
        left=[spent],
        left_annotations=[
            cloudwatch.HorizontalAnnotation(value=limit, label="Budget", color="#d62728")
        ],
        region="us-east-1",
        width=4 * _WIDTH,
        height=5,
    )
