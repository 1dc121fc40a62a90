"""The core on Lambda: the function, what it may do, and whom it may talk to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.lambda_role import function_role
from cdk.constructs.log_group import ForgettingLogGroup

ALIAS = "live"
HANDLER = "handler.aws_lambda.lambda_handler"


class LambdaApi(Construct):
    """One function in the application's subnets; callers name its alias `live`.

    A job may take a minute; a request is bounded by the core's own REQUEST_TIMEOUT of 5 s.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection,
        code: lambda_.Code,
        environment: Mapping[str, str],
        logs_key: kms.IKey,
    ) -> None:
        super().__init__(scope, id_)
        name = deployment.name(f"{site.part}api")
        self.security_group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=vpc,
            security_group_name=name,
            description="The API on Lambda",
            allow_all_outbound=False,
        )
        self.security_group.add_egress_rule(
            ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS endpoints and the breached-password list"
        )
        self.log_group = ForgettingLogGroup(
            self, "Logs", deployment=deployment, name=f"/aws/lambda/{name}", key=logs_key
        )
        self.role = function_role(
            self,
            "Role",
            name=name,
            description="What the API on Lambda may do",
            log_group=self.log_group,
        )
        guarded = deployment.environment.guarded
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            description="The API and its scheduled jobs",
            code=code,
            handler=HANDLER,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.X86_64,
            memory_size=site.fallback.memory_mib,
            timeout=Duration.seconds(60),
            reserved_concurrent_executions=site.fallback.reserved_concurrency,
            role=self.role,
            vpc=vpc,
            vpc_subnets=subnets,
            security_groups=[self.security_group],
            log_group=self.log_group,
            tracing=lambda_.Tracing.ACTIVE,
            environment=dict(environment),
            # An earlier version is what the alias goes back to.
            current_version_options=lambda_.VersionOptions(
                removal_policy=RemovalPolicy.RETAIN if guarded else RemovalPolicy.DESTROY
            ),
        )
        self.alias = lambda_.Alias(
            self, "Live", alias_name=ALIAS, version=self.function.current_version
        )

    def connect_to(self, id_: str, group: ec2.ISecurityGroup, port: int, what: str) -> None:
        """Opens `port` of `group` to the function, both ends of it described in this stack.

        The group's own stack must not name this one, which depends on it.
        """
        ec2.CfnSecurityGroupEgress(
            self,
            f"To{id_}",
            group_id=self.security_group.security_group_id,
            destination_security_group_id=group.security_group_id,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=what,
        )
        ec2.CfnSecurityGroupIngress(
            self,
            f"{id_}From",
            group_id=group.security_group_id,
            source_security_group_id=self.security_group.security_group_id,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description="The API on Lambda",
        )

    def allow(self, actions: Sequence[str], resources: Sequence[str]) -> None:
        """Lets the function do `actions` on `resources`."""
        self.role.add_to_policy(
            iam.PolicyStatement(actions=list(actions), resources=list(resources))
        )
