"""cfn-lint, the CDK's own rules and cdk-nag over every template."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aws_cdk import Stack
from aws_cdk import aws_s3 as s3
from cfnlint.api import lint

from cdk.assembly import example_app
from cdk.compliance import findings
from cdk.config.deployment import ENVIRONMENTS
from cdk.nag import ACCEPTED, Accepted
from tests.infra.conftest import Named, Template

MOST_ACCEPTED = 25
# The zones are figures of the configuration: without them the CDK makes some up (dummy1a). And the
# CDK writes down dependencies that a reference implies.
TOLERATED = {"W3010", "W3005"}


def errors(template: Template, region: str) -> list[str]:
    """cfn-lint's errors and warnings, a line each."""
    return [
        f"{match.rule.id} {'/'.join(map(str, match.path or ()))}: {match.message}"
        for match in lint(json.dumps(template), regions=[region])
        if match.rule.id not in TOLERATED
    ]


def region_of(each: Named) -> str:
    environment = ENVIRONMENTS[each.environment]
    recovery = environment.recovery
    if recovery is not None and f"-{each.environment}-dr-" in each.stack:
        return recovery.region
    return environment.region


@pytest.mark.slow
def test_cfn_lint_finds_nothing(templates: list[Named]) -> None:
    """CloudFormation would take every template in its region."""
    found = [
        f"{each.stack}: {error}"
        for each in templates
        for error in errors(each.template, region_of(each))
    ]
    assert found == []


def test_cfn_lint_reads_them(templates: list[Named]) -> None:
    """A misspelt property is noticed."""
    data = next(each for each in templates if each.stack == "user-api-production-data")
    broken = json.loads(json.dumps(data.template))
    database = next(
        it for it in broken["Resources"].values() if it["Type"] == "AWS::RDS::DBInstance"
    )
    database["Properties"]["MultiAz"] = True
    assert any("MultiAz" in error for error in errors(broken, "us-east-1"))


def test_every_accepted_finding_is_there(tmp_path: Path) -> None:
    """An exception that nothing needs goes; each says why, and they stay few."""
    assert len(ACCEPTED) <= MOST_ACCEPTED
    assert [each for each in ACCEPTED if len(each.reason) < 40] == []
    used: set[Accepted] = set()
    for name in ENVIRONMENTS:
        app, rules = example_app(name, tmp_path / name)
        app.synth()
        used |= rules.used
    assert [each for each in ACCEPTED if each not in used] == []


def test_a_finding_ends_the_synthesis(tmp_path: Path) -> None:
    """Nobody deploys a bucket that answers without TLS: cdk-nag's findings block."""
    app, _ = example_app("development", tmp_path)
    network = app.node.find_child("user-api-development-network")
    assert isinstance(network, Stack)
    s3.Bucket(network, "Bucket")
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()


def test_the_report_names_rule_and_construct_and_ends_nothing(tmp_path: Path) -> None:
    """What stands in production although HIPAA's pack would have it otherwise."""
    found = findings("production", tmp_path)
    (paths,) = (where for rule, where in found.items() if "RDSAutomaticMinorVersion" in rule)
    assert "user-api-production-data/Database/Instance/Resource" in paths
