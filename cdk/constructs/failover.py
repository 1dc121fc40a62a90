"""The names of a deployment in its zone, and the parts of failover between them.

Who owns which record (all are aliases of type A in the one hosted zone; `D` is the public name):

    record       of two regions                            of one region           owner
    D            failover: primary.D, else recovery.D      see `primary.D`         DnsStack
    primary.D    failover: EKS load balancer [probe eks]   (it is D itself)        external-dns
                 else: Lambda load balancer [probe lambda]                         DnsStack
    eks.D        EKS load balancer, plain                  same                    external-dns
    lambda.D     Lambda load balancer, plain               same                    FallbackStack
    recovery.D   Lambda load balancer of region B, plain   -                       its FallbackStack

external-dns gives the EKS load balancer two names: the pair's with the annotations set-identifier
`eks`, aws-failover `PRIMARY`, aws-health-check-id and aws-evaluate-target-health `false`; and
eks.D, without them, which is what the probe asks. CDK owns every health check.

Whether a load balancer's targets are well decides nothing here (`EvaluateTargetHealth` is off on
every record that points to one): targets go out of service within 30 s, so a database that fails
over between zones in 60 to 120 s would move the region. The probes alone decide, and they need
`FAILING_SECONDS`. On D's first record it is on, since there it means: one of the pair is well.
D's second record is never unwell: when both were, Route 53 would answer with the first, and that
is the region which a promotion has switched off.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_route53 as route53
from constructs import Construct

from cdk.config.deployment import Deployment, Site

PROBE_SECONDS = 30
FAILED_PROBES = 8
FAILING_SECONDS = PROBE_SECONDS * (FAILED_PROBES - 1)
"""A region is given up after at least so long; RDS needs up to 120 s for the other zone, and the
connections of the application a few more."""

SWITCH_METRIC = "PrimaryRegionOff"


@dataclass(frozen=True, kw_only=True)
class PublicNames:
    """The names above. `pair` is the one that EKS and Lambda of the first region share."""

    zone: str
    public: str
    pair: str
    cluster: str
    function: str
    recovery: str | None

    def of(self, site: Site) -> str:
        """The plain name of a site's Lambda load balancer."""
        return self.function if self.recovery is None or not site.part else self.recovery

    def certified(self, site: Site) -> list[str]:
        """What a site's certificate names, the public name first."""
        if site.part:
            return [self.public, self.of(site)]
        return list(dict.fromkeys((self.public, self.pair, self.cluster, self.function)))


def public_names(deployment: Deployment) -> PublicNames | None:
    """None for a deployment without a domain."""
    domain, zone = deployment.domain, deployment.hosted_zone_id
    if domain is None or zone is None:
        return None
    two = deployment.recovery is not None
    return PublicNames(
        zone=zone,
        public=domain,
        pair=f"primary.{domain}" if two else domain,
        cluster=f"eks.{domain}",
        function=f"lambda.{domain}",
        recovery=f"recovery.{domain}" if two else None,
    )


class Probe(Construct):
    """Asks a name over HTTPS, from all over the world, whether it can serve requests."""

    def __init__(self, scope: Construct, id_: str, *, name: str, label: str) -> None:
        super().__init__(scope, id_)
        check = route53.CfnHealthCheck(
            self,
            "Check",
            health_check_config=route53.CfnHealthCheck.HealthCheckConfigProperty(
                type="HTTPS",
                fully_qualified_domain_name=name,
                port=443,
                resource_path="/health/ready",
                enable_sni=True,
                request_interval=PROBE_SECONDS,
                failure_threshold=FAILED_PROBES,
            ),
            health_check_tags=[_named(label)],
        )
        self.health_check_id: str = check.attr_health_check_id


class RegionSwitch(Construct):
    """The alarm in the *second* region that keeps the first one off after a promotion.

    One call there switches: `PutMetricData` of `SWITCH_METRIC` in the namespace
    `switch_namespace()`, 1 for off (`user-api failover`) and 0 for on (`user-api failback`). The
    Route 53 API is served from us-east-1 alone, which may be what has failed; this call is not.
    """

    def __init__(self, scope: Construct, id_: str, *, deployment: Deployment) -> None:
        super().__init__(scope, id_)
        cloudwatch.Alarm(
            self,
            "Alarm",
            alarm_name=switch_name(deployment),
            alarm_description=(
                "The first region is switched off: its database is stale until the failback."
            ),
            metric=cloudwatch.Metric(
                namespace=switch_namespace(deployment),
                metric_name=SWITCH_METRIC,
                statistic="Maximum",
                period=Duration.minutes(1),
            ),
            evaluation_periods=1,
            threshold=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.MISSING,
        )


class Latch(Construct):
    """The health check that follows the switch, and holds its last position without data.

    The position is not in the template, so that no deployment can reset it.
    """

    def __init__(self, scope: Construct, id_: str, *, deployment: Deployment, region: str) -> None:
        super().__init__(scope, id_)
        check = route53.CfnHealthCheck(
            self,
            "Check",
            health_check_config=route53.CfnHealthCheck.HealthCheckConfigProperty(
                type="CLOUDWATCH_METRIC",
                alarm_identifier=route53.CfnHealthCheck.AlarmIdentifierProperty(
                    name=switch_name(deployment), region=region
                ),
                insufficient_data_health_status="LastKnownStatus",
            ),
            health_check_tags=[_named(switch_name(deployment))],
        )
        self.health_check_id: str = check.attr_health_check_id


class AliasRecord(Construct):
    """An A record that follows a load balancer, or another record of the zone."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        names: PublicNames,
        name: str,
        target: elbv2.ApplicationLoadBalancer | str,
        failover: str | None = None,
        set_identifier: str | None = None,
        health_check_id: str | None = None,
        follows_health: bool = False,
    ) -> None:
        super().__init__(scope, id_)
        if isinstance(target, str):
            alias_name, alias_zone = target, names.zone
        else:
            alias_name = target.load_balancer_dns_name
            alias_zone = target.load_balancer_canonical_hosted_zone_id
        route53.CfnRecordSet(
            self,
            "Record",
            hosted_zone_id=names.zone,
            name=f"{name}.",
            type="A",
            alias_target=route53.CfnRecordSet.AliasTargetProperty(
                dns_name=alias_name,
                hosted_zone_id=alias_zone,
                evaluate_target_health=follows_health,
            ),
            failover=failover,
            set_identifier=set_identifier,
            health_check_id=health_check_id,
        )


def switch_name(deployment: Deployment) -> str:
    """The name of the switch's alarm, known in both regions."""
    return deployment.name("primary-region-off")


def switch_namespace(deployment: Deployment) -> str:
    """The CloudWatch namespace of the switch's metric, which only the command may write to."""
    return f"user-api/{deployment.environment.name}/failover"


def _named(label: str) -> route53.CfnHealthCheck.HealthCheckTagProperty:
    return route53.CfnHealthCheck.HealthCheckTagProperty(key="Name", value=label)
