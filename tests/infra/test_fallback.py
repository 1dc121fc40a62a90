"""The core on Lambda: who may call it, what it may do, what calls it every minute."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from cdk.config.deployment import ENVIRONMENTS, read_deployment
from cdk.config.model import ConfigurationError
from cdk.constructs.lambda_package import lambda_package
from handler import worker
from tests.infra.conftest import Template
from tests.infra.properties import resources

Assemblies = Mapping[str, Mapping[str, Template]]

PUBLIC = ("staging-fallback", "production-fallback", "production-dr-fallback")
EVERY = ("development-fallback", *PUBLIC)


@pytest.fixture
def fallback(request: pytest.FixtureRequest, assemblies: Assemblies) -> Template:
    environment = request.param.split("-")[0]
    return assemblies[environment][f"user-api-{request.param}"]


def attributes(template: Template, kind: str, of: str) -> dict[str, Any]:
    ((_, it),) = resources(template, f"AWS::ElasticLoadBalancingV2::{kind}")
    return {each["Key"]: each["Value"] for each in it[of]}


def ingress(template: Template) -> set[tuple[str, int]]:
    """Address blocks and ports that any group of the template lets in."""
    return {
        (rule["CidrIp"], rule["FromPort"])
        for _, group in resources(template, "AWS::EC2::SecurityGroup")
        for rule in group.get("SecurityGroupIngress", ())
    }


def allowed(template: Template) -> Iterator[str]:
    for _, policy in resources(template, "AWS::IAM::Policy"):
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                action = statement["Action"]
                yield from [action] if isinstance(action, str) else action


@pytest.mark.parametrize("fallback", PUBLIC, indirect=True)
def test_public_load_balancer_speaks_tls_alone(fallback: Template) -> None:
    """HTTPS with TLS 1.2 or 1.3; port 80 says where that is; nothing else is open."""
    listeners = {
        it["Port"]: it for _, it in resources(fallback, "AWS::ElasticLoadBalancingV2::Listener")
    }
    assert set(listeners) == {80, 443}
    assert listeners[443]["SslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2-Res")
    assert listeners[443]["DefaultActions"][0]["Type"] == "forward"
    assert listeners[80]["DefaultActions"][0]["RedirectConfig"]["Protocol"] == "HTTPS"
    assert ingress(fallback) == {("0.0.0.0/0", 80), ("0.0.0.0/0", 443)}


def test_without_a_domain_only_the_vpc_gets_in(assemblies: Assemblies) -> None:
    fallback = assemblies["development"]["user-api-development-fallback"]
    ((_, balancer),) = resources(fallback, "AWS::ElasticLoadBalancingV2::LoadBalancer")
    assert balancer["Scheme"] == "internal"
    assert ingress(fallback) == {(ENVIRONMENTS["development"].network.cidr, 80)}


@pytest.mark.parametrize("fallback", EVERY, indirect=True)
def test_load_balancer_is_strict_logged_and_guarded(fallback: Template) -> None:
    """It drops invalid headers, refuses what may be smuggled, writes logs and has the web ACL."""
    its = attributes(fallback, "LoadBalancer", "LoadBalancerAttributes")
    assert its["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert its["routing.http.desync_mitigation_mode"] == "strictest"
    assert its["access_logs.s3.enabled"] == "true"
    assert len(list(resources(fallback, "AWS::WAFv2::WebACLAssociation"))) == 1


@pytest.mark.parametrize("fallback", EVERY, indirect=True)
def test_function_gets_every_header(fallback: Template) -> None:
    """Without it the load balancer hands on the last of two headers of one name."""
    its = attributes(fallback, "TargetGroup", "TargetGroupAttributes")
    assert its["lambda.multi_value_headers.enabled"] == "true"


@pytest.mark.parametrize("fallback", EVERY, indirect=True)
def test_only_this_account_may_invoke_the_alias(fallback: Template) -> None:
    """Never the function itself, whose newest code may not be live yet."""
    ((alias, _),) = resources(fallback, "AWS::Lambda::Alias")
    permissions = [it for _, it in resources(fallback, "AWS::Lambda::Permission")]
    assert permissions
    for permission in permissions:
        assert permission["FunctionName"] == {"Ref": alias}
        assert "SourceArn" in permission or permission.get("SourceAccount") == "123456789012"


@pytest.mark.parametrize("fallback", EVERY, indirect=True)
def test_every_job_of_the_worker_runs_each_minute(fallback: Template) -> None:
    """The jobs that the handler knows are the jobs that are scheduled, and failures are kept."""
    ((alias, _),) = resources(fallback, "AWS::Lambda::Alias")
    jobs = set()
    for _, rule in resources(fallback, "AWS::Events::Rule"):
        (target,) = rule["Targets"]
        assert rule["ScheduleExpression"] == "rate(1 minute)"
        assert target["Arn"] == {"Ref": alias}
        assert "DeadLetterConfig" in target
        jobs.add(json.loads(target["Input"])["job"])
    assert jobs == set(worker._JOBS)


@pytest.mark.parametrize("fallback", EVERY, indirect=True)
def test_function_holds_no_secret_and_knows_where_they_are(fallback: Template) -> None:
    ((_, function),) = resources(fallback, "AWS::Lambda::Function")
    names = set(function["Environment"]["Variables"])
    assert {"SETTINGS_SECRET_ARN", "DATABASE_SECRET_ARN", "DATABASE_HOST"} <= names
    assert not names & {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"}


@pytest.mark.parametrize("fallback", EVERY, indirect=True)
def test_function_may_read_write_and_sign_but_delete_nothing(fallback: Template) -> None:
    """It deletes messages it has handled and its own network interfaces; no object, no key."""
    actions = set(allowed(fallback))
    assert {"secretsmanager:GetSecretValue", "kms:Sign", "s3:PutObject"} <= actions
    deleting = {action for action in actions if ":Delete" in action or ":Bypass" in action}
    assert deleting <= {"sqs:DeleteMessage", "ec2:DeleteNetworkInterface"}
    assert not any("*" in action for action in actions)


def test_second_region_leaves_connections_of_its_replica_free(assemblies: Assemblies) -> None:
    """There is no proxy: more invocations than connections would shut administrators out."""
    recovery = ENVIRONMENTS["production"].recovery
    assert recovery is not None
    fallback = assemblies["production"]["user-api-production-dr-fallback"]
    ((_, function),) = resources(fallback, "AWS::Lambda::Function")
    assert 0 < function["ReservedConcurrentExecutions"] < recovery.database_connections
    assert "CACHE_SECRET_ARN" not in function["Environment"]["Variables"]


def test_real_account_gets_no_placeholder(tmp_path: Path) -> None:
    """One line says what to build; nothing is deployed that cannot serve."""
    context = {"env": "development", "account": "210987654321"}
    app = App(context={**context, "lambda_package": str(tmp_path / "none.zip")})
    deployment = read_deployment(app.node.try_get_context)
    with pytest.raises(ConfigurationError, match="make lambda-package"):
        lambda_package(app, deployment)
