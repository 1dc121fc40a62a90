"""The two tables an estimate is made from: prices, and what a month's use is taken to be."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PRICES = HERE / "prices.json"
ASSUMPTIONS = HERE / "assumptions.toml"
EVERY_REGION = "any"


class CostError(Exception):
    """The estimate cannot be made; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """`usd` for one `unit`. `verified`: a source states this price for this region."""

    region: str
    item: str
    usd: float
    unit: str
    date: str
    source: str
    verified: bool


class Prices:
    """prices.json by region and item; a row of every region stands in for any."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = [Price(**row) for row in rows]
        self._by = {(row.region, row.item): row for row in self.rows}
        if len(self._by) != len(self.rows):
            raise CostError("prices: two rows have the same region and item")

    @classmethod
    def read(cls, path: Path = PRICES) -> Prices:
        return cls(json.loads(path.read_text(encoding="utf-8"))["prices"])

    def of(self, region: str, item: str) -> Price:
        """Raises CostError when there is no such row."""
        found = self._by.get((region, item)) or self._by.get((EVERY_REGION, item))
        if found is None:
            raise CostError(f"prices.json has no price of {item} in {region}")
        return found


class Assumptions:
    """assumptions.toml for one scope: an environment, or `recovery` for its second region."""

    def __init__(self, tables: Mapping[str, Any], scope: str) -> None:
        self._tables = tables
        self._scope = scope
        self.used: dict[str, float] = {}

    @staticmethod
    def tables(path: Path = ASSUMPTIONS) -> Mapping[str, Any]:
        return tomllib.loads(path.read_text(encoding="utf-8"))

    @property
    def hours(self) -> float:
        return float(self._tables["hours_a_month"])

    def __getitem__(self, name: str) -> float:
        """Raises CostError when the figure is missing; what is read is remembered for the table."""
        try:
            figure = float(self._tables[name][self._scope])
        except KeyError:
            raise CostError(f"assumptions.toml has no {name} for {self._scope}") from None
        self.used[name] = figure
        return figure

    def about(self, name: str) -> str:
        return str(self._tables[name]["about"])
