"""What an environment costs is told before it is deployed, and from what."""

from __future__ import annotations

import copy
import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from cdk.config.deployment import ENVIRONMENTS
from cdk.cost import __main__ as command
from cdk.cost.__main__ import report, table
from cdk.cost.book import EVERY_REGION, Assumptions, CostError, Prices
from cdk.cost.estimate import Estimate, estimate
from cdk.cost.free import FREE
from cdk.cost.rules import RULES
from cdk.cost.use import USE

Assemblies = Mapping[str, Mapping[str, dict[str, Any]]]


def _estimate(name: str, stacks: Mapping[str, Mapping[str, Any]]) -> Estimate:
    return estimate(
        ENVIRONMENTS[name], stacks, prices=Prices.read(), assumptions=Assumptions.tables()
    )


def _changed(
    stacks: Mapping[str, dict[str, Any]], kind: str, **properties: Any
) -> Mapping[str, dict[str, Any]]:
    changed = copy.deepcopy(dict(stacks))
    found = [
        resource
        for template in changed.values()
        for resource in template["Resources"].values()
        if resource["Type"] == kind
    ]
    assert found, kind
    found[0]["Properties"] |= properties
    return changed


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_stays_within_its_budget(name: str, assemblies: Assemblies) -> None:
    """The budget alarm of a deployment as described does not ring in its first month."""
    made = _estimate(name, assemblies[name])
    budget = ENVIRONMENTS[name].monthly_budget_usd
    assert made.total <= budget
    # A budget far above the estimate would warn of nothing.
    assert made.total > budget * 0.7


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_table_adds_up(name: str, assemblies: Assemblies) -> None:
    """Rows, subtotals and total are the same money, up to the rounding of cents."""
    made = _estimate(name, assemblies[name])
    text = table(made)
    money = r"([\d,]+\.\d\d)"
    rows = re.findall(rf"^\S.*us-\w+-\d .* {money}(?:  unverified)?$", text, re.MULTILINE)
    subtotals = re.findall(rf"^ +subtotal .* {money}$", text, re.MULTILINE)
    total = re.findall(rf"^total +{money}$", text, re.MULTILINE)
    assert len(rows) == len(made.rows)
    said = float(total[0].replace(",", ""))
    for parts in (rows, subtotals):
        assert sum(float(part.replace(",", "")) for part in parts) == pytest.approx(
            said, abs=0.01 * len(parts)
        )


def test_a_type_without_a_price_is_refused(assemblies: Assemblies) -> None:
    """Nothing billable enters a template unnoticed."""
    stacks = copy.deepcopy(dict(assemblies["development"]))
    name = next(iter(stacks))
    stacks[name]["Resources"]["Search"] = {"Type": "AWS::OpenSearchService::Domain"}
    with pytest.raises(CostError, match=f"AWS::OpenSearchService::Domain in {name} has no price"):
        _estimate("development", stacks)


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::RDS::DBInstance", {"DBInstanceClass": "db.t3.large"}),
        ("AWS::RDS::DBInstance", {"AllocatedStorage": "200"}),
        ("AWS::EKS::Nodegroup", {"InstanceTypes": ["t3.xlarge"]}),
        ("AWS::EKS::Nodegroup", {"ScalingConfig": {"MinSize": 5, "MaxSize": 10}}),
        ("AWS::ElastiCache::ReplicationGroup", {"NumCacheClusters": 4}),
    ],
)
def test_more_costs_more(kind: str, properties: dict[str, Any], assemblies: Assemblies) -> None:
    """A larger class, disk or number is seen in the total."""
    before = _estimate("development", assemblies["development"]).total
    changed = _changed(assemblies["development"], kind, **properties)
    assert _estimate("development", changed).total > before + 1


def test_a_class_without_a_price_is_refused(assemblies: Assemblies) -> None:
    """A price is never taken from another class."""
    changed = _changed(
        assemblies["development"], "AWS::RDS::DBInstance", DBInstanceClass="db.x2g.large"
    )
    with pytest.raises(CostError, match=r"no price of rds\.single\.db\.x2g\.large in us-east-1"):
        _estimate("development", changed)


def test_production_pays_for_what_makes_it_survive(assemblies: Assemblies) -> None:
    """Both instances of Multi-AZ, the replica, three NAT gateways and the second region's one."""
    made = _estimate("production", assemblies["production"])
    found = {(row.price.item, row.region): row for row in made.rows}
    hours = Assumptions(Assumptions.tables(), "production").hours
    assert found["rds.multi.db.r6g.large", "us-east-1"].quantity == hours
    assert found["rds.single.db.r6g.large", "us-west-2"].quantity == hours
    assert found["rds.single.gp3_gb", "us-west-2"].quantity == 100
    assert found["nat.hour", "us-east-1"].quantity == 3 * hours
    assert found["nat.hour", "us-west-2"].quantity == hours
    assert found["elasticache.cache.r6g.large", "us-east-1"].quantity == 3 * hours


def test_every_price_has_its_date_and_source() -> None:
    """A reader can look a price up where it was read, or sees that it was not."""
    rows = Prices.read().rows
    for row in rows:
        assert date.fromisoformat(row.date).year >= 2024
        assert row.usd > 0
        assert row.unit
        assert len(row.source) > 20
        assert row.region in {EVERY_REGION, "us-east-1", "us-west-2"}
        if row.verified:
            assert re.search(r"@[0-9a-f]{40} \S+|^page ", row.source), row
        else:
            assert "no source" in row.source or "no dated source" in row.source, row
    assert sum(row.verified for row in rows) >= 50


def test_unverified_prices_are_marked(assemblies: Assemblies) -> None:
    """What rests on no source is said beside the figure, and added up."""
    made = _estimate("production", assemblies["production"])
    marked = [line for line in table(made).splitlines() if line.endswith(" unverified")]
    assert len(marked) == sum(not row.price.verified for row in made.rows) > 0
    assert f"{made.unverified:,.2f} of the total rest on prices marked unverified" in table(made)


def test_no_type_is_both_free_and_priced() -> None:
    """One place says what a type costs; a type paid by use alone is in both others."""
    assert not FREE & set(RULES)
    assert set(USE) <= set(RULES) | {"AWS::Route53::RecordSet"}


def test_every_assumption_is_for_every_environment_and_used(assemblies: Assemblies) -> None:
    """The file holds no figure that changes nothing."""
    tables = Assumptions.tables()
    used = {
        name
        for environment, stacks in assemblies.items()
        for _, assumptions in _estimate(environment, stacks).assumptions
        for name in assumptions.used
    }
    assert used == set(tables) - {"hours_a_month"}
    for name in used:
        assert set(tables[name]) == {*ENVIRONMENTS, "recovery", "about"}, name


def test_what_is_above_its_budget_is_told_and_fails(
    assemblies: Assemblies, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither what is within it nor what is above it by cents is taken for the other."""
    made = _estimate("staging", assemblies["staging"])
    above = math.floor(made.total)
    for budget, status, said in (
        (above + 1, 0, ""),
        (above, 1, "cost: staging is above its budget\n"),
    ):
        environment = replace(made.environment, monthly_budget_usd=budget)
        assert report(replace(made, environment=environment)) == status
        out, err = capsys.readouterr()
        assert out.endswith(f"The budget of staging is {budget:,} USD a month.\n")
        assert err == said


@pytest.mark.parametrize(
    ("names", "asked"),
    [([], list(ENVIRONMENTS)), (["production", "staging"], ["production", "staging"])],
)
def test_one_that_is_above_its_budget_fails_for_all(
    monkeypatch: pytest.MonkeyPatch, names: list[str], asked: list[str]
) -> None:
    """Every environment is told, and those behind it take nothing back."""
    told: list[str] = []

    def made(name: str) -> str:
        told.append(name)
        return name

    monkeypatch.setattr(command, "_estimate", made)
    for above in asked:
        told.clear()
        monkeypatch.setattr(command, "report", lambda name, above=above: int(name == above))
        monkeypatch.setattr(sys, "argv", ["cost", *names])
        assert command.main() == 1
        assert told == asked
    monkeypatch.setattr(command, "report", lambda _: 0)
    assert command.main() == 0


def test_two_prices_of_one_item_are_refused() -> None:
    """Which of them holds would be chance."""
    rows = [vars(row) for row in Prices.read().rows[:1]]
    with pytest.raises(CostError, match="same region and item"):
        Prices(json.loads(json.dumps(rows * 2)))
