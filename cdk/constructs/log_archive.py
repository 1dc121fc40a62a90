"""Logs on their way to the archive, all the time."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.retention import retention

BUFFERING_SECONDS = 300
"""A log line is in the archive after about so long; the objective is an hour."""

ARCHIVED, FAILED = "logs/", "failed/"
"""Prefixes in the bucket: what arrived, and what Firehose could not deliver as it should."""

Stream = firehose.CfnDeliveryStream


class LogArchive(Construct):
    """Copies log groups to a bucket, under `logs/name/year/month/day/hour/`.

    CloudWatch sends its records gzipped, and gzip files may be put one after the other: an object
    of the archive is one such file of JSON documents, as `zcat` reads it. So nothing is paid for
    unpacking. Each group has a stream of its own, and with it its own prefix.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        site: Site,
        groups: Mapping[str, logs.ILogGroup],
        bucket: s3.IBucket,
        key: kms.IKey,
        logs_key: kms.IKey,
    ) -> None:
        super().__init__(scope, id_)
        self._bucket, self._key = bucket, key
        self._errors = logs.LogGroup(
            self,
            "Errors",
            log_group_name=deployment.path(f"{site.part}log-archive"),
            retention=retention(deployment),
            encryption_key=logs_key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self._writer = self._own_writer(deployment)
        self._sender = self._own_sender(deployment, site)
        self.stream_names: list[str] = []
        for name, group in groups.items():
            stream = self._own_stream(name, deployment.name(f"{site.part}logs-{name}"))
            self._subscribe(name, stream, group)

    def _own_writer(self, deployment: Deployment) -> iam.Role:
        role = iam.Role(
            self,
            "Writer",
            description="Firehose writes log lines into the archive",
            assumed_by=iam.ServicePrincipal(
                "firehose.amazonaws.com",
                conditions={"StringEquals": {"sts:ExternalId": deployment.account}},
            ),
        )
        bucket = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
        objects = [self._bucket.arn_for_objects(f"{part}*") for part in (ARCHIVED, FAILED)]
        for actions, resources in (
            (bucket, [self._bucket.bucket_arn]),
            (["s3:AbortMultipartUpload", "s3:PutObject"], objects),
            (["kms:Decrypt", "kms:GenerateDataKey"], [self._key.key_arn]),
            (["logs:PutLogEvents"], [self._errors.log_group_arn]),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=actions, resources=resources))
        return role

    def _own_sender(self, deployment: Deployment, site: Site) -> iam.Role:
        return iam.Role(
            self,
            "Sender",
            description="CloudWatch Logs puts log lines into their streams",
            assumed_by=iam.ServicePrincipal(
                "logs.amazonaws.com",
                conditions={
                    "StringLike": {
                        "aws:SourceArn": f"arn:aws:logs:{site.region}:{deployment.account}:*"
                    }
                },
            ),
        )

    def _own_stream(self, name: str, stream_name: str) -> Stream:
        errors = logs.LogStream(
            self,
            f"{name}-errors",
            log_group=self._errors,
            log_stream_name=stream_name,
            removal_policy=RemovalPolicy.DESTROY,
        )
        stream = Stream(
            self,
            name,
            delivery_stream_name=stream_name,
            delivery_stream_type="DirectPut",
            delivery_stream_encryption_configuration_input=(
                Stream.DeliveryStreamEncryptionConfigurationInputProperty(
                    key_type="CUSTOMER_MANAGED_CMK", key_arn=self._key.key_arn
                )
            ),
            extended_s3_destination_configuration=(
                Stream.ExtendedS3DestinationConfigurationProperty(
                    bucket_arn=self._bucket.bucket_arn,
                    role_arn=self._writer.role_arn,
                    buffering_hints=Stream.BufferingHintsProperty(
                        interval_in_seconds=BUFFERING_SECONDS, size_in_m_bs=64
                    ),
                    compression_format="UNCOMPRESSED",
                    file_extension=".json.gz",
                    prefix=f"{ARCHIVED}{name}/!{{timestamp:yyyy/MM/dd/HH}}/",
                    error_output_prefix=f"{FAILED}{name}/!{{firehose:error-output-type}}/",
                    cloud_watch_logging_options=Stream.CloudWatchLoggingOptionsProperty(
                        enabled=True,
                        log_group_name=self._errors.log_group_name,
                        log_stream_name=errors.log_stream_name,
                    ),
                )
            ),
        )
        # Firehose tries the role when the stream is made.
        stream.node.add_dependency(self._writer.node.find_child("DefaultPolicy"))
        self.stream_names.append(stream_name)
        return stream

    def _subscribe(self, name: str, stream: Stream, group: logs.ILogGroup) -> None:
        self._sender.add_to_policy(
            iam.PolicyStatement(
                actions=["firehose:PutRecord", "firehose:PutRecordBatch"],
                resources=[stream.attr_arn],
            )
        )
        logs.CfnSubscriptionFilter(
            self,
            f"{name}-filter",
            filter_name=stream.delivery_stream_name,
            log_group_name=group.log_group_name,
            filter_pattern="",
            destination_arn=stream.attr_arn,
            role_arn=self._sender.role_arn,
        ).node.add_dependency(self._sender.node.find_child("DefaultPolicy"))
