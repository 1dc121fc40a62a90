"""Redis on ElastiCache: limits and caches, which may be lost."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.config.deployment import Deployment
from cdk.constructs.access import REDIS_PORT
from cdk.constructs.network import DATA, Network, subnets
from cdk.constructs.retention import retention
from cdk.constructs.secrets import Secrets, reference

CACHE_SECRET = ("cache",)
_TOKEN_SECRET = ("cache-token",)


class Cache(Construct):
    """One shard with its replicas, TLS and a token; in cluster mode where configured.

    `secret` is JSON: `url` (the setting REDIS_URL), `auth_token`, `host`, `port` and `cluster`.
    `group_id` names it in metrics; `endpoint` is the host: the configuration endpoint in cluster
    mode, else the primary's.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        network: Network,
        key: kms.IKey,
        secrets: Secrets,
        removal: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id_)
        self.port = REDIS_PORT
        self.security_group: ec2.ISecurityGroup = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=network.vpc,
            description="Redis, for those that are named",
            allow_all_outbound=False,
        )
        token = secrets.generated(
            "Token", *_TOKEN_SECRET, about="AUTH token of Redis", field="auth_token"
        )
        self.group = self._group(deployment, network, key, removal)
        self.group.node.add_dependency(token)
        self.group_id = self.group.ref
        clustered = deployment.environment.cache.cluster_mode
        self.endpoint = (
            self.group.attr_configuration_end_point_address
            if clustered
            else self.group.attr_primary_end_point_address
        )
        auth = _token(deployment)
        self.secret: secretsmanager.ISecret = secrets.composed(
            "CacheSecret",
            *CACHE_SECRET,
            about="How to reach Redis",
            fields={
                "url": f"rediss://:{auth}@{self.endpoint}:{self.port}"
                + ("?cluster=true" if clustered else ""),
                "auth_token": auth,
                "host": self.endpoint,
                "port": self.port,
                "cluster": clustered,
            },
        )

    def allow_from(self, peer: ec2.IConnectable, why: str) -> None:
        # From the peer's side, so that the rule belongs to the stack that is deployed later.
        peer.connections.allow_to(self.security_group, ec2.Port.tcp(self.port), why)

    def _group(
        self,
        deployment: Deployment,
        network: Network,
        key: kms.IKey,
        removal: RemovalPolicy,
    ) -> elasticache.CfnReplicationGroup:
        it, guarded = deployment.environment.cache, deployment.environment.guarded
        name = deployment.name("cache")
        slow = logs.LogGroup(
            self,
            "SlowLog",
            log_group_name=f"/aws/elasticache/{name}/slow-log",
            encryption_key=network.logs_key,
            retention=retention(deployment),
            removal_policy=removal,
        )
        subnet_group = elasticache.CfnSubnetGroup(
            self,
            "SubnetGroup",
            cache_subnet_group_name=name,
            description="Data subnets",
            subnet_ids=[subnet.subnet_id for subnet in subnets(network.vpc, DATA)],
        )
        family = f"default.redis{it.engine_version.split('.', 1)[0]}"
        group = elasticache.CfnReplicationGroup(
            self,
            "Group",
            replication_group_id=name,
            replication_group_description="Limits and caches of user-api",
            engine="redis",
            engine_version=it.engine_version,
            cache_node_type=it.node_type,
            num_node_groups=1,
            replicas_per_node_group=it.replicas,
            cache_parameter_group_name=family + (".cluster.on" if it.cluster_mode else ""),
            automatic_failover_enabled=it.replicas > 0,
            multi_az_enabled=it.replicas > 0,
            cache_subnet_group_name=subnet_group.cache_subnet_group_name,
            security_group_ids=[self.security_group.security_group_id],
            port=self.port,
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            auth_token=_token(deployment),
            at_rest_encryption_enabled=True,
            kms_key_id=key.key_arn,
            snapshot_retention_limit=7 if guarded else 1,
            snapshot_window="02:00-03:00",
            preferred_maintenance_window="sun:05:30-sun:06:30",
            auto_minor_version_upgrade=False,
            log_delivery_configurations=[
                elasticache.CfnReplicationGroup.LogDeliveryConfigurationRequestProperty(
                    destination_type="cloudwatch-logs",
                    destination_details=elasticache.CfnReplicationGroup.DestinationDetailsProperty(
                        cloud_watch_logs_details=(
                            elasticache.CfnReplicationGroup.CloudWatchLogsDestinationDetailsProperty(
                                log_group=slow.log_group_name
                            )
                        )
                    ),
                    log_format="json",
                    log_type="slow-log",
                )
            ],
        )
        group.add_resource_dependency(subnet_group)
        return group


def _token(deployment: Deployment) -> str:
    return reference(deployment, *_TOKEN_SECRET, field="auth_token")
