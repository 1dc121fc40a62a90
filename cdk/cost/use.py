"""What is paid by use: once a region for each type that is there, from the assumptions."""

from __future__ import annotations

from cdk.cost.lines import Line, Site, number

# Type -> (what, price item, assumption): the figure is the quantity.
USE: dict[str, tuple[tuple[str, str, str], ...]] = {
    "AWS::Backup::BackupVault": (
        ("backups of databases", "backup.rds_gb", "backup_rds_gb"),
        ("backups of buckets", "backup.s3_gb", "backup_s3_gb"),
    ),
    "AWS::CloudTrail::Trail": (
        (
            "data events",
            "cloudtrail.million_data_events",
            "cloudtrail_million_data_events",
        ),
    ),
    "AWS::EC2::NatGateway": (("data through NAT", "nat.gb", "nat_gb"),),
    "AWS::EC2::VPC": (
        ("data to the internet", "transfer.internet_gb", "internet_gb"),
        ("data between zones", "transfer.between_zones_gb", "between_zones_gb"),
        ("data to the other region", "transfer.between_regions_gb", "between_regions_gb"),
    ),
    "AWS::EC2::VPCEndpoint": (("data through endpoints", "vpc.endpoint_gb", "endpoint_gb"),),
    "AWS::ECR::PullThroughCacheRule": (("images", "ecr.gb", "ecr_gb"),),
    "AWS::ElastiCache::ReplicationGroup": (
        ("snapshots", "elasticache.backup_gb", "cache_backup_gb"),
    ),
    "AWS::KMS::Key": (
        ("requests", "kms.requests_10k", "kms_10k_requests"),
        ("signatures", "kms.asymmetric_requests_10k", "kms_10k_signatures"),
    ),
    "AWS::KinesisFirehose::DeliveryStream": (("logs to S3", "firehose.gb", "firehose_gb"),),
    "AWS::Lambda::Function": (
        ("invocations", "lambda.million_requests", "lambda_million_requests"),
    ),
    "AWS::Logs::LogGroup": (
        ("logs ingested", "cloudwatch.log_gb", "log_gb"),
        ("logs kept", "cloudwatch.log_archive_gb", "log_archive_gb"),
        ("metrics of the application", "cloudwatch.custom_metric", "custom_metrics"),
    ),
    "AWS::Route53::RecordSet": (("queries", "route53.million_queries", "dns_million_queries"),),
    "AWS::S3::Bucket": (
        ("storage", "s3.gb", "s3_gb"),
        ("archive", "s3.archive_gb", "s3_archive_gb"),
        ("writes", "s3.put_1k", "s3_thousand_puts"),
        ("reads", "s3.get_1k", "s3_thousand_gets"),
    ),
    "AWS::SES::EmailIdentity": (("mails", "ses.thousand_mails", "ses_thousand_mails"),),
    "AWS::SNS::Topic": (
        ("requests", "sns.million_requests", "sns_million_requests"),
        ("mails of alarms", "sns.thousand_mail_notifications", "alarm_thousand_mails"),
    ),
    "AWS::SQS::Queue": (("requests", "sqs.million_requests", "sqs_million_requests"),),
    "AWS::SecretsManager::Secret": (("reads", "secrets.calls_10k", "secret_10k_calls"),),
    "AWS::WAFv2::WebACL": (("requests", "waf.million_requests", "waf_million_requests"),),
}


def use_of(kind: str, site: Site) -> list[Line]:
    """The lines of a type that is in the region's templates."""
    lines = [
        Line(what=what, item=item, quantity=site.assumptions[name])
        for what, item, name in USE.get(kind, ())
    ]
    if kind == "AWS::Lambda::Function":
        lines.append(_duration(site))
    return lines


def _duration(site: Site) -> Line:
    """Every invocation is taken to need the largest function's memory."""
    functions = site.of_type("AWS::Lambda::Function")
    gib = max(number(each, "MemorySize", 128) for each in functions) / 1024
    seconds = site.assumptions["lambda_million_requests"] * 1e6 * site.assumptions["lambda_seconds"]
    return Line(what="duration", item="lambda.gb_second", quantity=seconds * gib)
