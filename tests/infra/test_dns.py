"""Which region, and what in it, the public name leads to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cdk.config.deployment import ENVIRONMENTS
from tests.infra.conftest import Template
from tests.infra.properties import resources

Assemblies = Mapping[str, Mapping[str, Template]]
Record = dict[str, Any]

PUBLIC = "api.example.com."


def aliases(stacks: Mapping[str, Template]) -> Iterator[Record]:
    for template in stacks.values():
        for _, record in resources(template, "AWS::Route53::RecordSet"):
            if "AliasTarget" in record:
                yield record


@pytest.fixture
def pair(assemblies: Assemblies) -> dict[str, Record]:
    """The two records of the public name in production."""
    found = [record for record in aliases(assemblies["production"]) if record["Name"] == PUBLIC]
    return {record["Failover"]: record for record in found}


def test_first_region_serves_while_one_of_its_two_is_well(pair: Mapping[str, Record]) -> None:
    """EKS or Lambda there: the health of the pair below counts, and the latch."""
    first = pair["PRIMARY"]
    assert first["AliasTarget"]["DNSName"] == "primary.api.example.com"
    assert first["AliasTarget"]["EvaluateTargetHealth"] is True
    assert "HealthCheckId" in first


def test_second_region_is_never_passed_over_for_the_first(pair: Mapping[str, Record]) -> None:
    """When both are unwell Route 53 answers with the first, which a promotion has made stale."""
    second = pair["SECONDARY"]
    assert second["AliasTarget"]["DNSName"] == "recovery.api.example.com"
    assert second["AliasTarget"]["EvaluateTargetHealth"] is False
    assert "HealthCheckId" not in second


def test_latch_hangs_on_the_second_region_and_holds(assemblies: Assemblies) -> None:
    """Its alarm is where the first region's failure is not, and silence changes nothing."""
    recovery = ENVIRONMENTS["production"].recovery
    assert recovery is not None
    stacks = assemblies["production"]
    dns = stacks["user-api-production-dns"]
    ((latch_id, latch),) = resources(dns, "AWS::Route53::HealthCheck")
    config = latch["HealthCheckConfig"]
    assert config["Type"] == "CLOUDWATCH_METRIC"
    assert config["InsufficientDataHealthStatus"] == "LastKnownStatus"
    assert config["AlarmIdentifier"]["Region"] == recovery.region
    alarms = {
        it["AlarmName"]: it
        for _, it in resources(stacks["user-api-production-dr-edge"], "AWS::CloudWatch::Alarm")
    }
    alarm = alarms[config["AlarmIdentifier"]["Name"]]
    assert (alarm["MetricName"], alarm["TreatMissingData"]) == ("PrimaryRegionOff", "missing")
    first = next(
        record
        for _, record in resources(dns, "AWS::Route53::RecordSet")
        if record.get("Failover") == "PRIMARY"
    )
    assert first["HealthCheckId"] == {"Fn::GetAtt": [latch_id, "HealthCheckId"]}


@pytest.mark.parametrize(
    ("environment", "name"),
    [("staging", "api.staging.example.com."), ("production", "primary.api.example.com.")],
)
def test_lambda_is_second_to_the_record_of_external_dns(
    assemblies: Assemblies, environment: str, name: str
) -> None:
    """CDK writes no PRIMARY there, and no plain record that would be in the way of one."""
    (record,) = [it for it in aliases(assemblies[environment]) if it["Name"] == name]
    assert (record["Failover"], record["SetIdentifier"]) == ("SECONDARY", "lambda")
    assert "HealthCheckId" in record


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_targets_of_a_load_balancer_move_no_record(
    assemblies: Assemblies, environment: str
) -> None:
    """They go out of service in less time than the database needs to fail over."""
    balancers = [
        record["AliasTarget"]
        for record in aliases(assemblies[environment])
        if not isinstance(record["AliasTarget"]["DNSName"], str)
    ]
    assert balancers
    for target in balancers:
        assert target["EvaluateTargetHealth"] is False


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_each_probe_asks_a_name_that_has_one_owner(
    assemblies: Assemblies, environment: str
) -> None:
    """lambda.* is ours; eks.* is external-dns's alone, so that no stack may write it."""
    written = {record["Name"].split(".")[0] for record in aliases(assemblies[environment])}
    assert "lambda" in written
    assert "eks" not in written


def test_development_needs_no_zone(assemblies: Assemblies) -> None:
    assert not list(aliases(assemblies["development"]))
