"""PostgreSQL on RDS: the instance, its proxy, its replica, and who may connect."""

from __future__ import annotations

from typing import cast

from aws_cdk import CfnResource, Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.config.server_log import SERVER_LOG, STATEMENT_STATISTICS
from cdk.constructs.access import POSTGRES_PORT
from cdk.constructs.monitoring_role import monitoring_role
from cdk.constructs.network import DATA, Network
from cdk.constructs.retention import retention
from cdk.constructs.secrets import Secrets

DATABASE = "user_api"
OWNER = "user_api_owner"
"""The RDS master: provisions the database, and owns every table that the migrations make."""
LOGIN = "user_api"
"""The first of the two users that the rotation alternates between."""
APPLICATION_SECRET = ("database", "application")
OWNER_SECRET = ("database", "owner")
LOG_EXPORTS = ("postgresql", "upgrade")
MONITORING_SECONDS = 60


def instance_name(deployment: Deployment, site: Site) -> str:
    """Fixed, for the other region names it."""
    return deployment.name(f"{site.part}database")


class Database(Construct):
    """The primary: an instance, and a proxy that the application connects to.

    `secret` and `owner_secret` are JSON as Secrets Manager's rotation expects it (engine, host,
    port, username, password, dbname); their host is the instance, so use `host` for the proxy.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        network: Network,
        key: kms.IKey,
        secrets: Secrets,
        removal: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id_)
        self.port = POSTGRES_PORT
        self.identifier = instance_name(deployment, site)
        owner = secrets.generated(
            "OwnerSecret",
            *OWNER_SECRET,
            about="Login of the database's owner, for migrations",
            field="password",
            fixed={"username": OWNER, "dbname": DATABASE},
        )
        login = secrets.generated(
            "ApplicationSecret",
            *APPLICATION_SECRET,
            about="Login of the application",
            field="password",
            fixed={"username": LOGIN, "dbname": DATABASE},
        )
        self.instance_security_group = security_group(self, "InstanceSecurityGroup", network.vpc)
        self.security_group = security_group(self, "ProxySecurityGroup", network.vpc)
        self.instance: rds.IDatabaseInstance = self._instance(
            deployment, network, key, owner, removal
        )
        self.owner_secret: secretsmanager.ISecret = owner
        login.attach(self.instance)
        self.secret: secretsmanager.ISecret = login
        self.proxy = self._proxy(deployment, network, login)
        self.host = self.proxy.endpoint

    def allow_from(self, peer: ec2.IConnectable, why: str) -> None:
        """The application's way: through the proxy, which knows only the application's login."""
        allow(peer, self.security_group, why)

    def allow_owner_from(self, peer: ec2.IConnectable, why: str) -> None:
        """To the instance itself: for migrations, the rotation and provisioning."""
        allow(peer, self.instance_security_group, why)

    def _instance(
        self,
        deployment: Deployment,
        network: Network,
        key: kms.IKey,
        owner: secretsmanager.Secret,
        removal: RemovalPolicy,
    ) -> rds.DatabaseInstance:
        it, guarded = deployment.environment.database, deployment.environment.guarded
        groups = log_groups(
            self, deployment=deployment, network=network, name=self.identifier, removal=removal
        )
        instance = rds.DatabaseInstance(
            self,
            "Instance",
            instance_identifier=self.identifier,
            engine=_engine(it.engine_version),
            instance_type=ec2.InstanceType(it.instance_class),
            database_name=DATABASE,
            credentials=rds.Credentials.from_secret(owner),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name=DATA),
            security_groups=[self.instance_security_group],
            port=self.port,
            ca_certificate=rds.CaCertificate.RDS_CA_RSA2048_G1,
            publicly_accessible=False,
            multi_az=it.multi_az,
            storage_type=rds.StorageType.GP3,
            allocated_storage=it.allocated_storage,
            max_allocated_storage=it.max_storage,
            storage_encrypted=True,
            storage_encryption_key=key,
            parameter_group=parameters(self, it.engine_version, it.connections, removal),
            backup_retention=Duration.days(it.backup_days),
            preferred_backup_window=it.backup_window,
            preferred_maintenance_window=it.maintenance_window,
            delete_automated_backups=not guarded,
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=False,
            enable_performance_insights=True,
            performance_insight_encryption_key=key,
            monitoring_interval=Duration.seconds(MONITORING_SECONDS),
            monitoring_role=monitoring_role(self),
            cloudwatch_logs_exports=list(LOG_EXPORTS),
            deletion_protection=guarded,
            removal_policy=RemovalPolicy.SNAPSHOT if guarded else RemovalPolicy.DESTROY,
        )
        # RDS makes the groups if they are not there, and keeps what is in them for ever.
        instance.node.add_dependency(*groups)
        return instance

    def _proxy(
        self, deployment: Deployment, network: Network, login: secretsmanager.ISecret
    ) -> rds.DatabaseProxy:
        # It lets itself in at the instance; a second rule for that is one that EC2 refuses.
        proxy = rds.DatabaseProxy(
            self,
            "Proxy",
            db_proxy_name=deployment.name("proxy"),
            proxy_target=rds.ProxyTarget.from_instance(self.instance),
            secrets=[login],
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name=DATA),
            security_groups=[self.security_group],
            require_tls=True,
            iam_auth=False,
            # It would log statements with their values.
            debug_logging=False,
            # The owner, the worker's sessions and RDS itself need the rest.
            max_connections_percent=90,
            # The service gives up after 1 s; a connection that comes later is for nobody.
            borrow_timeout=Duration.seconds(1),
        )
        targets = cast(CfnResource, proxy.node.find_child("ProxyTargetGroup"))
        # The library tags it; the resource's schema knows no tags.
        targets.add_property_deletion_override("Tags")
        return proxy


def log_groups(
    scope: Construct,
    *,
    deployment: Deployment,
    network: Network,
    name: str,
    removal: RemovalPolicy,
) -> list[logs.LogGroup]:
    """Where RDS writes what instance `name` exports."""
    return [
        logs.LogGroup(
            scope,
            f"{kind.capitalize()}Logs",
            log_group_name=f"/aws/rds/instance/{name}/{kind}",
            encryption_key=network.logs_key,
            retention=retention(deployment),
            removal_policy=removal,
        )
        for kind in LOG_EXPORTS
    ]


def _engine(version: str) -> rds.IInstanceEngine:
    return rds.DatabaseInstanceEngine.postgres(
        version=rds.PostgresEngineVersion.of(version, version.split(".", 1)[0])
    )


def parameters(
    scope: Construct, version: str, connections: int, removal: RemovalPolicy
) -> rds.ParameterGroup:
    """TLS only, statistics of statements, and no people's data in the log."""
    return rds.ParameterGroup(
        scope,
        "Parameters",
        engine=_engine(version),
        description="user-api",
        removal_policy=removal,
        parameters={
            "rds.force_ssl": "1",
            "max_connections": str(connections),
            **STATEMENT_STATISTICS,
            **SERVER_LOG,
        },
    )


def security_group(scope: Construct, id_: str, vpc: ec2.IVpc) -> ec2.SecurityGroup:
    """Nobody is in it, and nothing leads out of it."""
    return ec2.SecurityGroup(
        scope,
        id_,
        vpc=vpc,
        description="PostgreSQL, for those that are named",
        allow_all_outbound=False,
    )


def allow(peer: ec2.IConnectable, group: ec2.ISecurityGroup, why: str) -> None:
    """Opens PostgreSQL's port of `group` to `peer`."""
    # From the peer's side, so that the rule belongs to the stack that is deployed later.
    peer.connections.allow_to(group, ec2.Port.tcp(POSTGRES_PORT), why)
