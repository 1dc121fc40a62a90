"""`python -m cdk.cost [ENV ...]`: what each costs a month. 1 above its budget, 2 unknown."""

from __future__ import annotations

import sys
import tempfile
from itertools import groupby
from pathlib import Path

from cdk.assembly import synthesize
from cdk.config.deployment import ENVIRONMENTS
from cdk.config.model import ConfigurationError
from cdk.cost.book import Assumptions, CostError, Prices
from cdk.cost.estimate import Estimate, Row, estimate

_FORM = "{:<17}{:<11}{:<40}{:>15}  {:<13}{:>12}  {}"
_HEAD = ("service", "region", "what", "quantity", "unit", "USD a month", "")
_WIDE = 17 + 11 + 40 + 15 + 2 + 13


def table(made: Estimate) -> str:
    """Rows by service with their subtotals, the total, and what it rests on."""
    lines = [_FORM.format(*_HEAD)]
    for service, group in groupby(made.rows, key=lambda row: row.service):
        rows = list(group)
        lines.extend(_FORM.format(*_cells(row)) for row in rows)
        subtotal = sum(row.usd for row in rows)
        lines.append(f"{'':<28}{'subtotal ' + service:<{_WIDE - 28}}{subtotal:>12,.2f}")
    lines += [f"{'total':<{_WIDE}}{made.total:>12,.2f}", "", *_grounds(made)]
    return "".join(line.rstrip() + "\n" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    figures = f"{row.quantity:,.2f}", row.price.unit, f"{row.usd:,.2f}"
    return row.service, row.region, row.what, *figures, "" if row.price.verified else "unverified"


def _grounds(made: Estimate) -> list[str]:
    dates = sorted(row.price.date for row in made.rows)
    lines = [
        f"Prices of {dates[0]} to {dates[-1]}; cdk/cost/prices.json names the source of each.",
        f"{made.unverified:,.2f} of the total rest on prices marked unverified.",
        "On demand, without taxes, discounts and free tiers. A month's use is taken to be",
        "(cdk/cost/assumptions.toml):",
    ]
    for region, assumptions in made.assumptions:
        lines.append(f"  {region}: {assumptions.hours:g} hours")
        lines.extend(
            f"    {name:<32}{figure:>8g}  {assumptions.about(name)}"
            for name, figure in sorted(assumptions.used.items())
        )
    return lines


def report(made: Estimate) -> int:
    """Prints the table and the budget; 1 if the total is above it, else 0."""
    sys.stdout.write(table(made))
    name, budget = made.environment.name, made.environment.monthly_budget_usd
    print(f"The budget of {name} is {budget:,} USD a month.")
    if made.total <= budget:
        return 0
    print(f"cost: {name} is above its budget", file=sys.stderr)
    return 1


def main() -> int:
    status = 0
    for name in sys.argv[1:] or list(ENVIRONMENTS):
        try:
            status = max(status, report(_estimate(name)))
        except (ConfigurationError, CostError) as error:
            print(f"cost: {error}", file=sys.stderr)
            return 2
    return status


def _estimate(name: str) -> Estimate:
    with tempfile.TemporaryDirectory() as out:
        stacks = synthesize(name, Path(out)).stacks
        return estimate(
            ENVIRONMENTS[name],
            {stack.stack_name: stack.template for stack in stacks},
            prices=Prices.read(),
            assumptions=Assumptions.tables(),
        )


if __name__ == "__main__":
    sys.exit(main())
