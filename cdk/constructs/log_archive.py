"""Logs on their way to the archive, all the time."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, Size
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as destinations
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.config.deployment import Deployment, Site
from cdk.constructs.log_group import ForgettingLogGroup

BUFFERING = Duration.minutes(5)
"""A log line is in the archive after about so long; the objective is an hour."""


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
        bucket_key: kms.IKey,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, id_)
        self.stream_names: list[str] = []
        for name, group in groups.items():
            stream_name = deployment.name(f"{site.part}logs-{name}")
            errors = ForgettingLogGroup(
                self,
                f"{name}-errors",
                deployment=deployment,
                name=f"/aws/kinesisfirehose/{stream_name}",
            )
            stream = firehose.DeliveryStream(
                self,
                f"{name}-stream",
                delivery_stream_name=stream_name,
                encryption=firehose.StreamEncryption.customer_managed_key(key),
                destination=firehose.S3Bucket(
                    bucket,
                    buffering_interval=BUFFERING,
                    buffering_size=Size.mebibytes(64),
                    compression=firehose.Compression.UNCOMPRESSED,
                    file_extension=".json.gz",
                    data_output_prefix=f"logs/{name}/!{{timestamp:yyyy/MM/dd/HH}}/",
                    error_output_prefix=f"failed/{name}/!{{firehose:error-output-type}}/",
                    encryption_key=bucket_key,
                    logging_config=firehose.EnableLogging(errors),
                ),
            )
            logs.SubscriptionFilter(
                self,
                f"{name}-filter",
                filter_name=stream_name,
                log_group=group,
                filter_pattern=logs.FilterPattern.all_events(),
                destination=destinations.FirehoseDestination(
                    stream, role=self._sender(name, stream, key)
                ),
            )
            self.stream_names.append(stream_name)

    def _sender(self, name: str, stream: firehose.DeliveryStream, key: kms.IKey) -> iam.Role:
        role = iam.Role(
            self,
            f"{name}-sender",
            description=f"CloudWatch Logs puts the log lines of {name} into their stream",
            assumed_by=iam.ServicePrincipal("logs.amazonaws.com"),
        )
        stream.grant_put_records(role)
        key.grant(role, "kms:GenerateDataKey")
        return role
