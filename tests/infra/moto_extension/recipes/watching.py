"""CloudWatch, its logs, CloudTrail and budgets."""

from __future__ import annotations

from tests.infra.moto_extension.making import Made, Making, tags_of
from tests.infra.moto_extension.resources import makes


@makes("AWS::Logs::LogGroup")
def log_group(it: Making) -> Made:
    # moto's own resource needs a name and forgets the key.
    name = it.named("LogGroupName")
    it.create(
        "logs",
        "create_log_group",
        apart=("RetentionInDays", "DataProtectionPolicy", "FieldIndexPolicies", "Tags"),
        logGroupName=name,
        tags=tags_of(it),
    )
    if "RetentionInDays" in it.properties:
        days = int(it.properties["RetentionInDays"])
        it.call("logs", "put_retention_policy", logGroupName=name, retentionInDays=days)
    return Made(
        ref=name,
        attributes={"Arn": it.arn("logs", f"log-group:{name}:*")},
        undo=it.undoing("logs", "delete_log_group", logGroupName=name),
    )


@makes("AWS::Logs::LogStream")
def log_stream(it: Making) -> Made:
    name = it.named("LogStreamName")
    it.create("logs", "create_log_stream", logStreamName=name)
    return Made(ref=name)


@makes("AWS::Logs::MetricFilter")
def metric_filter(it: Making) -> Made:
    name = it.named("FilterName")
    it.create("logs", "put_metric_filter", filterName=name)
    group = it.properties["LogGroupName"]
    return Made(
        ref=name,
        undo=it.undoing("logs", "delete_metric_filter", filterName=name, logGroupName=group),
    )


@makes("AWS::Logs::SubscriptionFilter")
def subscription_filter(it: Making) -> Made:
    name = it.named("FilterName")
    it.create("logs", "put_subscription_filter", filterName=name)
    group = it.properties["LogGroupName"]
    return Made(
        ref=name,
        undo=it.undoing("logs", "delete_subscription_filter", filterName=name, logGroupName=group),
    )


@makes("AWS::CloudWatch::Alarm")
def alarm(it: Making) -> Made:
    name = it.named("AlarmName")
    it.create("cloudwatch", "put_metric_alarm", AlarmName=name)
    return Made(
        ref=name,
        attributes={"Arn": it.arn("cloudwatch", f"alarm:{name}")},
        undo=it.undoing("cloudwatch", "delete_alarms", AlarmNames=[name]),
    )


@makes("AWS::CloudTrail::Trail")
def trail(it: Making) -> Made:
    name = it.named("TrailName")
    arn = it.create(
        "cloudtrail",
        "create_trail",
        apart=("IsLogging", "EventSelectors", "InsightSelectors", "AdvancedEventSelectors", "Tags"),
        renamed={"KMSKeyId": "KmsKeyId", "TrailName": "Name"},
        Name=name,
        TagsList=[{"Key": key, "Value": value} for key, value in tags_of(it).items()],
    )["TrailARN"]
    selectors = {
        key: it.properties[key]
        for key in ("EventSelectors", "AdvancedEventSelectors")
        if key in it.properties
    }
    if selectors:
        it.call("cloudtrail", "put_event_selectors", TrailName=name, **selectors)
    if it.properties["IsLogging"]:
        it.call("cloudtrail", "start_logging", Name=name)
    return Made(
        ref=name,
        attributes={"Arn": arn},
        undo=it.undoing("cloudtrail", "delete_trail", Name=name),
    )


@makes("AWS::Budgets::Budget")
def budget(it: Making) -> Made:
    it.create("budgets", "create_budget", apart=("ResourceTags",), AccountId=it.account)
    name = it.properties["Budget"]["BudgetName"]
    return Made(
        ref=name,
        undo=it.undoing("budgets", "delete_budget", AccountId=it.account, BudgetName=name),
    )
