"""The rotation of the login at the database, as each environment deploys it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cdk.config.deployment import ENVIRONMENTS

Resources = list[dict[str, Any]]


def of_type(template: Mapping[str, Any], kind: str) -> Resources:
    found = template["Resources"].values()
    return [each["Properties"] for each in found if each["Type"] == kind]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_application_s_login_is_rotated_monthly(
    assemblies: Mapping[str, Mapping[str, Any]], environment: str
) -> None:
    """And only that secret; the function is in the VPC and is called by nobody but this account's
    Secrets Manager."""
    template = assemblies[environment][f"user-api-{environment}-data"]
    (schedule,) = of_type(template, "AWS::SecretsManager::RotationSchedule")
    assert schedule["RotationRules"] == {"ScheduleExpression": "rate(30 days)"}
    name = f"user-api-{environment}-rotation"
    (function,) = (
        each for each in of_type(template, "AWS::Lambda::Function") if each["FunctionName"] == name
    )
    assert function["Handler"] == "handler.aws.rotation.lambda_handler"
    assert len(function["VpcConfig"]["SubnetIds"]) == 3
    assert set(function["Environment"]["Variables"]) == {
        "MIGRATION_DATABASE_SECRET_ARN",
    }
    (permission,) = of_type(template, "AWS::Lambda::Permission")
    assert permission["Principal"] == "secretsmanager.amazonaws.com"
    assert permission["SourceAccount"].isdigit()
