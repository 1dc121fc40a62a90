"""What wakes somebody, or tells them in the morning: one table of thresholds.

The names and figures of CloudWatch's part of the alert tables; pods, deployments
and the application's own metrics are Prometheus'.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch

ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
BREACHING = cloudwatch.TreatMissingData.BREACHING
FINE = cloudwatch.TreatMissingData.NOT_BREACHING
CRITICAL = "Critical"
WARNING = "Warning"


@dataclass(frozen=True, kw_only=True)
class Watch:
    """One alarm: `metric` past `threshold` in each of the last `periods` periods of the metric.

    `what` is what is wrong, and `do` what whoever is told does first. `missing` is what no data
    at all means.
    """

    name: str
    metric: str
    threshold: float
    periods: int
    what: str
    do: str
    severity: str = WARNING
    comparison: cloudwatch.ComparisonOperator = ABOVE
    missing: cloudwatch.TreatMissingData = FINE


WATCHES = (
    Watch(
        name="database-down",
        metric="database.present",
        threshold=0,
        periods=2,
        comparison=BELOW,
        missing=BREACHING,
        severity=CRITICAL,
        what="RDS has been unavailable for more than 1 minute.",
        do="Page on-call and DBA. Look at the instance's events; a Multi-AZ failover ends by"
        " itself in 2 minutes. After 5 minutes follow the runbook of a failed database.",
    ),
    Watch(
        name="database-cpu",
        metric="database.cpu",
        threshold=70,
        periods=10,
        what="The database's CPU has been above 70 % for 10 minutes.",
        do="Look for the top statement in Performance Insights; enlarge the instance class last.",
    ),
    Watch(
        name="database-storage",
        metric="database.storage",
        threshold=10,
        periods=15,
        comparison=BELOW,
        severity=CRITICAL,
        what="Less than a tenth of the allocated storage has been free for 15 minutes.",
        do="Automatic growth has not happened: compare the storage with its maximum, raise it.",
    ),
    Watch(
        name="database-memory",
        metric="database.memory",
        threshold=5,
        periods=5,
        comparison=BELOW,
        severity=CRITICAL,
        what="The database's memory has been used above 95 % for 5 minutes.",
        do="End the sessions that use most of it, then enlarge the instance class.",
    ),
    Watch(
        name="database-connections",
        metric="database.connections",
        threshold=80,
        periods=5,
        severity=CRITICAL,
        what="More than 80 % of max_connections have been in use for 5 minutes.",
        do="Count connections by application_name; scale pods down or their pools, not up.",
    ),
    Watch(
        name="replica-behind",
        metric="replica.lag",
        threshold=60,
        periods=10,
        what="The other region's replica has been more than 60 s behind for 10 minutes.",
        do="Look for a long transaction on the replica and for load on the primary.",
    ),
    Watch(
        name="recovery-point-missed",
        metric="replica.lag",
        threshold=300,
        periods=5,
        severity=CRITICAL,
        what="The other region's replica is more than 5 minutes behind: a failover now would"
        " lose more than the recovery point objective allows.",
        do="Page on-call and DBA; do not promote the replica without reading its lag.",
    ),
    Watch(
        name="cache-cpu",
        metric="cache.cpu",
        threshold=70,
        periods=10,
        what="A Redis node's engine CPU has been above 70 % for 10 minutes.",
        do="Look for slow commands (SLOWLOG); then enlarge the node type.",
    ),
    Watch(
        name="cache-memory",
        metric="cache.memory",
        threshold=95,
        periods=5,
        severity=CRITICAL,
        what="A Redis node's memory has been used above 95 % for 5 minutes.",
        do="Enlarge the node type. Rate limits are lost with what is evicted.",
    ),
    Watch(
        name="cache-evictions",
        metric="cache.evictions",
        threshold=0,
        periods=5,
        what="Redis has evicted keys in each of 5 minutes.",
        do="Compare memory and keys with the week before; enlarge the node type.",
    ),
    Watch(
        name="cache-misses",
        metric="cache.misses",
        threshold=50,
        periods=10,
        what="More than 50 % of cache reads have missed for 10 minutes.",
        do="After a deployment or a failover it fills by itself; else look for expiry or eviction.",
    ),
    Watch(
        name="cache-lag",
        metric="cache.lag",
        threshold=5,
        periods=5,
        what="A Redis replica has been more than 5 s behind for 5 minutes.",
        do="Look at the node's network and CPU; a failover now would lose what it lacks.",
    ),
    Watch(
        name="function-errors",
        metric="function.errors",
        threshold=5,
        periods=5,
        severity=CRITICAL,
        what="The Lambda function has failed more than 5 times in each of 5 minutes.",
        do="Read its log group from the first error on; move the alias back if it was deployed.",
    ),
    Watch(
        name="function-throttles",
        metric="function.throttles",
        threshold=0,
        periods=3,
        severity=CRITICAL,
        what="Requests to the Lambda function have been refused in each of 3 minutes.",
        do="Compare reserved concurrency and the account's limit with the traffic; raise it.",
    ),
    Watch(
        name="function-duration",
        metric="function.duration",
        threshold=90,
        periods=5,
        what="The slowest hundredth of calls has used 90 % of the timeout for 5 minutes.",
        do="Look at the database's latency first. Jobs stop by themselves before this.",
    ),
    Watch(
        name="function-concurrency",
        metric="function.concurrency",
        threshold=80,
        periods=5,
        what="The Lambda function has run at 80 % of its concurrency, or of the database's"
        " connections, for 5 minutes.",
        do="Find out why EKS does not serve; raise the concurrency below max_connections.",
    ),
    Watch(
        name="high-error-rate",
        metric="balancer.failures",
        threshold=5,
        periods=5,
        severity=CRITICAL,
        what="More than 5 % of requests to the Lambda load balancer have failed for 5 minutes.",
        do="Page on-call. Roll back a release of the last hour; else follow the database.",
    ),
    Watch(
        name="high-response-time",
        metric="balancer.latency",
        threshold=1,
        periods=5,
        what="P95 of the Lambda load balancer has been above 1 s for 5 minutes.",
        do="Compare with the function's duration and the database's latency on the dashboard.",
    ),
    Watch(
        name="acl-blocked",
        metric="acl.blocked",
        threshold=1000,
        periods=5,
        what="The firewall has blocked more than 1000 requests in each of 5 minutes.",
        do="Read the web ACL's log for the rule: an attack needs nothing, a false positive does.",
    ),
    Watch(
        name="dead-letters",
        metric="queue.dead",
        threshold=0,
        periods=1,
        what="Messages that could not be handled wait in the dead letter queue.",
        do="Read one, repair its cause, then redrive the queue before they expire.",
    ),
    Watch(
        name="mail-bounces",
        metric="mail.bounces",
        threshold=0.025,
        periods=1,
        what="More than 2.5 % of mails bounce; SES reviews the account at 5 %.",
        do="Look for sign-ups with made-up addresses; tighten their rate limit.",
    ),
    Watch(
        name="mail-complaints",
        metric="mail.complaints",
        threshold=0.0005,
        periods=1,
        severity=CRITICAL,
        what="More than 0.05 % of mails are complained about; SES reviews the account at 0.1 %.",
        do="Find which mail it is in the bounce and complaint queue, and stop sending it.",
    ),
    Watch(
        name="gateway-ports",
        metric="gateway.ports",
        threshold=0,
        periods=5,
        what="NAT gateways have had no free port in each of 5 minutes.",
        do="Find what opens so many connections to one address; use an endpoint or one more NAT.",
    ),
    Watch(
        name="cluster-pending",
        metric="cluster.pending",
        threshold=0,
        periods=15,
        what="Pods have found no node for 15 minutes: nodes are not ready, or at their maximum.",
        do="kubectl get nodes; then the events of the pending pods and of the autoscaler.",
    ),
    Watch(
        name="cluster-failures",
        metric="cluster.failures",
        threshold=5,
        periods=5,
        what="More than 5 % of requests to the Kubernetes API have failed for 5 minutes.",
        do="Read the control plane's log group; the API keeps serving users meanwhile.",
    ),
    Watch(
        name="cluster-unreachable",
        metric="health.cluster",
        threshold=1,
        periods=5,
        comparison=BELOW,
        severity=CRITICAL,
        what="Route 53 finds the EKS load balancer unwell: Lambda serves instead.",
        do="Page on-call. Nothing is lost while Lambda serves; find out what EKS lacks.",
    ),
    Watch(
        name="function-unreachable",
        metric="health.function",
        threshold=1,
        periods=5,
        comparison=BELOW,
        severity=CRITICAL,
        what="Route 53 finds the Lambda load balancer unwell: EKS has no substitute in its region.",
        do="Page on-call. With EKS unwell too, the other region serves, read-only.",
    ),
    Watch(
        name="archive-late",
        metric="archive.age",
        threshold=1800,
        periods=3,
        what="Logs have waited for the archive for more than 30 minutes.",
        do="Read the delivery stream's error log; the objective is at most an hour of lost logs.",
    ),
)
