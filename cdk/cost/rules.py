"""What a resource costs by its properties: one function a type, of its lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cdk.cost.book import CostError
from cdk.cost.lines import Found, Line, Properties, Site, number

Rule = Callable[[Found], list[Line]]
_VCPUS = {"micro": 2, "small": 2, "medium": 2, "large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16}


def _monthly(what: str, item: str) -> Rule:
    return lambda _: [Line(what=what, item=item, quantity=1)]


def _hourly(what: str, item: str) -> Rule:
    return lambda it: [Line(what=what, item=item, quantity=it.site.hours)]


def _balancer(it: Found) -> list[Line]:
    if it.properties.get("Type", "application") != "application":
        raise CostError(f"a load balancer of type {it.properties['Type']} has no price")
    return [
        Line(what="load balancer", item="alb.hour", quantity=it.site.hours),
        Line(
            what="load balancer, capacity",
            item="alb.lcu_hour",
            quantity=it.site.hours * it.site.assumptions["balancer_lcus"],
        ),
        *_addresses(_length(it, "Subnets") if _is_public(it) else 0, it.site),
    ]


def _is_public(it: Found) -> bool:
    return bool(it.properties.get("Scheme") == "internet-facing")


def _length(it: Found, name: str) -> int:
    listed = it.properties.get(name)
    if not isinstance(listed, list):
        raise CostError(f"{name} is {listed!r}, not a list that can be counted")
    return len(listed)


def _addresses(count: float, site: Site) -> list[Line]:
    hours = count * site.hours
    return [Line(what="public addresses", item="vpc.public_ipv4_hour", quantity=hours)]


def _endpoint(it: Found) -> list[Line]:
    """An interface is charged in each of its zones; a gateway is free."""
    if it.properties.get("VpcEndpointType", "Gateway") == "Gateway":
        return []
    hours = _length(it, "SubnetIds") * it.site.hours
    return [
        Line(
            what="interface endpoints, each in its zones", item="vpc.endpoint_hour", quantity=hours
        )
    ]


def _cluster(it: Found) -> list[Line]:
    """The control plane, and what Kubernetes makes that no template shows."""
    balancers = it.site.assumptions["cluster_balancers"]
    zones = len(it.properties["ResourcesVpcConfig"]["SubnetIds"])
    capacity = balancers * it.site.hours * it.site.assumptions["balancer_lcus"]
    return [
        Line(what="control plane", item="eks.cluster_hour", quantity=it.site.hours),
        Line(
            what="load balancer of Kubernetes", item="alb.hour", quantity=balancers * it.site.hours
        ),
        Line(what="load balancer of Kubernetes, capacity", item="alb.lcu_hour", quantity=capacity),
        Line(
            what="volumes of Kubernetes",
            item="ebs.gp3_gb",
            quantity=it.site.assumptions["cluster_volumes_gb"],
        ),
        *_addresses(balancers * min(zones, 3), it.site),
    ]


def _nodes(it: Found) -> list[Line]:
    nodes = number(it.properties["ScalingConfig"], "MinSize") + it.site.assumptions["extra_nodes"]
    types = it.properties.get("InstanceTypes", [])
    if len(types) != 1:
        raise CostError(f"a node group has {len(types)} instance types; one can be priced")
    disk = number(it.properties, "DiskSize", it.site.assumptions["node_disk_gb"])
    return [
        Line(what=f"nodes {types[0]}", item=f"ec2.{types[0]}", quantity=nodes * it.site.hours),
        Line(what="disks of the nodes", item="ebs.gp3_gb", quantity=nodes * disk),
    ]


def _database(it: Found) -> list[Line]:
    """A Multi-AZ instance has prices of its own; a replica is as large as its source."""
    kind = it.properties["DBInstanceClass"]
    zones = "multi" if it.properties.get("MultiAZ") in (True, "true") else "single"
    role = "replica" if "SourceDBInstanceIdentifier" in it.properties else "instance"
    storage = number(_with_storage(it.properties, it.site), "AllocatedStorage")
    lines = [
        Line(
            what=f"{role} {kind}, {zones} zone", item=f"rds.{zones}.{kind}", quantity=it.site.hours
        ),
        Line(what=f"{role} storage gp3", item=f"rds.{zones}.gp3_gb", quantity=storage),
    ]
    if number(it.properties, "PerformanceInsightsRetentionPeriod", 7) > 7:
        lines.append(Line(what="long insights", item="rds.insights_vcpu", quantity=_vcpus(kind)))
    return lines


def _with_storage(properties: Properties, site: Site) -> Properties:
    if "AllocatedStorage" in properties:
        return properties
    for other in site.of_type("AWS::RDS::DBInstance", everywhere=True):
        if "AllocatedStorage" in other:
            return other
    raise CostError("a database has no AllocatedStorage, and neither has a source of it")


def _proxy(it: Found) -> list[Line]:
    """By the vCPUs of the instances behind it, two at least."""
    instances = it.site.of_type("AWS::RDS::DBInstance")
    vcpus = max(2, sum(_vcpus(each["DBInstanceClass"]) for each in instances))
    return [Line(what="proxy", item="rds.proxy_vcpu_hour", quantity=vcpus * it.site.hours)]


def _vcpus(instance: str) -> int:
    size = instance.rpartition(".")[2]
    if size not in _VCPUS:
        raise CostError(f"how many vCPUs {instance} has is not known here")
    return _VCPUS[size]


def _cache(it: Found) -> list[Line]:
    kind = it.properties["CacheNodeType"]
    if "NumCacheClusters" in it.properties:
        nodes = number(it.properties, "NumCacheClusters")
    else:
        replicas = number(it.properties, "ReplicasPerNodeGroup", 0)
        nodes = number(it.properties, "NumNodeGroups", 1) * (1 + replicas)
    return [Line(what=f"nodes {kind}", item=f"elasticache.{kind}", quantity=nodes * it.site.hours)]


def _web_acl(it: Found) -> list[Line]:
    rules = len(it.properties.get("Rules", []))
    return [
        Line(what="web ACLs", item="waf.acl", quantity=1),
        Line(what="rules", item="waf.rule", quantity=rules),
    ]


def _secret(it: Found) -> list[Line]:
    replicas = len(it.properties.get("ReplicaRegions", []))
    return [Line(what="secrets and replicas", item="secrets.secret", quantity=1 + replicas)]


def _alarm(it: Found) -> list[Line]:
    metrics: Sequence[Properties] = it.properties.get("Metrics", [])
    counted = sum("MetricStat" in each for each in metrics) or 1
    return [Line(what="metrics of alarms", item="cloudwatch.alarm_metric", quantity=counted)]


def _metric_filter(it: Found) -> list[Line]:
    made = len(it.properties.get("MetricTransformations", []))
    return [Line(what="metrics of filters", item="cloudwatch.custom_metric", quantity=made)]


def _health_check(it: Found) -> list[Line]:
    """HTTPS, a string to find, a fast interval and latency are one option each."""
    config = it.properties["HealthCheckConfig"]
    kind = str(config["Type"])
    options = (
        kind.startswith("HTTPS"),
        kind.endswith("STR_MATCH"),
        config.get("RequestInterval") == 10,
        bool(config.get("MeasureLatency")),
    )
    return [
        Line(what="health checks", item="route53.health_check", quantity=1),
        Line(
            what="health checks, options", item="route53.health_check_option", quantity=sum(options)
        ),
    ]


def _parameter(it: Found) -> list[Line]:
    advanced = it.properties.get("Tier", "Standard") == "Advanced"
    return [Line(what="advanced parameters", item="ssm.advanced_parameter", quantity=int(advanced))]


def _by_use(_: Found) -> list[Line]:
    """Nothing for being there: see `use`."""
    return []


RULES: dict[str, Rule] = {
    "AWS::Backup::BackupVault": _by_use,
    "AWS::CloudTrail::Trail": _by_use,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _monthly("composite alarms", "cloudwatch.composite_alarm"),
    "AWS::CloudWatch::Dashboard": _monthly("dashboards", "cloudwatch.dashboard"),
    "AWS::EC2::EIP": lambda it: _addresses(1, it.site),
    "AWS::EC2::NatGateway": _hourly("NAT gateways", "nat.hour"),
    "AWS::EC2::VPC": _by_use,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::ECR::PullThroughCacheRule": _by_use,
    "AWS::EKS::Cluster": _cluster,
    "AWS::EKS::Nodegroup": _nodes,
    "AWS::ElastiCache::ReplicationGroup": _cache,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _balancer,
    "AWS::KMS::Key": _monthly("keys", "kms.key"),
    "AWS::KMS::ReplicaKey": _monthly("replica keys", "kms.key"),
    "AWS::KinesisFirehose::DeliveryStream": _by_use,
    "AWS::Lambda::Function": _by_use,
    "AWS::Logs::LogGroup": _by_use,
    "AWS::Logs::MetricFilter": _metric_filter,
    "AWS::RDS::DBInstance": _database,
    "AWS::RDS::DBProxy": _proxy,
    "AWS::Route53::HealthCheck": _health_check,
    "AWS::Route53::HostedZone": _monthly("hosted zones", "route53.zone"),
    "AWS::S3::Bucket": _by_use,
    "AWS::SES::EmailIdentity": _by_use,
    "AWS::SNS::Topic": _by_use,
    "AWS::SQS::Queue": _by_use,
    "AWS::SSM::Parameter": _parameter,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::WAFv2::WebACL": _web_acl,
}
