"""What CloudWatch measures of this system, by the names that alarms and dashboards use.

Shares are in per cent of a limit that the configuration states, so that thresholds need no sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from cdk.config.model import Cache

Metrics = Mapping[str, cloudwatch.IMetric]

MEMORY_GIB = {"t3.medium": 4, "t3.large": 8, "r6g.large": 16}
"""Of an instance class; AWS's table of instance types."""

REQUESTS_FLOOR = 20
"""A minute; of fewer requests a share says nothing: two failures of three are no outage."""

_GIB = 1024**3


def database_metrics(
    identifier: str, *, instance_class: str, storage_gib: int, connections: int
) -> Metrics:
    """RDS. `database.present` is missing while the instance is."""

    def of(name: str, statistic: str = "Average") -> cloudwatch.Metric:
        return _metric("AWS/RDS", name, {"DBInstanceIdentifier": identifier}, statistic)

    return {
        "database.present": of("DatabaseConnections", "Minimum"),
        "database.cpu": of("CPUUtilization"),
        "database.storage": _share(of("FreeStorageSpace", "Minimum"), storage_gib * _GIB),
        "database.memory": _share(
            of("FreeableMemory", "Minimum"), MEMORY_GIB[instance_class] * _GIB
        ),
        "database.connections": _share(of("DatabaseConnections", "Maximum"), connections),
        "database.read_latency": of("ReadLatency"),
        "database.write_latency": of("WriteLatency"),
    }


def replica_metrics(identifier: str) -> Metrics:
    """Seconds that a read replica is behind its source."""
    dimensions = {"DBInstanceIdentifier": identifier}
    return {"replica.lag": _metric("AWS/RDS", "ReplicaLag", dimensions, "Maximum")}


def cache_metrics(group: str, cache: Cache) -> Metrics:
    """ElastiCache: the worst of the nodes of the replication group, which AWS names."""
    first = f"{group}-0001-" if cache.cluster_mode else f"{group}-"
    nodes = [f"{first}{number:03}" for number in range(1, cache.replicas + 2)]

    def worst(name: str, statistic: str = "Average") -> cloudwatch.IMetric:
        return _over_all("MAX", name, statistic, nodes)

    hits = _over_all("SUM", "CacheHits", "Sum", nodes)
    misses = _over_all("SUM", "CacheMisses", "Sum", nodes)
    found: dict[str, cloudwatch.IMetric] = {
        "cache.cpu": worst("EngineCPUUtilization"),
        "cache.memory": worst("DatabaseMemoryUsagePercentage"),
        "cache.evictions": worst("Evictions", "Sum"),
        "cache.misses": cloudwatch.MathExpression(
            expression=f"IF(hits + misses > {REQUESTS_FLOOR}, 100 * misses / (hits + misses), 0)",
            using_metrics={"hits": hits, "misses": misses},
            period=Duration.minutes(1),
            label="misses, per cent",
        ),
    }
    if cache.replicas:
        found["cache.lag"] = worst("ReplicationLag", "Maximum")
    return found


def function_metrics(name: str, *, timeout_seconds: float, concurrency: int) -> Metrics:
    """Lambda. `concurrency` is how many instances may run: each holds a database connection."""

    def of(metric: str, statistic: str) -> cloudwatch.Metric:
        return _metric("AWS/Lambda", metric, {"FunctionName": name}, statistic)

    return {
        "function.errors": of("Errors", "Sum"),
        "function.throttles": of("Throttles", "Sum"),
        "function.invocations": of("Invocations", "Sum"),
        "function.duration": _share(of("Duration", "p99"), timeout_seconds * 1000),
        "function.concurrency": _share(of("ConcurrentExecutions", "Maximum"), concurrency),
    }


def load_balancer_metrics(full_name: str) -> Metrics:
    """An Application Load Balancer; `full_name` is `app/name/id`."""

    def of(metric: str, statistic: str = "Sum") -> cloudwatch.Metric:
        return _metric("AWS/ApplicationELB", metric, {"LoadBalancer": full_name}, statistic)

    return {
        "balancer.requests": of("RequestCount"),
        "balancer.latency": of("TargetResponseTime", "p95"),
        "balancer.failures": cloudwatch.MathExpression(
            expression=(
                f"IF(requests > {REQUESTS_FLOOR},"
                " 100 * (FILL(target, 0) + FILL(own, 0)) / requests, 0)"
            ),
            using_metrics={
                "requests": of("RequestCount"),
                "target": of("HTTPCode_Target_5XX_Count"),
                "own": of("HTTPCode_ELB_5XX_Count"),
            },
            period=Duration.minutes(1),
            label="5xx, per cent",
        ),
    }


def web_acl_metrics(name: str, region: str) -> Metrics:
    """What the web application firewall turned away; `name` is its metric's name."""
    dimensions = {"WebACL": name, "Rule": "ALL", "Region": region}
    return {"acl.blocked": _metric("AWS/WAFV2", "BlockedRequests", dimensions, "Sum")}


def queue_metrics(names: Sequence[str]) -> Metrics:
    """Dead letter queues, the fullest of them."""
    name = "ApproximateNumberOfMessagesVisible"
    each = [_metric("AWS/SQS", name, {"QueueName": queue}, "Maximum") for queue in names]
    return {"queue.dead": _combine("MAX", each, "messages")}


def mail_metrics() -> Metrics:
    """SES's own reckoning of the account in the region, shares from 0 to 1."""
    return {
        "mail.bounces": _metric("AWS/SES", "Reputation.BounceRate", {}, "Maximum", minutes=60),
        "mail.complaints": _metric(
            "AWS/SES", "Reputation.ComplaintRate", {}, "Maximum", minutes=60
        ),
    }


def gateway_metrics(gateways: Sequence[str]) -> Metrics:
    """NAT gateways that had no port left for a connection."""
    each = [
        _metric("AWS/NATGateway", "ErrorPortAllocation", {"NatGatewayId": gateway}, "Sum")
        for gateway in gateways
    ]
    return {"gateway.ports": _combine("SUM", each, "failed allocations")}


def cluster_metrics(name: str) -> Metrics:
    """What EKS publishes of its control plane itself (namespace AWS/EKS, from Kubernetes 1.28)."""

    def of(metric: str, statistic: str) -> cloudwatch.Metric:
        return _metric("AWS/EKS", metric, {"ClusterName": name}, statistic)

    return {
        "cluster.pending": of("scheduler_pending_pods_UNSCHEDULABLE", "Minimum"),
        "cluster.failures": cloudwatch.MathExpression(
            expression=f"IF(requests > {REQUESTS_FLOOR}, 100 * FILL(failed, 0) / requests, 0)",
            using_metrics={
                "requests": of("apiserver_request_total", "Sum"),
                "failed": of("apiserver_request_total_5XX", "Sum"),
            },
            period=Duration.minutes(1),
            label="API server 5xx, per cent",
        ),
    }


def health_metrics(kind: str, health_check_id: str) -> Metrics:
    """A Route 53 health check, 1 while it is well; measured in us-east-1 alone."""
    dimensions = {"HealthCheckId": health_check_id}
    return {
        f"health.{kind}": _metric(
            "AWS/Route53", "HealthCheckStatus", dimensions, "Minimum", region="us-east-1"
        )
    }


def delivery_metrics(streams: Sequence[str]) -> Metrics:
    """Firehose: seconds since the oldest record that is not in the archive yet, of any stream."""
    each = [
        _metric(
            "AWS/Firehose",
            "DeliveryToS3.DataFreshness",
            {"DeliveryStreamName": stream},
            "Maximum",
            minutes=5,
        )
        for stream in streams
    ]
    return {"archive.age": _combine("MAX", each, "age", minutes=5)}


def _metric(
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    statistic: str,
    *,
    minutes: int = 1,
    region: str | None = None,
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions or None,
        statistic=statistic,
        period=Duration.minutes(minutes),
        region=region,
    )


def _share(metric: cloudwatch.Metric, limit: float) -> cloudwatch.MathExpression:
    # Ids are unique within a graph too, where several shares may meet.
    part = metric.metric_name.lower()
    return cloudwatch.MathExpression(
        expression=f"100 * {part} / {limit:.0f}",
        using_metrics={part: metric},
        period=Duration.minutes(1),
        label=f"{metric.metric_name}, per cent",
    )


def _over_all(function: str, name: str, statistic: str, nodes: Sequence[str]) -> cloudwatch.IMetric:
    each = [_metric("AWS/ElastiCache", name, {"CacheClusterId": node}, statistic) for node in nodes]
    return _combine(function, each, name)


def _combine(
    function: str, each: Sequence[cloudwatch.Metric], label: str, *, minutes: int = 1
) -> cloudwatch.IMetric:
    if len(each) == 1:
        return each[0]
    # Ids are unique within an alarm, also where two of these meet in one expression.
    ids = [f"{''.join(filter(str.isalpha, label)).lower()}{place}" for place in range(len(each))]
    return cloudwatch.MathExpression(
        expression=f"{function}([{', '.join(ids)}])",
        using_metrics=dict(zip(ids, each, strict=True)),
        period=Duration.minutes(minutes),
        label=label,
    )
