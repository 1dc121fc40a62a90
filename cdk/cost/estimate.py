"""The estimate of an environment: every resource priced, known to be free, or refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cdk.config.model import Environment
from cdk.cost.book import Assumptions, CostError, Price, Prices
from cdk.cost.free import FREE
from cdk.cost.lines import Found, Line, Site, resources
from cdk.cost.rules import RULES
from cdk.cost.use import use_of

Stacks = Mapping[str, Mapping[str, Any]]
"""Stack name -> template."""

_SERVICES = {
    "AWS::EC2::VPC": "Data transfer",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "Load balancing",
    "AWS::KinesisFirehose::DeliveryStream": "Firehose",
    "AWS::Logs::LogGroup": "CloudWatch",
    "AWS::Logs::MetricFilter": "CloudWatch",
    "AWS::SSM::Parameter": "Systems Manager",
    "AWS::SecretsManager::Secret": "Secrets Manager",
    "AWS::WAFv2::WebACL": "WAF",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table: the same thing in the same region is added up."""

    service: str
    region: str
    what: str
    quantity: float
    price: Price

    @property
    def usd(self) -> float:
        return self.quantity * self.price.usd


@dataclass(frozen=True, kw_only=True)
class Estimate:
    environment: Environment
    rows: tuple[Row, ...]
    assumptions: tuple[tuple[str, Assumptions], ...]

    @property
    def total(self) -> float:
        """USD a month, without taxes and discounts."""
        return sum(row.usd for row in self.rows)

    @property
    def unverified(self) -> float:
        """USD a month that rest on prices without a source."""
        return sum(row.usd for row in self.rows if not row.price.verified)


def estimate(
    environment: Environment, stacks: Stacks, *, prices: Prices, assumptions: Mapping[str, Any]
) -> Estimate:
    """Raises CostError for a type, a price or a figure that is not known."""
    sites = list(_sites(environment, stacks, assumptions))
    _refuse_unknown(stacks)
    added: dict[tuple[str, str, str, str], float] = {}
    for site in sites:
        for service, line in _lines(site):
            key = (service, site.region, line.what, line.item)
            added[key] = added.get(key, 0) + line.quantity
    rows = (
        Row(
            service=service,
            region=region,
            what=what,
            quantity=quantity,
            price=prices.of(region, item),
        )
        for (service, region, what, item), quantity in sorted(added.items())
        if quantity
    )
    return Estimate(
        environment=environment,
        rows=tuple(rows),
        assumptions=tuple((site.region, site.assumptions) for site in sites),
    )


def _sites(
    environment: Environment, stacks: Stacks, assumptions: Mapping[str, Any]
) -> Iterator[Site]:
    prefix = f"user-api-{environment.name}-dr-"
    there = {name: body for name, body in stacks.items() if name.startswith(prefix)}
    here = tuple(body for name, body in stacks.items() if name not in there)
    everywhere = tuple(stacks.values())
    yield Site(
        region=environment.region,
        assumptions=Assumptions(assumptions, environment.name),
        here=here,
        everywhere=everywhere,
    )
    if environment.recovery is not None:
        yield Site(
            region=environment.recovery.region,
            assumptions=Assumptions(assumptions, "recovery"),
            here=tuple(there.values()),
            everywhere=everywhere,
        )


def _refuse_unknown(stacks: Stacks) -> None:
    for stack, template in stacks.items():
        for resource in resources((template,)):
            if resource["Type"] not in RULES and resource["Type"] not in FREE:
                raise CostError(f"{resource['Type']} in {stack} has no price and is not free")


def _lines(site: Site) -> Iterator[tuple[str, Line]]:
    seen: set[str] = set()
    for resource in resources(site.here):
        kind = resource["Type"]
        service = _SERVICES.get(kind, kind.split("::")[1])
        rule = RULES.get(kind)
        found = rule(Found(properties=resource["Properties"], site=site)) if rule else []
        if kind not in seen:
            seen.add(kind)
            found = [*found, *use_of(kind, site)]
        for line in found:
            yield service, line
