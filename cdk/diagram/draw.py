"""The whole drawing: names on top, a frame a region, and what is copied between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cdk.config.deployment import ENVIRONMENTS
from cdk.diagram.cards import cards_of
from cdk.diagram.svg import FAINT, LINE_HEIGHT, Page, Style, wrapped
from cdk.diagram.templates import Found, Region
from cdk.diagram.vpc import draw_vpc

WIDTH, _MARGIN, _PAD, _COLUMNS = 1160, 28, 14, 3
_FRAME = Style("#fbfbf9", "#8d96a3", dashed=True)
_CARD = Style("#ffffff", "#b5bcc6")
_NAMES = Style("#fff6e5", "#c79a3e")


def draw(environment: str, stacks: Mapping[str, Mapping[str, Any]]) -> str:
    """The SVG of an environment: the same templates give the same bytes."""
    regions = _regions(environment, stacks)
    resources = sum(len(template.get("Resources", {})) for template in stacks.values())
    about = f"Drawn from the templates: {resources} resources in {len(stacks)} stacks."
    where = " ".join(f"{it.title}: {_summary(it)}." for it in regions)
    page = Page(width=WIDTH, title=f"user-api, {environment}", about=f"{about} {where}")
    page.text(_MARGIN, 34, page.title, size=20, bold=True)
    page.text(_MARGIN, 54, about, size=12, colour=FAINT)
    y: float = 70
    names_end = _draw_names(page, regions, y)
    if names_end > y:
        page.arrow((WIDTH / 2, names_end), (WIDTH / 2, names_end + 30))
        y = names_end + 30
    for at, region in enumerate(regions):
        if at:
            y = _draw_copies(page, regions, y)
            if names_end > 70:
                edge = WIDTH - _MARGIN / 2
                page.arrow(
                    (WIDTH - _MARGIN, names_end - 20),
                    (edge, names_end - 20),
                    (edge, y + 24),
                    (WIDTH - _MARGIN, y + 24),
                )
        y = _draw_region(page, region, y)
    page.height = int(y + 20)
    return page.render()


def _regions(environment: str, stacks: Mapping[str, Mapping[str, Any]]) -> list[Region]:
    config = ENVIRONMENTS[environment]
    prefix = f"user-api-{environment}"
    recovery = f"{prefix}-dr-"
    sites = [(config.region, "primary region", False)]
    if config.recovery is not None:
        sites.append((config.recovery.region, "recovery region", True))
    return [
        Region(
            title=f"{name}, {title}" if config.recovery is not None else name,
            name=name,
            prefix=prefix,
            stacks={
                stack: body
                for stack, body in stacks.items()
                if stack.startswith(recovery) is second
            },
        )
        for name, title, second in sites
    ]


def _summary(region: Region) -> str:
    """What a reader who cannot see the drawing needs first."""
    counted = (
        (region.count("EC2::Subnet"), "subnets"),
        (region.count("EC2::NatGateway"), "NAT gateways"),
        (region.count("EKS::Cluster"), "EKS clusters"),
        (region.count("RDS::DBInstance"), "database instances"),
        (region.count("ElastiCache::ReplicationGroup"), "caches"),
        (region.count("ElasticLoadBalancingV2::LoadBalancer"), "load balancers"),
        (region.count("Lambda::Function"), "functions"),
        (region.count("S3::Bucket"), "buckets"),
        (region.count("CloudWatch::Alarm"), "alarms"),
    )
    return ", ".join(f"{count} {what}" for count, what in counted if count)


def _draw_names(page: Page, regions: Sequence[Region], y: float) -> float:
    """Route 53: a line for each record that points somewhere, the others counted."""
    lines = []
    others = 0
    for region in regions:
        for it in region.of("Route53::RecordSet"):
            if it["AliasTarget"] is None and it["Failover"] is None:
                others += 1
                continue
            role = f", {it['Failover']}" if it["Failover"] else ""
            check = ", with a health check" if it["HealthCheckId"] else ""
            target = _target(region, it)
            lines.append(
                f"{region.text(it['Name']).rstrip('.')} {it['Type']} → {target}{role}{check}"
            )
    if not lines:
        return y
    if others:
        lines.append(f"{others} further records (mail and proofs of ownership)")
    return y + page.card(_MARGIN, y, WIDTH - 2 * _MARGIN, "Route 53", lines, _NAMES)


def _target(region: Region, it: Found) -> str:
    """A name, or whose load balancer it is, in this region or in another."""
    target = it["AliasTarget.DNSName"]
    match target:
        case {"Fn::GetStackOutput": {"StackName": str(stack), "Region": str(where)}}:
            return f"load balancer of {region.short(stack)}, {where}"
        case {"Fn::GetAtt": _}:
            return f"load balancer of {it.stack}, {region.name}"
    return region.text(target or it["SetIdentifier"] or "its values")


def _draw_region(page: Page, region: Region, top: float) -> float:
    x, width = _MARGIN, WIDTH - 2 * _MARGIN
    inner, wide = x + _PAD, width - 2 * _PAD
    behind = page.mark()
    y = top + 40
    drawn = draw_vpc(page, region, inner, y, wide)
    y += drawn + (_PAD if drawn else 0)
    y = _draw_cards(page, cards_of(region), (inner, y, wide))
    page.text(x + _PAD, top + 26, region.title, size=15, bold=True)
    page.box(x, top, width, y - top, _FRAME, behind=behind)
    return y


def _draw_cards(
    page: Page, cards: Sequence[tuple[str, list[str]]], place: tuple[float, float, float]
) -> float:
    """Each card goes to the column that is the shortest so far."""
    x, top, width = place
    column = (width - _PAD * (_COLUMNS - 1)) / _COLUMNS
    bottoms = [top] * _COLUMNS
    for title, lines in cards:
        shortest = bottoms.index(min(bottoms))
        start = x + shortest * (column + _PAD)
        high = page.card(start, bottoms[shortest], column, title, lines, _CARD)
        bottoms[shortest] += high + _PAD
    return max(bottoms)


def _draw_copies(page: Page, regions: Sequence[Region], y: float) -> float:
    """What the second region gets from the first: an arrow each."""
    texts = _copies(*regions)
    wide = (WIDTH - 2 * _MARGIN) / max(1, len(texts))
    shown = [wrapped(text, wide - 40) for text in texts]
    high = max((LINE_HEIGHT * len(lines) for lines in shown), default=0) + 28
    for at, lines in enumerate(shown):
        x = _MARGIN + at * wide + 16
        page.arrow((x, y), (x, y + high))
        for row, line in enumerate(lines):
            page.text(x + 12, y + 26 + LINE_HEIGHT * row, line)
    return y + high


def _copies(first: Region, second: Region) -> list[str]:
    databases = [it for it in second.of("RDS::DBInstance") if it["SourceDBInstanceIdentifier"]]
    buckets = [it for it in first.of("S3::Bucket") if it["ReplicationConfiguration"]]
    secrets = [it for it in first.of("SecretsManager::Secret") if it["ReplicaRegions"]]
    backups = [
        rule
        for plan in first.of("Backup::BackupPlan")
        for rule in plan["BackupPlan.BackupPlanRule"] or []
        if rule.get("CopyActions")
    ]
    counted = (
        (len(databases), "read replicas of the database"),
        (len(buckets), "buckets replicated"),
        (len(secrets), "secrets replicated"),
        (second.count("KMS::ReplicaKey"), "multi-Region keys"),
        (len(backups), "backup rules that copy"),
    )
    return [f"{what}: {count}" for count, what in counted if count]
