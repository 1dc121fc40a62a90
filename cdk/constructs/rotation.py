"""Rotation of the login that the service has at the database."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.config.deployment import Deployment
from cdk.constructs.lambda_package import lambda_package
from cdk.constructs.lambda_role import function_role
from cdk.constructs.network import APPLICATION, Network
from cdk.constructs.postgres import Database
from cdk.constructs.retention import retention

HANDLER = "handler.aws.rotation.lambda_handler"

ROTATION_DAYS = 30


class LoginRotation(Construct):
    """A function that gives the two logins of the service new passwords in turn, and its schedule.

    It talks to the database itself: a proxy lets in only logins whose secret it has, and the new
    one's is pending.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        network: Network,
        database: Database,
    ) -> None:
        super().__init__(scope, id_)
        name, vpc = deployment.name("rotation"), network.vpc
        self.security_group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=vpc,
            security_group_name=name,
            description="Rotation of the login at the database",
            allow_all_outbound=False,
        )
        self.security_group.add_egress_rule(
            ec2.Peer.ipv4(vpc.vpc_cidr_block), ec2.Port.tcp(443), "Endpoint of Secrets Manager"
        )
        database.allow_owner_from(self.security_group, "Rotation of the login")
        log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/lambda/{name}",
            encryption_key=network.logs_key,
            retention=retention(deployment),
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = function_role(
            self,
            "Role",
            name=name,
            description="What the rotation of the database's login may do",
            log_group=log_group,
        )
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            description="Gives the login at the database a new password",
            code=lambda_package(self, deployment),
            handler=HANDLER,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.X86_64,
            memory_size=512,
            # A step asks Secrets Manager at most five times and connects twice, each with its own
            # deadline; this is more than all of them.
            timeout=Duration.seconds(90),
            role=self.role,
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name=APPLICATION),
            security_groups=[self.security_group],
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE,
            environment={
                "MIGRATION_DATABASE_SECRET_ARN": database.owner_secret.secret_arn,
            },
        )
        database.owner_secret.grant_read(self.role)
        # This also lets Secrets Manager call the function, and the function change the secret.
        database.secret.add_rotation_schedule(
            "Rotation",
            rotation_lambda=self.function,
            automatically_after=Duration.days(ROTATION_DAYS),
        )
        for permission in self.function.node.find_all():
            if isinstance(permission, lambda_.CfnPermission):
                # Or another account's Secrets Manager could call it too.
                permission.source_account = deployment.account
