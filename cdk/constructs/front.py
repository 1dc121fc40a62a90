"""The load balancer in front of the function."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_elasticloadbalancingv2_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.network import APPLICATION, PUBLIC

ACCESS_LOG_PREFIX = "load-balancer"


class Front(Construct):
    """Public over HTTPS with a certificate; without one, internal over HTTP and for the VPC alone.

    A load balancer and not an HTTP API, since WAF cannot guard that one (docs/decisions).
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        vpc: ec2.IVpc,
        certificate: acm.ICertificate | None,
        web_acl_arn: str,
        access_logs: s3.IBucket,
    ) -> None:
        super().__init__(scope, id_)
        name = deployment.name(f"{site.part}front")
        self._public = certificate is not None
        self._certificate = certificate
        self.security_group = self._own_security_group(name, vpc, site.network.cidr)
        self.load_balancer = elbv2.ApplicationLoadBalancer(
            self,
            "LoadBalancer",
            load_balancer_name=deployment.name(f"{site.part}lambda"),
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(
                subnet_group_name=PUBLIC if self._public else APPLICATION
            ),
            internet_facing=self._public,
            security_group=self.security_group,
            drop_invalid_header_fields=True,
            desync_mitigation_mode=elbv2.DesyncMitigationMode.STRICTEST,
            deletion_protection=deployment.environment.guarded,
            # A job is no request; a request has 5 s, and its function's start comes on top.
            idle_timeout=Duration.seconds(60),
        )
        self.load_balancer.log_access_logs(access_logs, f"{ACCESS_LOG_PREFIX}/{site.part}lambda")
        wafv2.CfnWebACLAssociation(
            self,
            "WebAcl",
            resource_arn=self.load_balancer.load_balancer_arn,
            web_acl_arn=web_acl_arn,
        )

    def forward_to(self, alias: lambda_.Alias) -> None:
        """Sends every request to `alias`."""
        group = elbv2.ApplicationTargetGroup(
            self,
            "Target",
            target_type=elbv2.TargetType.LAMBDA,
            targets=[targets.LambdaTarget(alias)],
            # Without it a second cookie or a second header of one name would be lost.
            multi_value_headers_enabled=True,
            health_check=elbv2.HealthCheck(
                enabled=True,
                path="/health/ready",
                healthy_http_codes="200",
                # Each is an invocation; failover hangs on Route 53's probes and not on these.
                interval=Duration.seconds(60),
                timeout=Duration.seconds(15),
            ),
        )
        self._admit_own_account(alias)
        if self._certificate is None:
            self.load_balancer.add_listener(
                "Http",
                port=80,
                protocol=elbv2.ApplicationProtocol.HTTP,
                open=False,
                default_target_groups=[group],
            )
            return
        self.load_balancer.add_listener(
            "Https",
            port=443,
            protocol=elbv2.ApplicationProtocol.HTTPS,
            certificates=[elbv2.ListenerCertificate.from_certificate_manager(self._certificate)],
            ssl_policy=elbv2.SslPolicy.TLS13_12_RES_PQ,
            open=False,
            default_target_groups=[group],
        )
        self.load_balancer.add_listener(
            "Redirect",
            port=80,
            protocol=elbv2.ApplicationProtocol.HTTP,
            open=False,
            default_action=elbv2.ListenerAction.redirect(
                protocol="HTTPS", port="443", permanent=True
            ),
        )

    def _admit_own_account(self, alias: lambda_.Alias) -> None:
        """The library lets every load balancer of AWS in: here only those of this account."""
        for permission in alias.node.find_all():
            if isinstance(permission, lambda_.CfnPermission):
                permission.source_account = Stack.of(self).account

    def _own_security_group(self, name: str, vpc: ec2.IVpc, cidr: str) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=vpc,
            security_group_name=name,
            description="The load balancer of the API on Lambda",
            allow_all_outbound=False,
        )
        if self._public:
            group.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "HTTPS from anywhere")
            group.add_ingress_rule(
                ec2.Peer.any_ipv4(), ec2.Port.tcp(80), "HTTP, to be redirected to HTTPS"
            )
        else:
            group.add_ingress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(80), "HTTP from the VPC")
        return group
