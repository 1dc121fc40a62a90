"""The pipeline deploys one environment from one repository, and does nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from cdk.assembly import ROOT
from tests.infra.test_cluster import listed, of_type, only

Template = dict[str, Any]
Assemblies = Mapping[str, Mapping[str, Template]]


@pytest.fixture(params=["staging", "production"])
def environment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def template(assemblies: Assemblies, environment: str) -> Template:
    return assemblies[environment][f"user-api-{environment}-delivery"]


def test_without_a_repository_there_is_no_way_in(assemblies: Assemblies) -> None:
    assert not any(name.endswith("-delivery") for name in assemblies["development"])


def test_role_is_for_jobs_of_the_environment(template: Template, environment: str) -> None:
    """Exact claims: no branch, no pull request and no fork gets it."""
    (statement,) = deploy_role(template)["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": (
                f"repo:example/user-api:environment:{environment}"
            ),
        }
    }
    provider = only(template, "AWS::IAM::OIDCProvider")
    assert provider["Url"] == "https://token.actions.githubusercontent.com"
    assert provider["ClientIdList"] == ["sts.amazonaws.com"]


def test_role_changes_infrastructure_by_the_roles_of_the_bootstrap_only(
    template: Template,
) -> None:
    """Everything else that it may do is to read, and to open a session to the cluster's API."""
    actions = {each for it in statements(template) for each in listed(it["Action"])}
    assert actions == {
        "sts:AssumeRole",
        "ssm:GetParameter",
        "ssm:GetParameters",
        "ssm:GetParametersByPath",
        "ssm:StartSession",
        "ssm:TerminateSession",
        "ssm:ResumeSession",
        "eks:DescribeCluster",
        "ec2:DescribeInstances",
    }
    (assume,) = [it for it in statements(template) if it["Action"] == "sts:AssumeRole"]
    assert all(":role/cdk-hnb659fds-" in arn and "*" not in arn for arn in assume["Resource"])


def test_both_regions_of_production_can_be_deployed(assemblies: Assemblies) -> None:
    template = assemblies["production"]["user-api-production-delivery"]
    (assume,) = [it for it in statements(template) if it["Action"] == "sts:AssumeRole"]
    assert {arn[-9:] for arn in assume["Resource"]} == {"us-east-1", "us-west-2"}


def test_sessions_go_through_nodes_of_this_cluster_by_its_document(
    template: Template, environment: str
) -> None:
    """A shell on a node, or a tunnel to the database, would need another document."""
    starts = [it for it in statements(template) if it["Action"] == "ssm:StartSession"]
    by_document = [it for it in starts if ":document/" in str(it["Resource"])]
    on_nodes = [it for it in starts if ":instance/" in str(it["Resource"])]
    assert [str(it["Resource"]).rsplit("/", 1)[-1] for it in by_document] == [
        f"user-api-{environment}-kubernetes-api"
    ]
    (condition,) = [it["Condition"] for it in on_nodes]
    assert condition["BoolIfExists"] == {"ssm:SessionDocumentAccessCheck": "true"}
    assert "ssm:resourceTag/eks:cluster-name" in condition["StringEquals"]


def test_pipeline_may_do_in_the_cluster_what_its_group_may(template: Template) -> None:
    """A role of the namespace, which reads no Secret; no policy of EKS' own."""
    access = only(template, "AWS::EKS::AccessEntry")
    assert "AccessPolicies" not in access
    assert access["KubernetesGroups"] == ["user-api:deployers"]
    teams = list(yaml.safe_load_all((ROOT / "k8s/namespace/teams.yaml").read_text()))
    (binding,) = (
        it for it in teams if it["kind"] == "RoleBinding" and it["metadata"]["name"] == "deploy"
    )
    assert [each["name"] for each in binding["subjects"]] == ["user-api:deployers"]
    rules = [rule for it in teams if it["kind"] == "Role" for rule in it["rules"]]
    assert not [rule for rule in rules if "secrets" in rule["resources"]]


def test_images_come_through_the_cache(template: Template, environment: str) -> None:
    """ECR fetches from GitHub with a secret that is not in the template; nodes may make it so."""
    rule = only(template, "AWS::ECR::PullThroughCacheRule")
    secret = only(template, "AWS::SecretsManager::Secret")
    assert (rule["UpstreamRegistryUrl"], rule["EcrRepositoryPrefix"]) == (
        "ghcr.io",
        f"user-api-{environment}",
    )
    assert secret["Name"].startswith("ecr-pullthroughcache/")
    assert "SecretString" not in secret
    ((_, image),) = of_type(template, "AWS::SSM::Parameter")
    assert image["Value"].endswith(f".amazonaws.com/user-api-{environment}/example/user-api")


def deploy_role(template: Template) -> dict[str, Any]:
    return only(template, "AWS::IAM::Role")


def statements(template: Template) -> list[dict[str, Any]]:
    """What the deploy role may do."""
    (role,) = [id_ for id_, _ in of_type(template, "AWS::IAM::Role")]
    return [
        statement
        for _, it in of_type(template, "AWS::IAM::Policy")
        if {"Ref": role} in it["Roles"]
        for statement in it["PolicyDocument"]["Statement"]
    ]
