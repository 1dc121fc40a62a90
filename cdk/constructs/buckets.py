"""Buckets of one site: encrypted, private, over TLS only, and copied to the recovery region."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.bucket_replication import Replication

REPLICATED = ("assets", "backups", "seals", "ledger")
"""What the recovery region has a copy of; each site has logs of its own."""


@dataclass(frozen=True, kw_only=True)
class _Keep:
    """Days: locked against everybody, and until an object or an old version of it goes."""

    locked: int = 0
    objects: int | None = None
    old_versions: int | None = 30


class Buckets(Construct):
    """`assets`, `backups`, `logs`, `seals` (of the audit) and `ledger` (of erasures).

    `logs` is encrypted by S3's own key, because load balancers and S3's access logs, which go
    there, cannot use one of ours.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        key: kms.IKey,
        removal: RemovalPolicy,
        replicate: bool,
    ) -> None:
        super().__init__(scope, id_)
        self._deployment = deployment
        self._site = site
        self._key = key
        self._removal = removal
        guarded = deployment.environment.guarded
        recovery = deployment.recovery if replicate else None
        self._replication: Replication | None = None
        if recovery is not None:
            self._replication = Replication(
                self,
                "Replication",
                deployment=deployment,
                recovery=recovery,
                key=key,
                purposes=REPLICATED,
            )
        locked = 400 if guarded else 1
        self.logs: s3.Bucket = self._logs(days=400 if guarded else 30)
        self.assets = self._bucket("assets", _Keep())
        self.backups = self._bucket(
            "backups", _Keep(objects=deployment.environment.database.backup_days)
        )
        self.seals = self._bucket("seals", _Keep(locked=locked, old_versions=None))
        self.ledger = self._bucket("ledger", _Keep(locked=locked, old_versions=None))

    def _logs(self, *, days: int) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Logs",
            bucket_name=self._deployment.bucket_name("logs", self._site),
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="archive",
                    transitions=[
                        s3.Transition(
                            storage_class=s3.StorageClass.GLACIER,
                            transition_after=Duration.days(7),
                        )
                    ],
                    expiration=Duration.days(days),
                    noncurrent_version_expiration=Duration.days(7),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
            removal_policy=self._removal,
        )

    def _bucket(self, purpose: str, keep: _Keep) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            purpose.capitalize(),
            bucket_name=self._deployment.bucket_name(purpose, self._site),
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self._key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            object_lock_enabled=keep.locked > 0 or None,
            object_lock_default_retention=self._retention(keep.locked),
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="tidy",
                    expiration=Duration.days(keep.objects) if keep.objects else None,
                    noncurrent_version_expiration=(
                        Duration.days(keep.old_versions) if keep.old_versions else None
                    ),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
            server_access_logs_bucket=self.logs,
            server_access_logs_prefix=f"access/{purpose}/",
            removal_policy=self._removal,
        )
        if self._replication is not None and purpose in REPLICATED:
            self._replication.apply(bucket, purpose)
        return bucket

    def _retention(self, days: int) -> s3.ObjectLockRetention | None:
        if not days:
            return None
        lock = (
            s3.ObjectLockRetention.compliance
            if self._deployment.environment.guarded
            else s3.ObjectLockRetention.governance
        )
        return lock(Duration.days(days))
