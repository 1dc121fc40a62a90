"""Rules over all resources of a kind, with every reference followed."""

from __future__ import annotations

import json
from collections import defaultdict

from cdk.config.deployment import ENVIRONMENTS
from tests.infra.resolved import Reader, Resource

SITES = {"development", "staging", "production", "production-dr"}
BEFORE_THE_KEY = {"edge.WebAclLogs"}
"""Its stack comes before the network's, and what it logs has no credential: AWS encrypts it."""
CALLERS = {
    "fallback": {
        ("elasticloadbalancing.amazonaws.com", "ACCOUNT"),
        ("events.amazonaws.com", "fallback.SchedulesOutbox.Arn"),
        ("events.amazonaws.com", "fallback.SchedulesHousekeeping.Arn"),
    },
    "data": {("secretsmanager.amazonaws.com", "ACCOUNT")},
}
"""Stack -> who calls its function, and for whom."""
NAMED_AS_IN_THE_FIRST_REGION = {
    "S3::Bucket": {"Assets", "Backups", "Ledger", "Logs", "Seals"},
    "KMS::Alias": {"DataKeyAlias", "AuditSigningAlias", "NetworkLogsKeyAlias"},
    "RDS::DBInstance": {"Database"},
    "CloudWatch::Alarm": {"RegionSwitchAlarm"},
}
"""A bucket's name ends with its region, and an alias is its region's own; the replica names its
source. The switch is there once. Nothing else of the second region is called, or calls, as the
first's: least of all a right."""


def test_the_second_region_names_nothing_of_the_first(resolved: list[Resource]) -> None:
    """A recovery function that relied on the first region would go down with it."""
    found = defaultdict(set)
    for it in resolved:
        if "user-api-PRIMARY-" in json.dumps(it.properties):
            assert it.site == "production-dr", (it.site, it.name)
            found[it.kind].add(it.name.split(".")[1].removeprefix("Buckets"))
    assert found == NAMED_AS_IN_THE_FIRST_REGION


def test_names_of_the_two_regions_are_told_apart() -> None:
    """Where they read the same, a right to the wrong region's function would pass every table."""
    names = {
        "Own": "function:user-api-production-dr-api",
        "First": "function:user-api-production-api",
        "Joined": {"Fn::Join": ["", ["function:user-api-", "production-", "dr-api"]]},
        "Secret": "secret:user-api/production/settings",
    }
    role = {"Role": {"Type": "AWS::IAM::Role", "Properties": names}}
    stacks = {f"user-api-production-{part}edge": {"Resources": role} for part in ("", "dr-")}
    first, second = (it.properties for it in Reader("production", stacks).all())
    assert first == {
        "Own": "function:user-api-ENV-dr-api",
        "First": "function:user-api-ENV-api",
        "Joined": "function:user-api-ENV-dr-api",
        "Secret": "secret:user-api/ENV/settings",
    }
    assert second == {
        "Own": "function:user-api-ENV-api",
        "First": "function:user-api-PRIMARY-api",
        "Joined": "function:user-api-ENV-api",
        "Secret": "secret:user-api/ENV/settings",
    }


def test_every_log_group_is_ours_for_as_long_as_configured(resolved: list[Resource]) -> None:
    """Encrypted by the key of logs; a longer life costs, a shorter one loses an incident."""
    for it in resolved:
        if it.kind != "Logs::LogGroup":
            continue
        days = ENVIRONMENTS[it.site.removesuffix("-dr")].logs.retention_days
        assert it.properties["RetentionInDays"] == days, (it.site, it.name)
        key = None if it.name in BEFORE_THE_KEY else "network.NetworkLogsKey.Arn"
        assert it.properties.get("KmsKeyId") == key, (it.site, it.name)


def test_functions_are_called_by_whom_the_table_names(resolved: list[Resource]) -> None:
    """One who is missing is refused by Lambda at the first request, not at the deployment."""
    found = defaultdict(set)
    for it in resolved:
        if it.kind == "Lambda::Permission":
            assert it.properties["Action"] == "lambda:InvokeFunction"
            source = it.properties.get("SourceArn") or it.properties["SourceAccount"]
            place = (it.site, it.name.split(".")[0])
            found[place].add((it.properties["Principal"], source))
    functions = {(it.site, it.name.split(".")[0]) for it in resolved if it.kind == "Lambda::Alias"}
    assert found.keys() >= functions
    assert all(callers == CALLERS[stack] for (_, stack), callers in found.items()), found


def test_access_lists_of_the_upper_tiers_let_answers_back(resolved: list[Resource]) -> None:
    """They keep no state: without the high ports no answer from outside arrives. Public ones take
    the web's ports too; everything may go out, and the VPC talks within itself."""
    found = defaultdict(list)
    for it in resolved:
        if it.kind == "EC2::NetworkAclEntry" and "ListsData" not in it.name:
            rule = it.properties
            ports = rule.get("PortRange", {})
            assert rule["RuleAction"] == "allow", (it.site, it.name)
            way = "out" if rule["Egress"] else "in"
            row = (way, rule["CidrBlock"], rule["Protocol"], ports.get("From"), ports.get("To"))
            found[it.site, rule["NetworkAclId"].rpartition("Lists")[2]].append(row)
    for (site, tier), rows in found.items():
        environment = ENVIRONMENTS[site.removesuffix("-dr")]
        recovery = environment.recovery if site.endswith("-dr") else None
        within = (recovery or environment).network.cidr
        web = (80, 443) if tier == "Public" else ()
        assert sorted(rows, key=str) == sorted(
            [
                ("in", within, -1, None, None),
                ("in", "0.0.0.0/0", 6, 1024, 65535),
                *(("in", "0.0.0.0/0", 6, port, port) for port in web),
                ("out", "0.0.0.0/0", -1, None, None),
            ],
            key=str,
        ), (site, tier)
    assert {tier for _, tier in found} == {"Public", "Application"}
    assert len(found) == 2 * len(SITES)


def test_roles_that_people_take_last_an_hour(resolved: list[Resource]) -> None:
    """Long enough for a deployment; a leaver's session ends within the hour."""
    roles = [it.properties for it in resolved if it.kind == "IAM::Role"]
    assert {role.get("MaxSessionDuration", 3600) for role in roles} == {3600}
