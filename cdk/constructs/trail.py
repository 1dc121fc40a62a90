"""Who did what with the AWS API, kept where those who did it cannot change it unseen."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Acknowledgment, ArnFormat, Duration, RemovalPolicy, Stack, Validations
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.config.deployment import Deployment, Site

KEPT_DAYS = 365
"""Where the environment is guarded; elsewhere as long as logs, at least 7."""

ACCESS_LOGS = "access/trail/"


class AuditTrail(Construct):
    """Management events of all regions, and every touch of the objects in `watched` buckets.

    Digests are signed by CloudTrail, so that a changed or missing file shows
    (`aws cloudtrail validate-logs`). The bucket is the trail's own: the one of logs is read by
    more people, and its rules delete sooner.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        watched: Sequence[str],
        key: kms.Key,
        access_logs: s3.Bucket,
        removal: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id_)
        name = deployment.name("trail")
        guarded = deployment.environment.guarded
        days = KEPT_DAYS if guarded else max(7, deployment.environment.logs.retention_days)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name=deployment.bucket_name("trail", site),
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            server_access_logs_bucket=s3.Bucket.from_bucket_name(
                self, "AccessLogs", deployment.bucket_name("logs", site)
            ),
            server_access_logs_prefix=ACCESS_LOGS,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="expire",
                    expiration=Duration.days(days),
                    noncurrent_version_expiration=Duration.days(30),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
            removal_policy=removal,
        )
        # Its policy is the statement of ours on the log bucket, which the CDK cannot see from here.
        Validations.of(self.bucket).acknowledge(
            Acknowledgment(
                id="@aws-cdk/aws-s3:accessLogsPolicyNotAdded",
                reason="The statement that lets S3 log is added by name.",
            )
        )
        _admit_access_logs(access_logs, deployment, site)
        _admit(key, name)
        trail = cloudtrail.Trail(
            self,
            "Trail",
            trail_name=name,
            bucket=self.bucket,
            encryption_key=key,
            enable_file_validation=True,
            include_global_service_events=True,
            is_multi_region_trail=True,
        )
        trail.add_event_selector(
            cloudtrail.DataResourceType.S3_OBJECT,
            [f"arn:aws:s3:::{bucket}/" for bucket in watched],
            include_management_events=True,
            read_write_type=cloudtrail.ReadWriteType.ALL,
        )


def _admit_access_logs(bucket: s3.Bucket, deployment: Deployment, site: Site) -> None:
    # By name: the bucket's stack must not refer to this one, which depends on it.
    source = f"arn:aws:s3:::{deployment.bucket_name('trail', site)}"
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["s3:PutObject"],
            principals=[iam.ServicePrincipal("logging.s3.amazonaws.com")],
            resources=[bucket.arn_for_objects(f"{ACCESS_LOGS}*")],
            conditions={
                "ArnLike": {"aws:SourceArn": source},
                "StringEquals": {"aws:SourceAccount": deployment.account},
            },
        )
    )


def _admit(key: kms.Key, name: str) -> None:
    stack = Stack.of(key)
    arn = stack.format_arn(
        service="cloudtrail",
        resource="trail",
        resource_name=name,
        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
    )
    encrypted = {
        "kms:EncryptionContext:aws:cloudtrail:arn": stack.format_arn(
            service="cloudtrail", region="*", resource="trail", resource_name="*"
        )
    }
    service = [iam.ServicePrincipal("cloudtrail.amazonaws.com")]
    key.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:Decrypt"],
            principals=service,
            resources=["*"],
            conditions={"StringEquals": {"aws:SourceArn": arn}, "StringLike": encrypted},
        )
    )
    key.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["kms:DescribeKey"],
            principals=service,
            resources=["*"],
            conditions={"StringEquals": {"aws:SourceArn": arn}},
        )
    )
