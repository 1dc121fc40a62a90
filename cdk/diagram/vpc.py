"""The network of a region: zones as columns, tiers as rows, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cdk.diagram.svg import FAINT, LINE_HEIGHT, Page, Style, wrapped
from cdk.diagram.templates import Found, Region

VPC = Style("#f6f9fc", "#6b7f96")
TIERS = {
    "public": Style("#eaf5e6", "#7da66b"),
    "application": Style("#e8f0fb", "#7596c4"),
    "data": Style("#f3ecf9", "#9a7bbd"),
}
THING = Style("#ffffff", "#3d4b5c")
_LABEL, _GAP, _PAD, _TITLE = 100, 12, 10, 170


@dataclass(frozen=True)
class Bar:
    """Something that stands in all zones of its tier."""

    title: str
    lines: tuple[str, ...]


def draw_vpc(page: Page, region: Region, x: float, y: float, width: float) -> float:
    """Gives the height; nothing is drawn without a VPC."""
    for vpc in region.of("EC2::VPC")[:1]:
        return _draw(page, region, vpc, (x, y, width))
    return 0


def _draw(page: Page, region: Region, vpc: Found, place: tuple[float, float, float]) -> float:
    x, top, width = place
    subnets = region.of("EC2::Subnet")
    zones = sorted({region.text(subnet["AvailabilityZone"]) for subnet in subnets})
    column = (width - _LABEL - _PAD - _GAP * (len(zones) - 1)) / max(1, len(zones))
    starts = [x + _LABEL + at * (column + _GAP) for at in range(len(zones))]
    rows = [(tier, _bars(region, tier)) for tier in TIERS]
    heights = [_row_height(tier, bars, width - _LABEL - _PAD) for tier, bars in rows]
    height = 62 + sum(heights) + _GAP * 2 * (len(rows) - 1) + _PAD
    page.box(x, top, width, height, VPC)
    page.text(x + 12, top + 20, _about(region, vpc), size=13, bold=True)
    for start, zone in zip(starts, zones, strict=True):
        page.text(start + column / 2, top + 48, zone, size=12, colour=FAINT, middle=True)
    y = top + 58
    for (tier, bars), high in zip(rows, heights, strict=True):
        if tier != "public":
            page.arrow((x + width / 2, y - 2 * _GAP), (x + width / 2, y))
        page.text(x + 12, y + 20, tier, size=13, bold=True)
        page.text(x + 12, y + 38, "subnets", size=12, colour=FAINT)
        for start, zone in zip(starts, zones, strict=True):
            page.box(start, y, column, high, TIERS[tier])
            _subnet(page, region, (tier, zone), (start, y))
        _place_bars(page, bars, (starts[0], y + _head(tier), x + width - _PAD - starts[0]))
        y += high + 2 * _GAP
    return height


def _about(region: Region, vpc: Found) -> str:
    gateways = [_service(region, it) for it in region.of("EC2::VPCEndpoint") if _is_gateway(it)]
    parts = [f"VPC {vpc['CidrBlock']}"]
    if gateways:
        parts.append(f"gateway endpoints {', '.join(sorted(gateways))}")
    if region.count("EC2::NetworkAcl"):
        parts.append(f"{region.count('EC2::NetworkAcl')} network ACLs")
    if region.count("EC2::FlowLog"):
        parts.append("flow logs")
    return " · ".join(parts)


def _subnet(page: Page, region: Region, where: tuple[str, str], at: tuple[float, float]) -> None:
    tier, zone = where
    for subnet in region.of("EC2::Subnet"):
        if tier_of(subnet) == tier and region.text(subnet["AvailabilityZone"]) == zone:
            words = region.text(subnet["CidrBlock"])
            nat = [
                it
                for it in region.of("EC2::NatGateway")
                if region.text(it["SubnetId"]) == subnet.logical_id
            ]
            page.text(at[0] + 10, at[1] + 20, words, size=12)
            if nat:
                page.text(at[0] + 10, at[1] + 38, "NAT gateway", size=12, bold=True)


def tier_of(subnet: Found) -> str:
    """The subnet's group, from its tag, or from its name."""
    named = subnet.tag("aws-cdk:subnet-name") or subnet.tag("Name") or subnet.logical_id
    return next((tier for tier in TIERS if tier in named.lower()), "")


def _place_bars(page: Page, bars: Sequence[Bar], place: tuple[float, float, float]) -> None:
    """Each over all zones: what is drawn in one column would look as if it were in one zone."""
    x, y, width = place
    for bar in bars:
        lines = _shown(bar, width - 20)
        high = _bar_height(lines)
        page.box(x + 10, y, width - 20, high, THING)
        page.text(x + 22, y + 22, bar.title, size=13, bold=True)
        for at, line in enumerate(lines):
            page.text(x + 22 + _TITLE, y + 22 + LINE_HEIGHT * at, line)
        y += high + 8


def _shown(bar: Bar, width: float) -> list[str]:
    return [part for line in bar.lines for part in wrapped(line, width - _TITLE - 24)]


def _bar_height(lines: Sequence[str]) -> float:
    return 16 + LINE_HEIGHT * max(1, len(lines))


def _head(tier: str) -> int:
    """Room for the block of addresses, and for a NAT gateway below it."""
    return 48 if tier == "public" else 30


def _row_height(tier: str, bars: Sequence[Bar], width: float) -> float:
    return _head(tier) + 2 + sum(_bar_height(_shown(bar, width - 20)) + 8 for bar in bars)


def _bars(region: Region, tier: str) -> list[Bar]:
    return list({"public": _public, "application": _application, "data": _data}[tier](region))


def _public(region: Region) -> Iterator[Bar]:
    yield from _balancers(region, public=True)


def _balancers(region: Region, *, public: bool) -> Iterator[Bar]:
    for it in region.of("ElasticLoadBalancingV2::LoadBalancer"):
        if (it["Scheme"] == "internet-facing") is not public:
            continue
        listeners = [
            f"{each['Protocol']} {each['Port']}"
            for each in region.of("ElasticLoadBalancingV2::Listener")
            if region.text(each["LoadBalancerArn"]) == it.logical_id
        ]
        targets = {
            str(each["TargetType"]) for each in region.of("ElasticLoadBalancingV2::TargetGroup")
        }
        guarded = any(
            region.text(each["ResourceArn"]) == it.logical_id
            for each in region.of("WAFv2::WebACLAssociation")
        )
        parts = [region.short(it["Name"] or it.logical_id), str(it["Scheme"]), *sorted(listeners)]
        if guarded:
            parts.append("behind the web ACL")
        if targets:
            parts.append(f"target {', '.join(sorted(targets))}")
        yield Bar("Load balancer", (", ".join(parts),))


def _application(region: Region) -> Iterator[Bar]:
    yield from _balancers(region, public=False)
    for cluster in region.of("EKS::Cluster"):
        groups = [
            f"{it['ScalingConfig.MinSize']} to {it['ScalingConfig.MaxSize']}"
            f" nodes {', '.join(it['InstanceTypes'] or [])}"
            for it in region.of("EKS::Nodegroup")
        ]
        name = region.text(cluster["Name"] or cluster.logical_id)
        lines = [", ".join([name, f"Kubernetes {cluster['Version']}", *groups])]
        addons = sorted(region.text(it["AddonName"]) for it in region.of("EKS::Addon"))
        if addons:
            lines.append(f"add-ons {', '.join(addons)}")
        yield Bar("EKS cluster", tuple(lines))
    functions = [it for it in region.of("Lambda::Function") if it["VpcConfig"]]
    if functions:
        yield Bar("Lambda", tuple(function_line(region, it) for it in functions))
    endpoints = [
        _service(region, it) for it in region.of("EC2::VPCEndpoint") if not _is_gateway(it)
    ]
    if endpoints:
        yield Bar("Interface endpoints", (", ".join(sorted(endpoints)),))


def function_line(region: Region, it: Found) -> str:
    """Name, runtime, memory, and what is reserved for it."""
    parts = [region.short(it["FunctionName"] or it.logical_id), str(it["Runtime"])]
    parts.append(f"{it['MemorySize'] or 128} MiB")
    if it["ReservedConcurrentExecutions"] is not None:
        parts.append(f"{it['ReservedConcurrentExecutions']} at once")
    return f"{parts[0]}: {', '.join(parts[1:])}"


def _data(region: Region) -> Iterator[Bar]:
    for it in region.of("RDS::DBProxy"):
        tls = "TLS only" if it["RequireTLS"] in (True, "true") else "TLS optional"
        yield Bar("RDS Proxy", (f"{region.short(it['DBProxyName'])}, {tls}",))
    for it in region.of("RDS::DBInstance"):
        yield _database(it)
    for it in region.of("ElastiCache::ReplicationGroup"):
        replicas = it["ReplicasPerNodeGroup"]
        nodes = it["NumCacheClusters"] or (it["NumNodeGroups"] or 1) * (1 + int(replicas or 0))
        parts = [f"{it['Engine'] or 'redis'} {it['EngineVersion']}", str(it["CacheNodeType"])]
        parts.append(f"{nodes} node{'s' if int(nodes) > 1 else ''}")
        if it["TransitEncryptionEnabled"] in (True, "true"):
            parts.append("TLS, AUTH" if it["AuthToken"] else "TLS")
        yield Bar("ElastiCache", (", ".join(parts),))


def _database(it: Found) -> Bar:
    replica = it["SourceDBInstanceIdentifier"] is not None
    parts = [f"{it['Engine']} {it['EngineVersion']}"] if it["EngineVersion"] else []
    parts.append(str(it["DBInstanceClass"]))
    parts.append("Multi-AZ" if it["MultiAZ"] in (True, "true") else "one zone")
    if it["AllocatedStorage"]:
        most = it["MaxAllocatedStorage"]
        grows = f" growing to {most}" if most else ""
        parts.append(f"{it['StorageType']} {it['AllocatedStorage']} GB{grows}")
    if it["BackupRetentionPeriod"]:
        parts.append(f"backups of {it['BackupRetentionPeriod']} days")
    return Bar("RDS read replica" if replica else "RDS", (", ".join(parts),))


def _is_gateway(it: Found) -> bool:
    return (it["VpcEndpointType"] or "Gateway") == "Gateway"


def _service(region: Region, it: Found) -> str:
    """`com.amazonaws.us-east-1.ecr.dkr` is ecr.dkr."""
    return region.text(it["ServiceName"]).rpartition(f"{region.name}.")[2]
