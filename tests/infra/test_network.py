"""The network as the design draws it: three tiers in three zones, and the data tier shut."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any

import pytest

Assemblies = Mapping[str, Mapping[str, dict[str, Any]]]

SITES = [
    ("development", "user-api-development-network", "10.0.0.0/16", "us-east-1", 1),
    ("staging", "user-api-staging-network", "10.0.0.0/16", "us-east-1", 1),
    ("production", "user-api-production-network", "10.0.0.0/16", "us-east-1", 3),
    ("production", "user-api-production-dr-network", "10.1.0.0/16", "us-west-2", 1),
]
each_site = pytest.mark.parametrize(("environment", "stack", "cidr", "region", "gateways"), SITES)


@each_site
def test_three_tiers_in_three_zones(
    assemblies: Assemblies, environment: str, stack: str, cidr: str, region: str, gateways: int
) -> None:
    """Each tier has a subnet of its own in each zone, within the VPC, and none overlaps another."""
    template = assemblies[environment][stack]
    (vpc,) = _of(template, "AWS::EC2::VPC").values()
    assert vpc["CidrBlock"] == cidr
    subnets = list(_of(template, "AWS::EC2::Subnet").values())
    places = {(_tier(subnet), subnet["AvailabilityZone"]) for subnet in subnets}
    assert places == {
        (tier, f"{region}{zone}") for tier in ("public", "application", "data") for zone in "abc"
    }
    blocks = [IPv4Network(subnet["CidrBlock"]) for subnet in subnets]
    assert len(blocks) == 9
    assert all(block.subnet_of(IPv4Network(cidr)) for block in blocks)
    assert not any(a.overlaps(b) for i, a in enumerate(blocks) for b in blocks[i + 1 :])
    assert len(_of(template, "AWS::EC2::NatGateway")) == gateways


@each_site
def test_data_subnets_take_only_database_and_cache(
    assemblies: Assemblies, environment: str, stack: str, cidr: str, region: str, gateways: int
) -> None:
    """From the application's subnets come 5432 and 6379; nothing comes from the internet."""
    template = assemblies[environment][stack]
    subnets = _of(template, "AWS::EC2::Subnet")
    blocks = {
        tier: {it["CidrBlock"] for it in subnets.values() if _tier(it) == tier}
        for tier in ("application", "data")
    }
    ingress: set[tuple[str, tuple[int, int]]] = set()
    egress: set[tuple[str, tuple[int, int]]] = set()
    for rule in _of(template, "AWS::EC2::NetworkAclEntry").values():
        if "ListsData" not in rule["NetworkAclId"]["Ref"]:
            continue
        ports = (rule["PortRange"]["From"], rule["PortRange"]["To"])
        assert (rule["Protocol"], rule["RuleAction"]) == (6, "allow")
        (egress if rule.get("Egress") else ingress).add((rule["CidrBlock"], ports))
    ephemeral = (1024, 65535)
    within = {(block, ephemeral) for block in blocks["data"]}
    assert ingress == within | {
        (block, (port, port)) for block in blocks["application"] for port in (5432, 6379)
    }
    assert egress == within | {(block, ephemeral) for block in blocks["application"]}
    shut = {
        str(it["SubnetId"])
        for it in _of(template, "AWS::EC2::SubnetNetworkAclAssociation").values()
        if "ListsData" in it["NetworkAclId"]["Ref"]
    }
    assert shut == {str({"Ref": name}) for name, it in subnets.items() if _tier(it) == "data"}


@each_site
def test_all_traffic_is_recorded_and_aws_is_asked_inside(
    assemblies: Assemblies, environment: str, stack: str, cidr: str, region: str, gateways: int
) -> None:
    """Flow logs hold all traffic; secrets, signatures and logs do not leave the network."""
    template = assemblies[environment][stack]
    (flow,) = _of(template, "AWS::EC2::FlowLog").values()
    assert (flow["TrafficType"], flow["LogDestinationType"]) == ("ALL", "cloud-watch-logs")
    (group,) = _of(template, "AWS::Logs::LogGroup").values()
    days = {"development": 1, "staging": 7, "production": 30}[environment]
    assert group["RetentionInDays"] == days
    assert "KmsKeyId" in group
    endpoints = _of(template, "AWS::EC2::VPCEndpoint").values()
    inside = {it["ServiceName"]: it for it in endpoints if it["VpcEndpointType"] == "Interface"}
    wanted = {"secretsmanager", "kms", "logs"}
    if region == "us-east-1":
        wanted |= {"ecr.api", "ecr.dkr", "eks-auth"}
    assert inside.keys() == {f"com.amazonaws.{region}.{service}" for service in wanted}
    assert all(len(it["SubnetIds"]) == gateways for it in inside.values())
    assert not [name for name in template["Resources"] if name.startswith("Custom")]


def _of(template: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: it.get("Properties", {})
        for name, it in template["Resources"].items()
        if it["Type"] == kind
    }


def _tier(subnet: Mapping[str, Any]) -> str:
    tags = {tag["Key"]: tag["Value"] for tag in subnet["Tags"]}
    return str(tags["aws-cdk:subnet-name"])
