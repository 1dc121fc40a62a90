"""Alarms, dashboards, log archive, trail and budget."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs import metrics as measured
from cdk.constructs.alarms import Alarms
from cdk.constructs.backups import vault_name
from cdk.constructs.budget import MonthlyBudget
from cdk.constructs.dashboards import EnvironmentDashboard
from cdk.constructs.log_archive import LogArchive
from cdk.constructs.notices import Notices
from cdk.constructs.trail import AuditTrail
from cdk.stacks.cluster import ClusterStack
from cdk.stacks.data import DataStack
from cdk.stacks.dr_data import RecoveryDataStack
from cdk.stacks.edge import EdgeStack
from cdk.stacks.fallback import FallbackStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.regional import RegionalStack

WATCHED_BUCKETS = ("seals", "ledger")
"""Whose objects the trail follows: the proof of what happened, and what was erased."""


class ObservabilityStack(RegionalStack):
    """What a region tells of itself, and to whom.

    The first region also has the trail of the account, its budget and the dashboard. The second
    has no cluster, and a replica whose lag is watched from there.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        site: Site,
        network: NetworkStack,
        data: DataStack | RecoveryDataStack,
        cluster: ClusterStack | None,
        edge: EdgeStack,
        fallback: FallbackStack,
    ) -> None:
        super().__init__(
            scope,
            deployment=deployment,
            site=site,
            purpose="observability",
            about="Alarms, dashboards, log archive, trail and budget",
        )
        self.notices = Notices(
            self, "Notices", deployment=deployment, site=site, removal=self.removal
        )
        self.notices.follow_database(data.database.identifier)
        archive = self._archive(network, data, cluster, fallback)
        metrics: dict[str, cloudwatch.IMetric] = {
            **self._data_metrics(data),
            **self._request_metrics(edge, fallback),
            **measured.gateway_metrics(_gateways(network.vpc)),
            **measured.delivery_metrics(archive.stream_names),
        }
        if edge.mail is not None:
            metrics |= measured.mail_metrics()
        if cluster is not None:
            metrics |= measured.cluster_metrics(cluster.cluster.cluster_name)
        alarms = Alarms(
            self,
            "Alarms",
            deployment=deployment,
            site=site,
            metrics=metrics,
            topic=self.notices.topic,
        )
        if not site.part:
            self._add_account(data.buckets.logs, metrics, alarms.all)

    def _archive(
        self,
        network: NetworkStack,
        data: DataStack | RecoveryDataStack,
        cluster: ClusterStack | None,
        fallback: FallbackStack,
    ) -> LogArchive:
        groups: dict[str, logs.ILogGroup] = {"function": fallback.log_group}
        if cluster is not None:
            groups["cluster"] = cluster.kubernetes.control_plane_logs
            groups["application"] = cluster.application_logs
        return LogArchive(
            self,
            "LogArchive",
            deployment=self.deployment,
            site=self.site,
            groups=groups,
            bucket=data.buckets.logs,
            key=self.notices.key,
            logs_key=network.logs_key,
        )

    def _data_metrics(self, data: DataStack | RecoveryDataStack) -> measured.Metrics:
        environment = self.deployment.environment
        identifier = data.database.identifier
        recovery = environment.recovery if self.site.part else None
        found = dict(
            measured.database_metrics(
                identifier,
                instance_class=(
                    environment.database.instance_class
                    if recovery is None
                    else recovery.database_instance_class
                ),
                storage_gib=environment.database.allocated_storage,
                connections=self._connections,
            )
        )
        if recovery is not None:
            found |= measured.replica_metrics(identifier)
        if data.cache is not None:
            found |= measured.cache_metrics(
                str(data.cache.group.replication_group_id), environment.cache
            )
        return found

    def _request_metrics(self, edge: EdgeStack, fallback: FallbackStack) -> measured.Metrics:
        timeout = fallback.function.timeout
        queues: list[sqs.IQueue] = [fallback.schedules.failed]
        if edge.mail is not None and edge.mail.events_queue.dead_letter_queue is not None:
            queues.append(edge.mail.events_queue.dead_letter_queue.queue)
        found = {
            **measured.function_metrics(
                fallback.function.function_name,
                timeout_seconds=30 if timeout is None else timeout.to_seconds(),
                concurrency=self.site.fallback.reserved_concurrency or self._connections,
            ),
            **measured.load_balancer_metrics(fallback.load_balancer.load_balancer_full_name),
            **measured.queue_metrics([queue.queue_name for queue in queues]),
            **measured.web_acl_metrics(edge.web_acl.name, self.site.region),
        }
        for kind, check in (
            ("cluster", edge.health_check_id),
            ("function", edge.function_health_check_id),
        ):
            if check is not None:
                found |= measured.health_metrics(kind, check)
        return found

    @property
    def _connections(self) -> int:
        recovery = self.deployment.environment.recovery
        if self.site.part and recovery is not None:
            return recovery.database_connections
        return self.deployment.environment.database.connections

    def _add_account(
        self,
        access_logs: s3.Bucket,
        metrics: measured.Metrics,
        alarms: Sequence[cloudwatch.IAlarm],
    ) -> None:
        deployment = self.deployment
        sites = [site for site in (deployment.primary, deployment.recovery) if site is not None]
        AuditTrail(
            self,
            "Trail",
            deployment=deployment,
            site=self.site,
            watched=[
                deployment.bucket_name(purpose, site)
                for site in sites
                for purpose in WATCHED_BUCKETS
            ],
            key=self.notices.key,
            access_logs=access_logs,
            removal=self.removal,
        )
        self.notices.follow_backups(vault_name(deployment, self.site))
        MonthlyBudget(self, "Budget", deployment=deployment, notices=self.notices)
        EnvironmentDashboard(
            self,
            "Dashboard",
            deployment=deployment,
            site=self.site,
            metrics=metrics,
            alarms=alarms,
        )


def _gateways(vpc: ec2.IVpc) -> list[str]:
    return [
        node.attr_nat_gateway_id
        for node in vpc.node.find_all()
        if isinstance(node, ec2.CfnNatGateway)
    ]
