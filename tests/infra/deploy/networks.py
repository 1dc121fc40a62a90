"""The VPC of a site: subnets by block and zone, and what routes and lists let through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from cdk.config.deployment import Deployment, Site
from tests.infra.deploy.account import Account
from tests.infra.deploy.expected import SUBNETS, VPCS, Figures


def vpcs(account: Account, deployment: Deployment, site: Site) -> list[str]:
    filters = [{"Name": "tag:environment", "Values": [deployment.environment.name]}]
    found = account.listed("ec2", site.region, "describe_vpcs", "Vpcs", Filters=filters)
    return [each["VpcId"] for each in found]


def subnets(
    account: Account, deployment: Deployment, site: Site
) -> dict[str, list[dict[str, Any]]]:
    """Tier -> its subnets."""
    filters = [{"Name": "vpc-id", "Values": vpcs(account, deployment, site)}]
    tiers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in account.listed("ec2", site.region, "describe_subnets", "Subnets", Filters=filters):
        tiers[_tags(each)["aws-cdk:subnet-name"]].append(each)
    return tiers


def check(account: Account, deployment: Deployment, site: Site, figures: Figures) -> None:
    (vpc,) = vpcs(account, deployment, site)
    tiers = subnets(account, deployment, site)
    start = VPCS[site.region]
    found = {
        tier: {(each["CidrBlock"], each["AvailabilityZone"]) for each in members}
        for tier, members in tiers.items()
    }
    wanted = {
        tier: {
            (f"{start}.{end}", f"{site.region}{zone}")
            for end, zone in zip(ends, "abc", strict=True)
        }
        for tier, ends in SUBNETS.items()
    }
    assert found == wanted, f"subnets are {found}"
    _data_is_closed(account, site, vpc, {each["SubnetId"] for each in tiers["data"]})
    gateways = account.listed(
        "ec2",
        site.region,
        "describe_nat_gateways",
        "NatGateways",
        Filters=[{"Name": "vpc-id", "Values": [vpc]}],
    )
    count = 1 if site.part else figures.nat_gateways
    assert len(gateways) == count, f"{len(gateways)} NAT gateways"
    flows = account.listed("ec2", site.region, "describe_flow_logs", "FlowLogs")
    assert vpc in {each["ResourceId"] for each in flows}, "the VPC has no flow log"


def _tags(resource: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource["Tags"]}


def _data_is_closed(account: Account, site: Site, vpc: str, data: set[str]) -> None:
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    tables = account.listed(
        "ec2", site.region, "describe_route_tables", "RouteTables", Filters=filters
    )
    # moto associates no table with a subnet: whose it is, its name in the template tells.
    named = "aws:cloudformation:logical-id"
    of_data = [table for table in tables if "VpcdataSubnet" in _tags(table).get(named, "")]
    assert len(of_data) == len(data), "the data subnets have no route tables"
    for table in of_data:
        blocks = {route.get("DestinationCidrBlock") for route in table["Routes"]}
        assert "0.0.0.0/0" not in blocks, "a data subnet has a way to the internet"
    lists = account.listed(
        "ec2", site.region, "describe_network_acls", "NetworkAcls", Filters=filters
    )
    (ours,) = [each for each in lists if data & {one["SubnetId"] for one in each["Associations"]}]
    assert not ours["IsDefault"], "the data subnets have the default network ACL"
    assert data == {one["SubnetId"] for one in ours["Associations"]}, "data subnets without the ACL"
    let_in = [it for it in ours["Entries"] if it["RuleAction"] == "allow" and not it["Egress"]]
    assert let_in, "the data subnets let no address in"
    for entry in let_in:
        assert entry["CidrBlock"].startswith(f"{VPCS[site.region]}."), entry
