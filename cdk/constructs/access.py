"""Network ACLs: what may pass between the tiers when a security group is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

POSTGRES_PORT = 5432
REDIS_PORT = 6379
_EPHEMERAL = ec2.AclTraffic.tcp_port_range(1024, 65535)
_ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class Rule:
    """TCP traffic with the addresses of `cidr`, that is let through."""

    cidr: str
    traffic: ec2.AclTraffic


class AccessLists(Construct):
    """One ACL a tier. They have no memory, so each lets the answers through too."""

    def __init__(self, scope: Construct, id_: str, *, vpc: ec2.IVpc, cidr: str) -> None:
        super().__init__(scope, id_)
        application = _blocks(vpc, "application")
        data = _blocks(vpc, "data")
        inside = Rule(cidr, ec2.AclTraffic.all_traffic())
        answers = Rule(_ANYWHERE, _EPHEMERAL)
        outside = Rule(_ANYWHERE, ec2.AclTraffic.all_traffic())
        web = [Rule(_ANYWHERE, ec2.AclTraffic.tcp_port(port)) for port in (80, 443)]
        self._add("public", vpc, ingress=[inside, answers, *web], egress=[outside])
        self._add("application", vpc, ingress=[inside, answers], egress=[outside])
        # Within the tier the proxy asks the database and the cache's nodes one another.
        within = [Rule(block, _EPHEMERAL) for block in data]
        asked = [
            Rule(block, ec2.AclTraffic.tcp_port(port))
            for port in (POSTGRES_PORT, REDIS_PORT)
            for block in application
        ]
        self._add(
            "data",
            vpc,
            ingress=asked + within,
            egress=[Rule(block, _EPHEMERAL) for block in application] + within,
        )

    def _add(
        self, tier: str, vpc: ec2.IVpc, *, ingress: Iterable[Rule], egress: Iterable[Rule]
    ) -> None:
        acl = ec2.NetworkAcl(
            self,
            tier.capitalize(),
            vpc=vpc,
            subnet_selection=ec2.SubnetSelection(subnet_group_name=tier),
        )
        for direction, rules in (
            (ec2.TrafficDirection.INGRESS, ingress),
            (ec2.TrafficDirection.EGRESS, egress),
        ):
            for number, rule in enumerate(rules, start=1):
                acl.add_entry(
                    f"{direction.name.capitalize()}{number}",
                    cidr=ec2.AclCidr.ipv4(rule.cidr),
                    rule_number=number * 10,
                    traffic=rule.traffic,
                    direction=direction,
                )


def _blocks(vpc: ec2.IVpc, tier: str) -> list[str]:
    found = vpc.select_subnets(subnet_group_name=tier).subnets
    return [subnet.ipv4_cidr_block for subnet in found]
