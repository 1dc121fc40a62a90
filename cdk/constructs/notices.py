"""Where everything that happens in a region is told: one topic, encrypted, and who hears it."""

from __future__ import annotations

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from cdk.config.deployment import Deployment, Site

DATABASE_EVENTS = (
    "availability",
    "deletion",
    "failover",
    "failure",
    "low storage",
    "maintenance",
    "recovery",
    "read replica",
)
_PUBLISHERS = (
    "cloudwatch.amazonaws.com",
    "budgets.amazonaws.com",
    "events.rds.amazonaws.com",
)
_JOBS = {
    "BackupFailed": ("Backup Job State Change", "backupVaultArn"),
    "CopyFailed": ("Copy Job State Change", "sourceBackupVaultArn"),
}


class Notices(Construct):
    """The topic of a site's alarms, with `key` that its publishers may use.

    The key also encrypts what the site's observability stores. In an environment without alarm
    targets nobody is subscribed, and the topic is there to be subscribed to by hand.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        removal: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id_)
        self._deployment = deployment
        self._site = site
        self.key = kms.Key(
            self,
            "Key",
            alias=f"alias/{deployment.name(f'{site.part}observability')}",
            description="Alarms, archived logs on their way, and the trail",
            enable_key_rotation=True,
            removal_policy=removal,
        )
        self.topic = sns.Topic(
            self,
            "Topic",
            topic_name=deployment.name(f"{site.part}alarms"),
            master_key=self.key,
            enforce_ssl=True,
        )
        for service in _PUBLISHERS:
            self._admit(service)
        self.policy = self.topic.node.find_child("Policy")
        for target in deployment.alarm_targets:
            self.topic.add_subscription(_subscription(target))

    def follow_database(self, identifier: str) -> None:
        """Tells of failovers, restarts, a full disk: what a metric shows late or not at all."""
        rds.CfnEventSubscription(
            self,
            "DatabaseEvents",
            sns_topic_arn=self.topic.topic_arn,
            source_type="db-instance",
            source_ids=[identifier],
            event_categories=list(DATABASE_EVENTS),
            subscription_name=self._deployment.name(f"{self._site.part}database-events"),
        ).node.add_dependency(self.policy)

    def follow_backups(self, vault_name: str) -> None:
        """Tells of a backup that failed, and of a copy of one that did not reach its vault."""
        vault = Stack.of(self).format_arn(
            service="backup",
            resource="backup-vault",
            resource_name=vault_name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        role = iam.Role(
            self,
            "BackupEventsRole",
            description="EventBridge tells the alarm topic of failed backups",
            assumed_by=iam.ServicePrincipal(
                "events.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": self._deployment.account}},
            ),
        )
        for action, resource in (
            ("sns:Publish", self.topic.topic_arn),
            ("kms:Decrypt", self.key.key_arn),
            ("kms:GenerateDataKey", self.key.key_arn),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=[action], resources=[resource]))
        for name, (kind, field) in _JOBS.items():
            events.CfnRule(
                self,
                name,
                name=self._deployment.name(f"{self._site.part}{kind.split()[0].lower()}-jobs"),
                description=f"{kind}: not completed",
                event_pattern={
                    "source": ["aws.backup"],
                    "detail-type": [kind],
                    "detail": {
                        "state": ["FAILED", "ABORTED", "EXPIRED", "PARTIAL"],
                        field: [vault],
                    },
                },
                targets=[
                    events.CfnRule.TargetProperty(
                        id="Topic", arn=self.topic.topic_arn, role_arn=role.role_arn
                    )
                ],
            )

    def _admit(self, service: str) -> None:
        own = {"StringEquals": {"aws:SourceAccount": self._deployment.account}}
        principal = iam.ServicePrincipal(service)
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[principal],
                resources=[self.topic.topic_arn],
                conditions=own,
            )
        )
        # In the policy of a key `*` is the key itself.
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                principals=[principal],
                resources=["*"],
                conditions=own,
            )
        )


def _subscription(target: str) -> sns.ITopicSubscription:
    if target.startswith("https://"):
        return subscriptions.UrlSubscription(target, protocol=sns.SubscriptionProtocol.HTTPS)
    return subscriptions.EmailSubscription(target)
