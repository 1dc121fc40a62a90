"""scripts/k8s_parameters.py against SSM as moto serves it, and against what the overlays read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import boto3
import pytest
import yaml
from moto import mock_aws

from cdk.config.deployment import ENVIRONMENTS
from cdk.constructs.published import PARAMETERS
from scripts import k8s_parameters
from tests.k8s.render import K8S, example, kustomize, scratch_copy

DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = f"registry.example/user-api@{DIGEST}"


def publish(environment: str, values: dict[str, str]) -> None:
    client = boto3.client("ssm", region_name="us-east-1")
    for name, value in values.items():
        client.put_parameter(Name=f"/user-api/{environment}/k8s/{name}", Value=value, Type="String")


@pytest.fixture
def overlays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of k8s/ whose overlays the script writes to, with AWS in this process."""
    copied = scratch_copy(tmp_path)
    for left in copied.rglob("parameters.env"):
        left.unlink()
    monkeypatch.setattr(k8s_parameters, "OVERLAYS", copied / "overlays")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield copied / "overlays"


@pytest.fixture
def published() -> dict[str, str]:
    """As a deployment with a domain publishes it."""
    return {name: value for name, value in example().items() if name != "image"}


def test_what_is_published_renders_the_overlay(
    overlays: Path, published: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """After a deployment one command makes production's overlay complete, by the image's digest."""
    publish("production", published)
    assert k8s_parameters.main(["production", "--digest", DIGEST]) == 0
    assert "web-acl-arn=arn:aws:wafv2:" in capsys.readouterr().out
    text = kustomize(overlays / "production").text
    assert f"image: {published['image-repository']}@{DIGEST}" in text
    assert published["settings-secret-arn"] in text


def test_development_needs_no_domain(overlays: Path, published: dict[str, str]) -> None:
    """Without a domain, and without a repository of its own, development is complete too."""
    publish("development", {name: published[name] for name in k8s_parameters.NEEDED})
    assert k8s_parameters.main(["development", "--image", IMAGE]) == 0
    assert f"image: {IMAGE}" in kustomize(overlays / "development").text


@pytest.mark.parametrize(
    ("without", "arguments", "said"),
    [
        (set(PARAMETERS), ["--digest", DIGEST], "is staging deployed?"),
        ({"certificate-arn"}, ["--digest", DIGEST], "not published: certificate-arn"),
        ({"image-repository"}, ["--digest", DIGEST], "say --image"),
        (set(), ["--digest", "v1.2.3"], "v1.2.3 is no digest"),
        (set(), ["--image", "registry.example/user-api:latest"], "names no image by digest"),
    ],
)
def test_what_is_missing_is_one_line(
    without: set[str],
    arguments: list[str],
    said: str,
    overlays: Path,
    published: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What would make the rollout fail later ends the command now, and nothing is written."""
    publish("staging", {name: it for name, it in published.items() if name not in without})
    assert k8s_parameters.main(["staging", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert list(overlays.rglob("parameters.env")) == []


def test_a_refusal_of_aws_is_one_line(
    overlays: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without credentials the command says so, and does not print a stack."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(overlays / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(overlays / "none"))
    assert k8s_parameters.main(["production", "--digest", DIGEST]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def sources(folder: str) -> set[str]:
    """Names of parameters that a folder's replacements read."""
    text = (K8S / folder / "kustomization.yaml").read_text()
    return set(re.findall(r"fieldPath: data\.([a-z-]+)$", text, flags=re.MULTILINE))


def test_the_script_demands_what_the_overlays_read() -> None:
    """No value that a component or an add-on puts somewhere can be missing unnoticed."""
    text = (K8S / "addons/addons.tsv").read_text(encoding="utf-8")
    by_add_ons = set(re.findall(r"[\w.\]]=([a-z-]+)", text)) - {"parameter", "domain"}
    everywhere = sources("components/wiring") | sources("platform/production") | by_add_ons
    assert everywhere == k8s_parameters.NEEDED | {"image"}
    assert sources("components/public") == k8s_parameters.NEEDED_WITH_DOMAIN


def test_the_example_has_what_cdk_publishes() -> None:
    """The checks render with the names of today; a made-up one would hide a missing one."""
    assert example().keys() - {"image"} == set(PARAMETERS)


def test_policies_name_the_networks_of_the_environments() -> None:
    """The load balancer's subnets and the VPC in the network policies are those that CDK makes."""
    documents = yaml.safe_load_all((K8S / "base" / "network-policies.yaml").read_text())
    admitted = {
        peer["ipBlock"]["cidr"]
        for each in documents
        for rule in each["spec"].get("ingress", ())
        for peer in rule["from"]
        if "ipBlock" in peer
    }
    for environment in ENVIRONMENTS.values():
        vpc = IPv4Network(environment.network.cidr)
        assert str(vpc) == "10.0.0.0/16"
        assert admitted == public_subnets(environment.name)
        assert all(IPv4Network(each).subnet_of(vpc) for each in admitted)


def public_subnets(environment: str) -> set[str]:
    """Blocks of the public subnets in the committed template."""
    place = (
        K8S.parent / "tests/infra/snapshots" / environment / f"user-api-{environment}-network.json"
    )
    resources = yaml.safe_load(place.read_text())["Resources"].values()
    return {
        each["Properties"]["CidrBlock"]
        for each in resources
        if each["Type"] == "AWS::EC2::Subnet"
        and {"Key": "aws-cdk:subnet-name", "Value": "public"} in each["Properties"]["Tags"]
    }
