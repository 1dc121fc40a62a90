"""Replication of buckets to those of the recovery region, which are known by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.keys import data_key_alias


class Replication(Construct):
    """The role that S3 copies with, and the rule of each bucket.

    The buckets and the data key of the recovery region have to be there first: S3 refuses a rule
    whose destination it cannot find.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        recovery: Site,
        key: kms.IKey,
        purposes: Sequence[str],
    ) -> None:
        super().__init__(scope, id_)
        self._deployment = deployment
        self._recovery = recovery
        self._alias_arn = (
            f"arn:aws:kms:{recovery.region}:{deployment.account}:{data_key_alias(deployment)}"
        )
        sources = [
            f"arn:aws:s3:::{deployment.bucket_name(purpose, deployment.primary)}"
            for purpose in purposes
        ]
        self._role = iam.Role(
            self,
            "Role",
            description="Copies objects to the recovery region",
            assumed_by=iam.ServicePrincipal(
                "s3.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": deployment.account}},
            ),
        )
        self._allow(
            ["s3:GetReplicationConfiguration", "s3:ListBucket"],
            sources,
        )
        self._allow(
            [
                "s3:GetObjectVersionForReplication",
                "s3:GetObjectVersionAcl",
                "s3:GetObjectVersionTagging",
                "s3:GetObjectRetention",
                "s3:GetObjectLegalHold",
            ],
            [f"{source}/*" for source in sources],
        )
        self._allow(
            ["s3:ReplicateObject", "s3:ReplicateTags"],
            [f"{self._destination(purpose)}/*" for purpose in purposes],
        )
        self._allow(["kms:Decrypt"], [key.key_arn])
        # A key of another region is known by its alias only, which is a condition and no resource.
        self._role.add_to_policy(
            iam.PolicyStatement(
                actions=["kms:Encrypt", "kms:GenerateDataKey"],
                resources=[f"arn:aws:kms:{recovery.region}:{deployment.account}:key/*"],
                conditions={
                    "ForAnyValue:StringEquals": {"kms:ResourceAliases": data_key_alias(deployment)},
                    "StringEquals": {"kms:ViaService": f"s3.{recovery.region}.amazonaws.com"},
                },
            )
        )

    def apply(self, bucket: s3.Bucket, purpose: str) -> None:
        resource = cast(s3.CfnBucket, bucket.node.default_child)
        of = s3.CfnBucket
        resource.replication_configuration = of.ReplicationConfigurationProperty(
            role=self._role.role_arn,
            rules=[
                of.ReplicationRuleProperty(
                    id="recovery",
                    status="Enabled",
                    priority=1,
                    filter=of.ReplicationRuleFilterProperty(prefix=""),
                    # A deletion here, by mistake or not, is none there.
                    delete_marker_replication=of.DeleteMarkerReplicationProperty(status="Disabled"),
                    source_selection_criteria=of.SourceSelectionCriteriaProperty(
                        sse_kms_encrypted_objects=of.SseKmsEncryptedObjectsProperty(
                            status="Enabled"
                        )
                    ),
                    destination=of.ReplicationDestinationProperty(
                        bucket=self._destination(purpose),
                        storage_class="STANDARD",
                        encryption_configuration=of.EncryptionConfigurationProperty(
                            replica_kms_key_id=self._alias_arn
                        ),
                        # Within 15 minutes, and measured.
                        metrics=of.MetricsProperty(
                            status="Enabled", event_threshold=_quarter_of_an_hour()
                        ),
                        replication_time=of.ReplicationTimeProperty(
                            status="Enabled", time=_quarter_of_an_hour()
                        ),
                    ),
                )
            ],
        )

    def _destination(self, purpose: str) -> str:
        return f"arn:aws:s3:::{self._deployment.bucket_name(purpose, self._recovery)}"

    def _allow(self, actions: Sequence[str], resources: Sequence[str]) -> None:
        self._role.add_to_policy(
            iam.PolicyStatement(actions=list(actions), resources=list(resources))
        )


def _quarter_of_an_hour() -> s3.CfnBucket.ReplicationTimeValueProperty:
    return s3.CfnBucket.ReplicationTimeValueProperty(minutes=15)
