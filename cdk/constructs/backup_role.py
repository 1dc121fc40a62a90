"""What AWS Backup may do here: AWS's policies for it, narrowed to what this deployment has.

The managed policies (AWSBackupServiceRolePolicyForBackup, AWSBackupServiceRolePolicyForS3Backup)
reach every table, volume, file system and bucket of the account.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.config.deployment import Deployment
from cdk.constructs.keys import data_key_alias

_BUCKET_ACTIONS = (
    "s3:GetBucketAcl",
    "s3:GetBucketLocation",
    "s3:GetBucketNotification",
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetInventoryConfiguration",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:ListTagsForResource",
    "s3:PutBucketNotification",
    "s3:PutInventoryConfiguration",
)
_OBJECT_ACTIONS = (
    "s3:GetObject",
    "s3:GetObjectAcl",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionTagging",
)
_RULE_ACTIONS = (
    "events:DeleteRule",
    "events:DescribeRule",
    "events:DisableRule",
    "events:EnableRule",
    "events:ListTargetsByRule",
    "events:PutRule",
    "events:PutTargets",
    "events:RemoveTargets",
)
_ACTIONS_WITHOUT_RESOURCE = (
    "cloudwatch:GetMetricData",
    "events:ListRules",
    "s3:ListAllMyBuckets",
    "tag:GetResources",
)


class BackupRole(Construct):
    """Backs up one database and some buckets into `vaults`, of this and of another region."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        database_arn: str,
        buckets: Sequence[s3.IBucket],
        key: kms.IKey,
        vaults: Sequence[str],
    ) -> None:
        super().__init__(scope, id_)
        self._deployment = deployment
        self.role = iam.Role(
            self,
            "Role",
            description="AWS Backup backs up the database and the buckets",
            assumed_by=iam.ServicePrincipal(
                "backup.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": deployment.account}},
            ),
        )
        self._allow_database(database_arn)
        self._allow_buckets(buckets)
        self._allow_vaults(vaults)
        self._allow_keys(key)

    def _allow(
        self,
        actions: Sequence[str],
        resources: Sequence[str],
        conditions: dict[str, dict[str, str]] | None = None,
    ) -> None:
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=list(actions), resources=list(resources), conditions=conditions
            )
        )

    def _allow_database(self, database_arn: str) -> None:
        snapshots = [
            f"arn:aws:rds:{site.region}:{self._deployment.account}:snapshot:awsbackup:*"
            for site in (self._deployment.primary, self._deployment.recovery)
            if site is not None
        ]
        self._allow(
            ["rds:CreateDBSnapshot", "rds:DescribeDBInstances", "rds:ListTagsForResource"],
            [database_arn],
        )
        self._allow(
            [
                "rds:AddTagsToResource",
                "rds:CopyDBSnapshot",
                "rds:CreateDBSnapshot",
                "rds:DeleteDBSnapshot",
                "rds:DescribeDBSnapshots",
                "rds:ListTagsForResource",
            ],
            snapshots,
        )

    def _allow_buckets(self, buckets: Sequence[s3.IBucket]) -> None:
        arns = [bucket.bucket_arn for bucket in buckets]
        self._allow(_BUCKET_ACTIONS, arns)
        self._allow(_OBJECT_ACTIONS, [f"{arn}/*" for arn in arns])
        rule = Stack.of(self).format_arn(
            service="events", resource="rule", resource_name="AwsBackupManagedRule*"
        )
        self._allow(_RULE_ACTIONS, [rule])
        # AWS knows no resource for these.
        self._allow(_ACTIONS_WITHOUT_RESOURCE, ["*"])

    def _allow_vaults(self, vaults: Sequence[str]) -> None:
        self._allow(["backup:CopyIntoBackupVault", "backup:DescribeBackupVault"], vaults)
        points = [
            f"arn:aws:backup:{site.region}:{self._deployment.account}:recovery-point:*"
            for site in (self._deployment.primary, self._deployment.recovery)
            if site is not None
        ]
        self._allow(["backup:TagResource"], points)
        if len(vaults) > 1:
            # Its resource may be a recovery point of any service, a database snapshot too.
            self._allow(["backup:CopyFromBackupVault"], ["*"])

    def _allow_keys(self, key: kms.IKey) -> None:
        self._allow(["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"], [key.key_arn])
        for_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        self._allow(["kms:CreateGrant"], [key.key_arn], for_aws)
        recovery = self._deployment.recovery
        if recovery is None:
            return
        # The other region's key is known by its alias only.
        keys = [f"arn:aws:kms:{recovery.region}:{self._deployment.account}:key/*"]
        alias = {
            "ForAnyValue:StringEquals": {"kms:ResourceAliases": data_key_alias(self._deployment)}
        }
        self._allow(["kms:DescribeKey", "kms:GenerateDataKey"], keys, alias)
        self._allow(["kms:CreateGrant"], keys, {**alias, **for_aws})
