"""What cannot be deployed is refused with one line, before a template is written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Stack
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Template

from cdk.config.deployment import ENVIRONMENTS, read_deployment, refuse_example
from cdk.config.model import RETENTIONS, ConfigurationError, Environment
from cdk.config.production import PRODUCTION

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE: dict[str, Any] = json.loads((ROOT / "cdk/config/example.context.json").read_text())
OWN: dict[str, Any] = {
    "env": "production",
    "account": "210987654321",
    "domain": "api.example.org",
    "hosted_zone_id": "Z0123456789ABCDEFGHIJ",
    "alarm_targets": "alarms@example.org,https://pager.example.org/hook",
    "repository": "example/user-api",
}


def synthesize(context: Mapping[str, Any], out: Path) -> subprocess.CompletedProcess[str]:
    """The application as the CDK command line runs it."""
    environ = {**os.environ, "CDK_OUTDIR": str(out), "CDK_CONTEXT_JSON": json.dumps(context)}
    return subprocess.run(
        [sys.executable, "-m", "cdk.app"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"env": "prod"}, "env is prod; say one: -c env=development|staging|production"),
        ({"env": None}, "env is missing"),
        ({"account": "12345"}, "account '12345' does not look like one"),
        ({"account": None}, "account is missing"),
        ({"domain": None}, "domain is missing; say it: -c domain=..."),
        ({"domain": "https://api.example.org"}, "does not look like one"),
        ({"hosted_zone_id": None}, "hosted_zone_id is missing"),
        ({"alarm_targets": ""}, "alarm_targets is missing"),
        ({"alarm_targets": 5}, "5 is no list"),
        ({"alarm_targets": "http://pager.example.org"}, "no address and no https URL"),
        ({"repository": "user-api"}, "repository 'user-api' does not look like one"),
        ({"production": "large"}, "production in the context is not an object"),
        ({"env": "development", "hosted_zone_id": None}, "belong together"),
    ],
)
def test_a_wrong_context_is_named(change: dict[str, Any], complaint: str) -> None:
    """Whoever deploys reads which value is wrong, and how to say it."""
    with pytest.raises(ConfigurationError, match=complaint.replace("|", r"\|")) as refusal:
        read_deployment({**OWN, **change}.get)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("module", "command"),
    [("assembly", "synth"), ("compliance", "compliance"), ("cost", "cost")],
)
def test_an_unknown_environment_is_refused_in_one_line(module: str, command: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", f"cdk.{module}", "nowhere"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert re.fullmatch(rf"{command}: env is nowhere; say one: \S.*\n", run.stderr)


def test_development_needs_an_account_alone() -> None:
    """Nothing else has to be known for a first deployment."""
    context = {"env": "development", "account": OWN["account"]}
    assert read_deployment(context.get).domain is None


def test_each_environment_has_values_of_its_own() -> None:
    """One committed context serves all environments."""
    context = {**OWN, "production": {"domain": "users.example.org"}}
    assert read_deployment(context.get).domain == "users.example.org"
    assert read_deployment({**context, "env": "staging"}.get).domain == OWN["domain"]


@pytest.mark.parametrize(
    ("part", "change", "complaint"),
    [
        ("cluster", {"min_nodes": 11}, "min_nodes 11 is above max_nodes 10"),
        ("network", {"cidr": "10.0.0.1/16"}, "host bits set"),
        ("network", {"cidr": "8.8.0.0/16"}, "no private block"),
        ("network", {"availability_zones": ("us-east-1a",) * 3}, "three different"),
        ("network", {"nat_gateways": 4}, "nat_gateways 4 is not from 1 to 3"),
        ("database", {"backup_days": 0}, "backup_days 0"),
        ("database", {"allocated_storage": 600}, "not below max_storage 500"),
        ("cache", {"replicas": 0}, "cannot fail over"),
        ("logs", {"level": "LOUD"}, "level LOUD"),
        ("logs", {"retention_days": 2}, "retention_days 2 is none of 1, 3, 5, 7, 14, 30, 60, 90"),
        ("logs", {"retention_days": 0}, "retention_days 0 is none of 1, 3"),
    ],
)
def test_a_wrong_figure_is_named(part: str, change: dict[str, Any], complaint: str) -> None:
    """A figure that cannot work is refused where it is written down."""
    with pytest.raises(ConfigurationError, match=complaint) as refusal:
        replace(getattr(PRODUCTION, part), **change)
    assert "\n" not in str(refusal.value)


def test_each_retention_is_what_its_name_says() -> None:
    """In days, as CloudWatch Logs has it."""
    for days, name in RETENTIONS.items():
        stack = Stack()
        logs.LogGroup(stack, "Group", retention=logs.RetentionDays[name])
        (made,) = Template.from_stack(stack).find_resources("AWS::Logs::LogGroup").values()
        assert made["Properties"]["RetentionInDays"] == days


def _recovery(**change: Any) -> Environment:
    assert PRODUCTION.recovery is not None
    return replace(PRODUCTION, recovery=replace(PRODUCTION.recovery, **change))


def test_overlapping_networks_are_refused() -> None:
    """The regions could never be peered."""
    with pytest.raises(ConfigurationError, match=r"10\.0\.0\.0/16 overlaps 10\.0\.0\.0/16"):
        _recovery(network=PRODUCTION.network)


def test_a_recovery_region_is_another_one() -> None:
    """A second copy in the region that died is none."""
    with pytest.raises(ConfigurationError, match="us-east-1 is the primary region too"):
        _recovery(region="us-east-1")


def test_the_recovery_function_leaves_connections_to_others() -> None:
    """It connects without a proxy, one connection an instance."""
    with pytest.raises(ConfigurationError, match="reserved_concurrency 500 is not below"):
        _recovery(fallback=replace(PRODUCTION.fallback, reserved_concurrency=500))


def test_the_example_is_not_deployed() -> None:
    """The command line of the CDK is told to use an account that somebody owns."""
    deployment = read_deployment({**EXAMPLE, "env": "production"}.get)
    refuse_example(deployment, {})
    with pytest.raises(ConfigurationError, match="say yours"):
        refuse_example(deployment, {"CDK_CLI_VERSION": "2.1148.1"})


@pytest.mark.timeout(900)
@pytest.mark.parametrize("change", [{"env": "prod"}, {"domain": None}, {"account": "12"}])
def test_one_line_and_no_template(change: dict[str, Any], tmp_path: Path) -> None:
    """A wrong configuration writes nothing that could be deployed by mistake."""
    done = synthesize({**OWN, **change}, tmp_path)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if "Node" not in line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("cdk: ")
    assert list(tmp_path.iterdir()) == []


def test_the_figures_of_the_source_design() -> None:
    """Sizes and retention are the design document's."""
    figures = {
        name: (
            it.cluster.instance_type,
            (it.cluster.min_nodes, it.cluster.max_nodes),
            it.database.instance_class,
            (it.database.allocated_storage, it.database.max_storage),
            it.database.backup_days,
            it.database.multi_az,
            it.cache.node_type,
            (it.cache.cluster_mode, it.cache.replicas + 1),
            (it.logs.level, it.logs.retention_days),
            (it.network.cidr, it.network.nat_gateways),
        )
        for name, it in ENVIRONMENTS.items()
    }
    small = ("t3.medium", (100, 500), 7, False)
    nodes = (3, 10)
    assert figures == {
        "development": (
            "t3.medium", nodes, *small,
            "cache.t3.micro", (False, 1), ("DEBUG", 1), ("10.0.0.0/16", 1),
        ),
        "staging": (
            "t3.large", nodes, *small,
            "cache.t3.micro", (False, 2), ("INFO", 7), ("10.0.0.0/16", 1),
        ),
        "production": (
            "t3.large", nodes, "r6g.large", (100, 500), 30, True,
            "cache.r6g.large", (True, 3), ("INFO", 30), ("10.0.0.0/16", 3),
        ),
    }  # fmt: skip
    recovery = PRODUCTION.recovery
    assert recovery is not None
    assert (recovery.region, recovery.network.cidr) == ("us-west-2", "10.1.0.0/16")
