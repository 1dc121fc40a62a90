"""An alarm watches what AWS publishes, of every thing there is, and rings in the right direction.

CloudWatch takes any name: an alarm on a metric that is never sent is quiet for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from cdk.config.deployment import ENVIRONMENTS
from cdk.constructs.metrics import MEMORY_GIB
from tests.infra.resolved import Resource

# Namespace -> the dimensions by which AWS publishes it for one thing.
DIMENSIONS = {
    "AWS/RDS": {"DBInstanceIdentifier"},
    "AWS/ElastiCache": {"CacheClusterId"},
    "AWS/Lambda": {"FunctionName"},
    "AWS/ApplicationELB": {"LoadBalancer"},
    "AWS/WAFV2": {"WebACL", "Rule", "Region"},
    "AWS/SQS": {"QueueName"},
    "AWS/SES": set[str](),
    "AWS/NATGateway": {"NatGatewayId"},
    "AWS/EKS": {"ClusterName"},
    "AWS/Route53": {"HealthCheckId"},
    "AWS/Firehose": {"DeliveryStreamName"},
}
# Watch -> namespace, metrics with their statistics, seconds of a period; then the comparison, the
# threshold, how many periods in a row, and what no data means.
QUIET = "notBreaching"
WATCHED: dict[str, tuple[str, str, int, str, float, int, str]] = {
    "database-down": ("RDS", "DatabaseConnections:Minimum", 60, "<", 0, 2, "breaching"),
    "database-cpu": ("RDS", "CPUUtilization:Average", 60, ">", 70, 10, QUIET),
    "database-storage": ("RDS", "FreeStorageSpace:Minimum", 60, "<", 10, 15, QUIET),
    "database-memory": ("RDS", "FreeableMemory:Minimum", 60, "<", 5, 5, QUIET),
    "database-connections": ("RDS", "DatabaseConnections:Maximum", 60, ">", 80, 5, QUIET),
    "replica-behind": ("RDS", "ReplicaLag:Maximum", 60, ">", 60, 10, QUIET),
    "recovery-point-missed": ("RDS", "ReplicaLag:Maximum", 60, ">", 300, 5, QUIET),
    "cache-cpu": ("ElastiCache", "EngineCPUUtilization:Average", 60, ">", 70, 10, QUIET),
    "cache-memory": (
        "ElastiCache", "DatabaseMemoryUsagePercentage:Average", 60, ">", 95, 5, QUIET,
    ),
    "cache-evictions": ("ElastiCache", "Evictions:Sum", 60, ">", 0, 5, QUIET),
    "cache-misses": ("ElastiCache", "CacheHits:Sum CacheMisses:Sum", 60, ">", 50, 10, QUIET),
    "cache-lag": ("ElastiCache", "ReplicationLag:Maximum", 60, ">", 5, 5, QUIET),
    "function-errors": ("Lambda", "Errors:Sum", 60, ">", 5, 5, QUIET),
    "function-throttles": ("Lambda", "Throttles:Sum", 60, ">", 0, 3, QUIET),
    "function-duration": ("Lambda", "Duration:p99", 60, ">", 90, 5, QUIET),
    "function-concurrency": ("Lambda", "ConcurrentExecutions:Maximum", 60, ">", 80, 5, QUIET),
    "high-error-rate": (
        "ApplicationELB",
        "HTTPCode_ELB_5XX_Count:Sum HTTPCode_Target_5XX_Count:Sum RequestCount:Sum",
        60, ">", 5, 5, QUIET,
    ),
    "high-response-time": ("ApplicationELB", "TargetResponseTime:p95", 60, ">", 1, 5, QUIET),
    "acl-blocked": ("WAFV2", "BlockedRequests:Sum", 60, ">", 1000, 5, QUIET),
    "dead-letters": ("SQS", "ApproximateNumberOfMessagesVisible:Maximum", 60, ">", 0, 1, QUIET),
    "mail-bounces": ("SES", "Reputation.BounceRate:Maximum", 3600, ">", 0.025, 1, QUIET),
    "mail-complaints": ("SES", "Reputation.ComplaintRate:Maximum", 3600, ">", 0.0005, 1, QUIET),
    "gateway-ports": ("NATGateway", "ErrorPortAllocation:Sum", 60, ">", 0, 5, QUIET),
    "cluster-pending": (
        "EKS", "scheduler_pending_pods_UNSCHEDULABLE:Minimum", 60, ">", 0, 15, QUIET,
    ),
    "cluster-failures": (
        "EKS", "apiserver_request_total:Sum apiserver_request_total_5XX:Sum", 60, ">", 5, 5, QUIET,
    ),
    "cluster-unreachable": ("Route53", "HealthCheckStatus:Minimum", 60, "<", 1, 5, QUIET),
    "function-unreachable": ("Route53", "HealthCheckStatus:Minimum", 60, "<", 1, 5, QUIET),
    "archive-late": ("Firehose", "DeliveryToS3.DataFreshness:Maximum", 300, ">", 1800, 3, QUIET),
}  # fmt: skip
OPERATORS = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}
EXPRESSIONS = {
    "database-storage": "100 * {FreeStorageSpace} / {storage}",
    "database-memory": "100 * {FreeableMemory} / {memory}",
    "database-connections": "100 * {DatabaseConnections} / {connections}",
    "function-duration": "100 * {Duration} / {timeout}",
    "function-concurrency": "100 * {ConcurrentExecutions} / {concurrency}",
    "high-error-rate": "IF({RequestCount} > 20, 100 * (FILL({HTTPCode_Target_5XX_Count}, 0)"
    " + FILL({HTTPCode_ELB_5XX_Count}, 0)) / {RequestCount}, 0)",
    "cluster-failures": "IF({apiserver_request_total} > 20,"
    " 100 * FILL({apiserver_request_total_5XX}, 0) / {apiserver_request_total}, 0)",
    "cache-misses": "IF({CacheHits} + {CacheMisses} > 20,"
    " 100 * {CacheMisses} / ({CacheHits} + {CacheMisses}), 0)",
}
"""A share of a limit or of the requests; the others are the worst, or the sum, of all."""
# First word of a watch -> the kind of resource, and what CloudWatch calls one.
WATCHED_BY_NAME = {
    "database": ("RDS::DBInstance", "{DBInstanceIdentifier}"),
    "replica": ("RDS::DBInstance", "{DBInstanceIdentifier}"),
    "recovery": ("RDS::DBInstance", "{DBInstanceIdentifier}"),
    "high": ("ElasticLoadBalancingV2::LoadBalancer", "{0}.LoadBalancerFullName"),
    "dead": ("SQS::Queue", "{0}.QueueName"),
    "gateway": ("EC2::NatGateway", "{0}.NatGatewayId"),
    "archive": ("KinesisFirehose::DeliveryStream", "{DeliveryStreamName}"),
}
SUMMED = {"gateway-ports", "cache-misses"}
REPLICA = {"replica-behind", "recovery-point-missed"}
PROBES = {"cluster-unreachable", "function-unreachable"}
NOT_AT = {
    "development": {*REPLICA, *PROBES, "mail-bounces", "mail-complaints", "cache-lag"},
    "staging": REPLICA,
    "production": REPLICA,
    "production-dr": {
        *(name for name in WATCHED if name.startswith("cache-")),
        *(name for name in WATCHED if name.startswith("cluster-")),
        *PROBES,
    },
}
"""Site -> the watches of what it has not: development no domain and one node of the cache, the
second region no cache, no cluster and no probes of its own; the replica is there alone."""


def alarms_of(resolved: list[Resource]) -> list[Resource]:
    return [
        it
        for it in resolved
        if it.kind == "CloudWatch::Alarm" and it.name.startswith("observability.")
    ]


def watch(alarm: Resource) -> str:
    return str(alarm.properties["AlarmName"]).removeprefix("user-api-ENV-")


def stats(alarm: Resource) -> Iterator[tuple[str, dict[str, Any], str, int]]:
    """Id, metric, statistic and period of each metric."""
    it = alarm.properties
    if "MetricName" in it:
        yield "", dict(it), it.get("Statistic") or it["ExtendedStatistic"], it["Period"]
    for each in it.get("Metrics", ()):
        if stat := each.get("MetricStat"):
            yield each["Id"], stat["Metric"], stat["Stat"], stat["Period"]


def dimensions(metric: Mapping[str, Any]) -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in metric.get("Dimensions", ())}


def test_each_alarm_watches_and_compares_as_its_row(resolved: list[Resource]) -> None:
    """The wrong direction, or a metric of another name, is an alarm that never rings."""
    rung = defaultdict(set)
    for alarm in alarms_of(resolved):
        it, place = alarm.properties, (alarm.site, watch(alarm))
        kind, metrics, period, comparison, threshold, periods, missing = WATCHED[place[1]]
        found = {f"{metric['MetricName']}:{stat}" for _, metric, stat, _ in stats(alarm)}
        assert found == set(metrics.split()), place
        assert {metric["Namespace"] for _, metric, _, _ in stats(alarm)} == {f"AWS/{kind}"}, place
        assert {seconds for *_, seconds in stats(alarm)} == {period}, place
        assert OPERATORS[it["ComparisonOperator"]] == comparison, place
        assert it["Threshold"] == threshold, place
        assert it["EvaluationPeriods"] == it["DatapointsToAlarm"] == periods, place
        assert it["TreatMissingData"] == missing, place
        rung[alarm.site].add(place[1])
    assert {site: WATCHED.keys() - found for site, found in rung.items()} == NOT_AT


def test_alarms_leave_out_nothing_that_there_is(resolved: list[Resource]) -> None:
    """Each node, gateway, stream and queue of a site, by the dimensions that AWS publishes."""
    sites = defaultdict(list)
    for it in resolved:
        sites[it.site].append(it)
    for alarm in alarms_of(resolved):
        place = (alarm.site, watch(alarm))
        names = defaultdict(set)
        for _, metric, _, _ in stats(alarm):
            assert dimensions(metric).keys() == DIMENSIONS[metric["Namespace"]], place
            names[metric["MetricName"]].add(tuple(sorted(dimensions(metric).values())))
        wanted = {tuple(sorted(each)) for each in there(sites[alarm.site], place[1])}
        assert all(found == wanted for found in names.values()), (place, names, wanted)


def there(site: list[Resource], name: str) -> list[tuple[str, ...]]:
    """The dimensions of everything that the watch is for."""
    subject = name.split("-", maxsplit=1)[0]
    if subject in WATCHED_BY_NAME:
        kind, form = WATCHED_BY_NAME[subject]
        every = [it for it in site if it.kind == kind and "RedrivePolicy" not in it.properties]
        return [(form.format(it.name, **it.properties),) for it in every]
    if subject == "cache":
        (group,) = (it for it in site if it.kind == "ElastiCache::ReplicationGroup")
        return [(node,) for node in _nodes(group.properties)]
    named: dict[str, list[tuple[str, ...]]] = {
        "acl-blocked": [("user-api-ENV-web-acl", "ALL", "REGION")],
        "mail-bounces": [()],
        "mail-complaints": [()],
        "cluster-unreachable": [("edge.ClusterProbeCheck.HealthCheckId",)],
        "function-unreachable": [("edge.FunctionProbeCheck.HealthCheckId",)],
        "cluster-pending": [("cluster.KubernetesCluster",)],
        "cluster-failures": [("cluster.KubernetesCluster",)],
    }
    return named.get(name, [("fallback.ApiFunction",)])


def _nodes(group: Mapping[str, Any]) -> list[str]:
    """AWS numbers them, and in cluster mode the shards before them."""
    clustered = "cluster.on" in group["CacheParameterGroupName"]
    first = f"{group['ReplicationGroupId']}-{'0001-' if clustered else ''}"
    return [f"{first}{place:03}" for place in range(1, group["ReplicasPerNodeGroup"] + 2)]


def test_expressions_reckon_with_the_limits_of_the_site(resolved: list[Resource]) -> None:
    """A share of the wrong limit rings too late; one result, of which CloudWatch sees one only."""
    for alarm in alarms_of(resolved):
        metrics = alarm.properties.get("Metrics", ())
        if not metrics:
            continue
        place = (alarm.site, watch(alarm))
        (shown,) = (each for each in metrics if each.get("ReturnData", True) is True)
        expressions = {each["Id"]: each["Expression"] for each in metrics if "Expression" in each}
        whole = _substituted(shown["Expression"], expressions)
        ids = defaultdict(list)
        for id_, metric, _, _ in stats(alarm):
            ids[metric["MetricName"]].append(id_)
        function = "SUM" if place[1] in SUMMED else "MAX"
        parts = {
            name: each[0] if len(each) == 1 else f"{function}([{', '.join(each)}])"
            for name, each in ids.items()
        }
        form = EXPRESSIONS.get(place[1], "{" + next(iter(ids)) + "}")
        for name, value in {**parts, **limits(resolved, alarm.site)}.items():
            form = form.replace("{" + name + "}", str(value))
        assert whole == form, place


def _substituted(expression: str, others: Mapping[str, str]) -> str:
    for id_, inner in others.items():
        if id_ in {"hits", "misses"}:
            expression = expression.replace(id_, inner)
    return expression


def limits(resolved: list[Resource], site: str) -> dict[str, int]:
    """What the shares are of, by the configuration and by the function itself."""
    it = ENVIRONMENTS[site.removesuffix("-dr")]
    recovery = it.recovery if site.endswith("-dr") else None
    connections = recovery.database_connections if recovery else it.database.connections
    instance = recovery.database_instance_class if recovery else it.database.instance_class
    (function,) = (
        each.properties
        for each in resolved
        if (each.site, each.name) == (site, "fallback.ApiFunction")
    )
    return {
        "storage": it.database.allocated_storage * 1024**3,
        "memory": MEMORY_GIB[instance] * 1024**3,
        "connections": connections,
        "timeout": function["Timeout"] * 1000,
        "concurrency": function.get("ReservedConcurrentExecutions", connections),
    }
