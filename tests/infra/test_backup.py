"""What was lost can be brought back, in this region and in the other."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from cdk.config.deployment import ENVIRONMENTS
from tests.infra.conftest import Template
from tests.infra.properties import resources

Assemblies = Mapping[str, Mapping[str, Template]]
DAY = 24 * 60


def stack(assemblies: Assemblies, environment: str, part: str = "") -> Template:
    return assemblies[environment][f"user-api-{environment}-{part}backup"]


def rules(template: Template) -> dict[str, dict[str, Any]]:
    """The one rule of each plan, by the plan's short name."""
    return {
        plan["BackupPlan"]["BackupPlanName"].rsplit("-", 1)[1]: rule
        for _, plan in resources(template, "AWS::Backup::BackupPlan")
        for rule in plan["BackupPlan"]["BackupPlanRule"]
    }


def minute(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


@pytest.mark.parametrize(("environment", "days"), [("development", 7), ("production", 30)])
def test_backups_are_daily_and_kept(assemblies: Assemblies, environment: str, days: int) -> None:
    """A day is the most that a snapshot lacks; they are kept as long as the design says."""
    found = rules(stack(assemblies, environment))
    assert set(found) == {"database", "objects"}
    for rule in found.values():
        assert re.fullmatch(r"cron\(0 \d+ \* \* \? \*\)", rule["ScheduleExpression"])
        assert rule["Lifecycle"] == {"DeleteAfterDays": days}


@pytest.mark.parametrize("environment", list(ENVIRONMENTS))
def test_the_database_backup_can_start(assemblies: Assemblies, environment: str) -> None:
    """AWS Backup refuses to start in, or within an hour before, the instance's own windows."""
    rule = rules(stack(assemblies, environment))["database"]
    begins = int(rule["ScheduleExpression"].split()[1]) * 60
    begun = begins + rule["StartWindowMinutes"]
    database = ENVIRONMENTS[environment].database
    maintenance = [part.split(":", 1)[1] for part in database.maintenance_window.split("-")]
    for opens, closes in (database.backup_window.split("-"), maintenance):
        for day in (-DAY, 0, DAY):
            before, after = minute(opens) - 60 + day, minute(closes) + day
            assert begun <= before or begins >= after, (opens, closes)


@pytest.mark.parametrize("environment", list(ENVIRONMENTS))
def test_each_kind_has_one_point_in_time_recovery(assemblies: Assemblies, environment: str) -> None:
    """The database's is its own, whose retention its template states; buckets have AWS Backup's."""
    found = rules(stack(assemblies, environment))
    assert found["database"]["EnableContinuousBackup"] is False
    assert found["objects"]["EnableContinuousBackup"] is True
    data = assemblies[environment][f"user-api-{environment}-data"]
    for _, instance in resources(data, "AWS::RDS::DBInstance"):
        assert instance["BackupRetentionPeriod"] == ENVIRONMENTS[environment].database.backup_days


def test_production_has_a_copy_in_the_other_region(assemblies: Assemblies) -> None:
    """The vault's name in the plan is the name of the vault over there."""
    vault = next(resources(stack(assemblies, "production", "dr-"), "AWS::Backup::BackupVault"))[1]
    arn = f"arn:aws:backup:us-west-2:123456789012:backup-vault:{vault['BackupVaultName']}"
    for rule in rules(stack(assemblies, "production")).values():
        (copy,) = rule["CopyActions"]
        assert copy["DestinationBackupVaultArn"] == arn
        assert copy["Lifecycle"] == rule["Lifecycle"]
    for environment in ("development", "staging"):
        for rule in rules(stack(assemblies, environment)).values():
            assert not rule.get("CopyActions")


def test_vaults_are_encrypted_and_locked(assemblies: Assemblies) -> None:
    """Nobody shortens what staging and production keep; the lock asks no more than rules give."""
    for environment, part in (("staging", ""), ("production", ""), ("production", "dr-")):
        vault = next(resources(stack(assemblies, environment, part), "AWS::Backup::BackupVault"))[1]
        assert "EncryptionKeyArn" in vault
        days = ENVIRONMENTS[environment].database.backup_days
        assert vault["LockConfiguration"] == {"MinRetentionDays": days}
    development = next(resources(stack(assemblies, "development"), "AWS::Backup::BackupVault"))[1]
    assert "EncryptionKeyArn" in development
    assert "LockConfiguration" not in development


def test_the_role_reaches_what_is_backed_up_alone(assemblies: Assemblies) -> None:
    """It reads the objects of the selected buckets, and not those of the archive of logs."""
    template = stack(assemblies, "production")
    selected = {
        selection["BackupSelection"]["SelectionName"]: selection["BackupSelection"]["Resources"]
        for _, selection in resources(template, "AWS::Backup::BackupSelection")
    }
    assert len(selected["user-api-production-database"]) == 1
    assert len(selected["user-api-production-objects"]) == 3
    assert not list(_managed(template))
    reading = [
        statement["Resource"]
        for _, policy in resources(template, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        if "s3:GetObject" in json.dumps(statement["Action"])
    ]
    assert reading
    assert "*" not in reading


def _managed(template: Template) -> list[Any]:
    return [
        arn
        for _, role in resources(template, "AWS::IAM::Role")
        for arn in role.get("ManagedPolicyArns", ())
    ]
