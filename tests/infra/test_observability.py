"""Somebody is told in time, and what happened can be read afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cdk.config.deployment import ENVIRONMENTS
from tests.infra.conftest import Template
from tests.infra.properties import resources

Assemblies = Mapping[str, Mapping[str, Template]]

SITES = [
    ("development", ""),
    ("staging", ""),
    ("production", ""),
    ("production", "dr-"),
]
RECOVERY_POINT_OF_LOGS = 3600


def stack(assemblies: Assemblies, environment: str, part: str = "") -> Template:
    return assemblies[environment][f"user-api-{environment}-{part}observability"]


def alarms(template: Template) -> Iterator[dict[str, Any]]:
    for _, alarm in resources(template, "AWS::CloudWatch::Alarm"):
        yield alarm


def only(template: Template, kind: str) -> dict[str, Any]:
    ((_, found),) = resources(template, kind)
    return found


@pytest.mark.parametrize(("environment", "part"), SITES)
def test_an_alarm_reaches_somebody_and_says_what_to_do(
    assemblies: Assemblies, environment: str, part: str
) -> None:
    """Every alarm tells the region's topic, when it begins and when it ends."""
    template = stack(assemblies, environment, part)
    ((topic, _),) = resources(template, "AWS::SNS::Topic")
    found = list(alarms(template))
    assert found
    for alarm in found:
        assert alarm["AlarmActions"] == [{"Ref": topic}], alarm["AlarmName"]
        assert alarm["OKActions"] == [{"Ref": topic}], alarm["AlarmName"]
        assert alarm.get("ActionsEnabled", True)
        severity, what = alarm["AlarmDescription"].split(". ", 1)
        assert severity in {"Critical", "Warning"}
        assert len(what.split()) > 10, alarm["AlarmName"]


@pytest.mark.parametrize(
    ("name", "threshold", "comparison", "minutes", "severity"),
    [
        ("high-error-rate", 5, "GreaterThanThreshold", 5, "Critical"),
        ("cache-memory", 95, "GreaterThanThreshold", 5, "Critical"),
        ("database-memory", 5, "LessThanThreshold", 5, "Critical"),
        ("database-cpu", 70, "GreaterThanThreshold", 10, "Warning"),
        ("cache-cpu", 70, "GreaterThanThreshold", 10, "Warning"),
        ("high-response-time", 1, "GreaterThanThreshold", 5, "Warning"),
        ("cache-misses", 50, "GreaterThanThreshold", 10, "Warning"),
    ],
)
def test_the_thresholds_of_the_alert_tables(
    assemblies: Assemblies,
    name: str,
    threshold: float,
    comparison: str,
    minutes: int,
    severity: str,
) -> None:
    """The figures are the design's, and each minute of the time has to be bad."""
    (alarm,) = (
        alarm
        for alarm in alarms(stack(assemblies, "production"))
        if alarm["AlarmName"] == f"user-api-production-{name}"
    )
    assert alarm["Threshold"] == threshold
    assert alarm["ComparisonOperator"] == comparison
    assert alarm["EvaluationPeriods"] == alarm["DatapointsToAlarm"] == minutes
    periods = {alarm.get("Period")} | {
        metric["MetricStat"]["Period"]
        for metric in alarm.get("Metrics", ())
        if "MetricStat" in metric
    }
    assert periods - {None} == {60}
    assert alarm["AlarmDescription"].startswith(severity)


def test_a_missing_database_is_a_dead_one(assemblies: Assemblies) -> None:
    """RDS sends nothing while it is unavailable: no data has to be the alarm, after a minute."""
    (alarm,) = (
        alarm
        for alarm in alarms(stack(assemblies, "production"))
        if alarm["AlarmName"] == "user-api-production-database-down"
    )
    assert (alarm["MetricName"], alarm["TreatMissingData"]) == ("DatabaseConnections", "breaching")
    assert alarm["Period"] * (alarm["EvaluationPeriods"] - 1) == 60
    events = only(stack(assemblies, "production"), "AWS::RDS::EventSubscription")
    assert {"availability", "failover", "failure"} <= set(events["EventCategories"])


def test_an_idle_service_does_not_page(assemblies: Assemblies) -> None:
    """Two failures of two requests are no outage: shares of requests have a traffic floor."""
    (alarm,) = (
        alarm
        for alarm in alarms(stack(assemblies, "production"))
        if alarm["AlarmName"] == "user-api-production-high-error-rate"
    )
    (expression,) = (metric["Expression"] for metric in alarm["Metrics"] if "Expression" in metric)
    assert expression.startswith("IF(requests > 20,")
    assert expression.endswith(", 0)")


@pytest.mark.parametrize(("environment", "part"), SITES)
def test_alarms_may_use_the_topics_key(assemblies: Assemblies, environment: str, part: str) -> None:
    """An alarm that may not encrypt its message is lost without a trace."""
    template = stack(assemblies, environment, part)
    topic = only(template, "AWS::SNS::Topic")
    key_id = topic["KmsMasterKeyId"]["Fn::GetAtt"][0]
    allowed = {
        service
        for statement in template["Resources"][key_id]["Properties"]["KeyPolicy"]["Statement"]
        if "kms:GenerateDataKey" in statement["Action"]
        for service in _services(statement)
    }
    told = {"cloudwatch.amazonaws.com", "budgets.amazonaws.com", "events.rds.amazonaws.com"}
    assert told <= allowed
    policy = only(template, "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    publishers = {service for statement in policy for service in _services(statement)}
    assert told <= publishers


def _services(statement: Mapping[str, Any]) -> list[str]:
    principal = statement["Principal"]
    found = principal.get("Service", []) if isinstance(principal, dict) else []
    return [found] if isinstance(found, str) else found


def test_targets_are_subscribed(assemblies: Assemblies) -> None:
    """Addresses by mail and URLs by HTTPS, in both regions; development has nobody."""
    for part in ("", "dr-"):
        protocols = {
            it["Protocol"]
            for _, it in resources(stack(assemblies, "production", part), "AWS::SNS::Subscription")
        }
        assert protocols == {"email", "https"}
    assert not list(resources(stack(assemblies, "development"), "AWS::SNS::Subscription"))


@pytest.mark.parametrize(("environment", "part"), SITES)
def test_logs_reach_the_archive_in_time(
    assemblies: Assemblies, environment: str, part: str
) -> None:
    """Every log group has its stream, which waits far less than the hour that may be lost."""
    template = stack(assemblies, environment, part)
    streams = dict(resources(template, "AWS::KinesisFirehose::DeliveryStream"))
    fed = set()
    for _, subscription in resources(template, "AWS::Logs::SubscriptionFilter"):
        assert subscription["FilterPattern"] == ""
        fed.add(subscription["DestinationArn"]["Fn::GetAtt"][0])
    assert fed == set(streams)
    assert len(streams) == (1 if part else 3)
    for stream in streams.values():
        destination = stream["ExtendedS3DestinationConfiguration"]
        assert destination["BufferingHints"]["IntervalInSeconds"] <= RECOVERY_POINT_OF_LOGS / 4
        assert stream["DeliveryStreamEncryptionConfigurationInput"]["KeyType"].startswith(
            "CUSTOMER_MANAGED"
        )


@pytest.mark.parametrize("environment", list(ENVIRONMENTS))
def test_the_trail_can_be_verified(assemblies: Assemblies, environment: str) -> None:
    """All regions, signed digests, encrypted, and each touch of a seal or a ledger entry."""
    trail = only(stack(assemblies, environment), "AWS::CloudTrail::Trail")
    assert trail["EnableLogFileValidation"] is True
    assert trail["IsMultiRegionTrail"] is True
    assert trail["IsLogging"] is True
    assert "KMSKeyId" in trail
    (selector,) = trail["EventSelectors"]
    assert selector["IncludeManagementEvents"] is True
    assert selector["ReadWriteType"] == "All"
    watched = json.dumps(selector["DataResources"])
    regions = ["us-east-1", "us-west-2"] if environment == "production" else ["us-east-1"]
    for purpose in ("seals", "ledger"):
        for region in regions:
            assert f"user-api-{environment}-{purpose}-123456789012-{region}/" in watched


@pytest.mark.parametrize("environment", list(ENVIRONMENTS))
def test_the_budget_warns_before_the_limit(assemblies: Assemblies, environment: str) -> None:
    """At 80 % spent, and when the month is expected to exceed the limit."""
    template = stack(assemblies, environment)
    budget = only(template, "AWS::Budgets::Budget")
    limit = budget["Budget"]["BudgetLimit"]
    assert limit == {"Amount": ENVIRONMENTS[environment].monthly_budget_usd, "Unit": "USD"}
    ((topic, _),) = resources(template, "AWS::SNS::Topic")
    told = {
        (it["Notification"]["NotificationType"], it["Notification"]["Threshold"])
        for it in budget["NotificationsWithSubscribers"]
        if it["Subscribers"] == [{"SubscriptionType": "SNS", "Address": {"Ref": topic}}]
    }
    assert told == {("ACTUAL", 80), ("FORECASTED", 100)}


@pytest.mark.parametrize("environment", list(ENVIRONMENTS))
def test_the_dashboard_shows_each_part(assemblies: Assemblies, environment: str) -> None:
    """Database, cache, fallback, load balancer and cost on one page."""
    body = json.dumps(only(stack(assemblies, environment), "AWS::CloudWatch::Dashboard"))
    for namespace in ("RDS", "ElastiCache", "Lambda", "ApplicationELB", "Billing"):
        assert f"AWS/{namespace}" in body
