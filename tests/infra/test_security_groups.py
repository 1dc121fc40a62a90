"""Who may talk to whom: every rule of every security group, against a table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.infra.conftest import Template
from tests.infra.properties import resources

Rule = tuple[str, str, str, str, Any, Any]
"""Direction, group, peer, protocol, first and last port."""

# A part of the logical id, or of what is published of it -> who that is.
GROUPS = {
    "EndpointsSecurityGroup": "endpoints",
    "DatabaseInstanceSecurityGroup": "instance",
    "DatabaseProxySecurityGroup": "proxy",
    "LoginRotationSecurityGroup": "rotation",
    "CacheSecurityGroup": "cache",
    "KubernetesControlPlane": "control plane",
    "ClusterSecurityGroupId": "nodes",
    "FrontSecurityGroup": "front",
    "ApiSecurityGroup": "lambda",
    "CidrBlock": "the VPC",
}
# What the CDK writes where nothing may go out: a rule that no packet meets.
NOWHERE = {"CidrIp": "255.255.255.255/32", "IpProtocol": "icmp", "FromPort": 252, "ToPort": 86}
# PostgreSQL's and Redis' ports, HTTPS, HTTP; "port" is what RDS says that the database's is.
BESIDE_DATA: set[Rule] = {
    ("in", "instance", "proxy", "tcp", "port", "port"),
    ("out", "proxy", "instance", "tcp", "port", "port"),
    ("in", "instance", "rotation", "tcp", 5432, 5432),
    ("out", "rotation", "instance", "tcp", 5432, 5432),
    ("out", "rotation", "the VPC", "tcp", 443, 443),
    ("in", "instance", "nodes", "tcp", 5432, 5432),
    ("in", "proxy", "nodes", "tcp", 5432, 5432),
    ("in", "cache", "nodes", "tcp", 6379, 6379),
    ("in", "proxy", "lambda", "tcp", 5432, 5432),
    ("out", "lambda", "proxy", "tcp", 5432, 5432),
    ("in", "cache", "lambda", "tcp", 6379, 6379),
    ("out", "lambda", "cache", "tcp", 6379, 6379),
}
# The replica has neither proxy nor cache beside it.
BESIDE_REPLICA: set[Rule] = {
    ("in", "instance", "lambda", "tcp", 5432, 5432),
    ("out", "lambda", "instance", "tcp", 5432, 5432),
}
OUTSIDE: set[Rule] = {("out", "lambda", "0.0.0.0/0", "tcp", 443, 443)}
PUBLIC: set[Rule] = {
    ("in", "front", "0.0.0.0/0", "tcp", 443, 443),
    ("in", "front", "0.0.0.0/0", "tcp", 80, 80),
}
PRIVATE: set[Rule] = {("in", "front", "10.0.0.0/16", "tcp", 80, 80)}


def endpoints(network: str) -> set[Rule]:
    """From the three application subnets alone."""
    return {
        ("in", "endpoints", f"{network}.{third}.0/19", "tcp", 443, 443) for third in (0, 32, 64)
    }


SITES = {
    "development": BESIDE_DATA | OUTSIDE | PRIVATE | endpoints("10.0"),
    "staging": BESIDE_DATA | OUTSIDE | PUBLIC | endpoints("10.0"),
    "production": BESIDE_DATA | OUTSIDE | PUBLIC | endpoints("10.0"),
    "production-dr": BESIDE_REPLICA | OUTSIDE | PUBLIC | endpoints("10.1"),
}


def who(value: object) -> str:
    if isinstance(value, str) and value[0].isdigit():
        return value
    text = json.dumps(value)
    (name,) = {name for part, name in GROUPS.items() if part in text}
    return name


def rule_of(direction: str, group: object, rule: Mapping[str, Any]) -> Rule:
    peers = [
        rule[key]
        for key in (
            "CidrIp",
            "CidrIpv6",
            "SourceSecurityGroupId",
            "DestinationSecurityGroupId",
            "SourcePrefixListId",
            "DestinationPrefixListId",
        )
        if key in rule
    ]
    (peer,) = peers
    first, last = (
        "port" if "Endpoint.Port" in json.dumps(port) else port
        for port in (rule["FromPort"], rule["ToPort"])
    )
    return (direction, who(group), who(peer), rule["IpProtocol"], first, last)


def rules(stacks: Mapping[str, Template]) -> Iterator[Rule]:
    for template in stacks.values():
        for name, group in resources(template, "AWS::EC2::SecurityGroup"):
            for rule in group.get("SecurityGroupIngress", ()):
                yield rule_of("in", name, rule)
            for rule in group.get("SecurityGroupEgress", ()):
                if not NOWHERE.items() <= rule.items():
                    yield rule_of("out", name, rule)
        for direction, kind in (("in", "Ingress"), ("out", "Egress")):
            for _, rule in resources(template, f"AWS::EC2::SecurityGroup{kind}"):
                yield rule_of(direction, rule["GroupId"], rule)


@pytest.mark.parametrize("site", SITES)
def test_the_rules_are_those_of_the_table(
    assemblies: Mapping[str, Mapping[str, Template]], site: str
) -> None:
    """Group, peer, protocol and ports, each once: EC2 refuses the same rule twice."""
    environment, _, recovery = site.partition("-")
    stacks = {
        name: template
        for name, template in assemblies[environment].items()
        if ("-dr-" in name) is bool(recovery)
    }
    assert Counter(rules(stacks)) == Counter(SITES[site])
