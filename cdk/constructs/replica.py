"""The read replica of PostgreSQL in the recovery region."""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.config.model import ConfigurationError
from cdk.constructs.access import POSTGRES_PORT
from cdk.constructs.monitoring_role import monitoring_role
from cdk.constructs.network import DATA, Network
from cdk.constructs.postgres import (
    APPLICATION_SECRET,
    LOG_EXPORTS,
    MONITORING_SECONDS,
    allow,
    instance_name,
    log_groups,
    parameters,
    security_group,
)
from cdk.constructs.secrets import replicated_secret


class Replica(Construct):
    """The recovery region's copy, read only until it is promoted. Without a proxy: RDS Proxy takes
    no replica. It cannot change the owner's password, so it has no `owner_secret`."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        network: Network,
        key: kms.IKey,
        removal: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id_)
        recovery = deployment.environment.recovery
        if recovery is None:
            raise ConfigurationError(f"{deployment.environment.name} has no recovery region")
        self.port = POSTGRES_PORT
        self.identifier = instance_name(deployment, site)
        self.owner_secret: None = None
        self.secret = replicated_secret(
            self, "ApplicationSecret", *APPLICATION_SECRET, deployment=deployment, key=key
        )
        self.security_group: ec2.ISecurityGroup = security_group(
            self, "InstanceSecurityGroup", network.vpc
        )
        it, source = deployment.environment.database, deployment.primary
        subnet_group = rds.SubnetGroup(
            self,
            "SubnetGroup",
            description="Data subnets",
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name=DATA),
        )
        group = parameters(self, it.engine_version, recovery.database_connections, removal)
        # The L2 of a replica wants the source as an object, which another region has not.
        instance = rds.CfnDBInstance(
            self,
            "Resource",
            db_instance_identifier=self.identifier,
            source_db_instance_identifier=Stack.of(self).format_arn(
                service="rds",
                region=source.region,
                resource=f"db:{instance_name(deployment, source)}",
            ),
            source_region=source.region,
            db_instance_class=f"db.{recovery.database_instance_class}",
            # No StorageEncrypted: the replica takes it from its source, with a key of its region.
            kms_key_id=key.key_arn,
            storage_type="gp3",
            max_allocated_storage=it.max_storage,
            db_parameter_group_name=group.bind_to_instance().parameter_group_name,
            db_subnet_group_name=subnet_group.subnet_group_name,
            vpc_security_groups=[self.security_group.security_group_id],
            port=str(self.port),
            ca_certificate_identifier=rds.CaCertificate.RDS_CA_RSA2048_G1.to_string(),
            publicly_accessible=False,
            # Kept while it is a replica, so that it has them once it is the primary.
            backup_retention_period=it.backup_days,
            preferred_backup_window=it.backup_window,
            preferred_maintenance_window=it.maintenance_window,
            delete_automated_backups=False,
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=False,
            enable_performance_insights=True,
            performance_insights_kms_key_id=key.key_arn,
            performance_insights_retention_period=7,
            monitoring_interval=MONITORING_SECONDS,
            monitoring_role_arn=monitoring_role(self).role_arn,
            enable_cloudwatch_logs_exports=list(LOG_EXPORTS),
            deletion_protection=True,
        )
        # RDS takes no final snapshot of a replica.
        instance.apply_removal_policy(RemovalPolicy.RETAIN)
        groups = log_groups(
            self, deployment=deployment, network=network, name=self.identifier, removal=removal
        )
        instance.node.add_dependency(*groups)
        self.host = instance.attr_endpoint_address
        self.instance = rds.DatabaseInstance.from_database_instance_attributes(
            self,
            "Instance",
            instance_identifier=instance.ref,
            instance_endpoint_address=self.host,
            port=self.port,
            security_groups=[self.security_group],
        )

    def allow_from(self, peer: ec2.IConnectable, why: str) -> None:
        allow(peer, self.security_group, why)
