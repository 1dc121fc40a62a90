"""What a region holds beside its network, a card a purpose; empty cards are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from cdk.diagram.templates import Found, Region
from cdk.diagram.vpc import function_line

Lines = Iterator[str]


def cards_of(region: Region) -> list[tuple[str, list[str]]]:
    """Title and lines, in a fixed order."""
    made = [(title, list(lines(region))) for title, lines in _CARDS]
    return [(title, lines) for title, lines in made if lines]


def _edge(region: Region) -> Lines:
    for it in region.of("WAFv2::WebACL"):
        yield f"web ACL {region.short(it['Name'])}: {len(it['Rules'] or [])} rules"
    for it in region.of("CertificateManager::Certificate"):
        yield f"certificate {region.text(it['DomainName'])}"
    for it in region.of("SES::EmailIdentity"):
        yield f"mail identity {region.text(it['EmailIdentity'])}"
    for it in region.of("Route53::HealthCheck"):
        config = it["HealthCheckConfig"]
        host = region.text(config.get("FullyQualifiedDomainName", it.logical_id))
        yield f"health check {config.get('Type')} {host}{config.get('ResourcePath', '')}"


def _buckets(region: Region) -> Lines:
    for it in region.of("S3::Bucket"):
        name = region.short(it["BucketName"] or it.logical_id)
        name = name.replace(f"-{region.name}", "")
        marks = [
            mark
            for mark, there in (
                ("Object Lock", it["ObjectLockEnabled"] is True),
                ("versioned", it["VersioningConfiguration.Status"] == "Enabled"),
                ("replicated", it["ReplicationConfiguration"] is not None),
            )
            if there
        ]
        yield f"{_without_account(name)}{': ' + ', '.join(marks) if marks else ''}"


def _without_account(name: str) -> str:
    return "-".join(part for part in name.split("-") if not (part.isdigit() and len(part) == 12))


def _keys(region: Region) -> Lines:
    named = {
        region.text(it["TargetKeyId"]): region.short(region.text(it["AliasName"])[6:])
        for it in region.of("KMS::Alias")
    }
    for it in region.of("KMS::Key", "KMS::ReplicaKey"):
        spec = it["KeySpec"]
        marks = [
            mark
            for mark, there in (
                (str(spec), spec not in (None, "SYMMETRIC_DEFAULT")),
                ("multi-Region", it["MultiRegion"] is True),
                ("replica", it["PrimaryKeyArn"] is not None),
            )
            if there
        ]
        name = named.get(it.logical_id) or it.logical_id
        yield f"{name}{': ' + ', '.join(marks) if marks else ''}"


def _secrets(region: Region) -> Lines:
    for it in region.of("SecretsManager::Secret"):
        replicas = [str(each["Region"]) for each in it["ReplicaRegions"] or []]
        name = region.short(it["Name"] or it.logical_id)
        yield f"{name}{': copied to ' + ', '.join(replicas) if replicas else ''}"
    rotated = region.count("SecretsManager::RotationSchedule")
    if rotated:
        yield f"{rotated} rotated on a schedule"


def _observability(region: Region) -> Lines:
    alarms = region.count("CloudWatch::Alarm", "CloudWatch::CompositeAlarm")
    topics = [region.short(it["TopicName"] or it.logical_id) for it in region.of("SNS::Topic")]
    if alarms:
        yield f"{alarms} alarms → SNS {', '.join(topics)}"
    elif topics:
        yield f"SNS {', '.join(topics)}"
    if region.count("SNS::Subscription"):
        yield f"{region.count('SNS::Subscription')} subscriptions"
    dashboards = region.count("CloudWatch::Dashboard")
    if dashboards:
        yield f"{dashboards} dashboard{'s' if dashboards > 1 else ''}"
    for it in region.of("Budgets::Budget"):
        yield f"budget {it['Budget.BudgetLimit.Amount']} {it['Budget.BudgetLimit.Unit']} a month"


def _logs(region: Region) -> Lines:
    kept = Counter(str(it["RetentionInDays"]) for it in region.of("Logs::LogGroup"))
    for days, count in sorted(kept.items()):
        yield f"{count} log groups kept {days} day{'' if days == '1' else 's'}"
    for it in region.of("KinesisFirehose::DeliveryStream"):
        yield f"Firehose {region.short(it['DeliveryStreamName'] or it.logical_id)} → S3"
    for it in region.of("CloudTrail::Trail"):
        yield f"CloudTrail {region.short(it['TrailName'] or it.logical_id)} → S3"


def _backup(region: Region) -> Lines:
    for it in region.of("Backup::BackupVault"):
        yield f"vault {region.short(it['BackupVaultName'])}"
    for it in region.of("Backup::BackupPlan"):
        for rule in it["BackupPlan.BackupPlanRule"] or []:
            copies = ", copied to the other region" if rule.get("CopyActions") else ""
            days = rule.get("Lifecycle", {}).get("DeleteAfterDays", "all")
            yield f"{rule['RuleName']}: {rule.get('ScheduleExpression', '')}, {days} days{copies}"


def _jobs(region: Region) -> Lines:
    for it in region.of("Lambda::Function"):
        if not it["VpcConfig"]:
            yield function_line(region, it)
    for it in region.of("Events::Rule", "Scheduler::Schedule"):
        if it["ScheduleExpression"]:
            yield f"{region.short(it['Name'] or it.logical_id)}: {it['ScheduleExpression']}"
    for it in region.of("SQS::Queue"):
        yield f"queue {region.short(it['QueueName'] or it.logical_id)}"


def _delivery(region: Region) -> Lines:
    for it in region.of("IAM::OIDCProvider"):
        yield f"trusts {region.text(it['Url']).removeprefix('https://')}"
    for it in _roles_of_delivery(region):
        yield f"role {region.short(it['RoleName'] or it.logical_id)}"
    for it in region.of("ECR::PullThroughCacheRule"):
        yield f"pull-through cache {it['EcrRepositoryPrefix']}"
    for it in region.of("ECR::Repository"):
        yield f"repository {region.short(it['RepositoryName'])}"
    parameters = region.count("SSM::Parameter")
    if parameters:
        yield f"{parameters} parameters for Kubernetes and scripts"


def _roles_of_delivery(region: Region) -> list[Found]:
    return [it for it in region.of("IAM::Role") if it.stack == "delivery"]


_CARDS: tuple[tuple[str, Callable[[Region], Lines]], ...] = (
    ("Edge", _edge),
    ("Buckets", _buckets),
    ("Keys", _keys),
    ("Secrets", _secrets),
    ("Alarms and costs", _observability),
    ("Logs", _logs),
    ("Backup", _backup),
    ("Jobs and queues", _jobs),
    ("Delivery", _delivery),
)
