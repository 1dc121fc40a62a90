"""One line of an estimate, and what a pricing function may look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cdk.cost.book import Assumptions, CostError

Properties = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Line:
    """`quantity` units of the price row `item`, for `what`."""

    what: str
    item: str
    quantity: float


@dataclass(frozen=True, kw_only=True)
class Site:
    """The templates of one region of an environment; `everywhere` are those of every region."""

    region: str
    assumptions: Assumptions
    here: tuple[Mapping[str, Any], ...]
    everywhere: tuple[Mapping[str, Any], ...]

    @property
    def hours(self) -> float:
        return self.assumptions.hours

    def of_type(self, kind: str, *, everywhere: bool = False) -> list[Properties]:
        templates = self.everywhere if everywhere else self.here
        return [each["Properties"] for each in resources(templates) if each["Type"] == kind]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A resource's properties, and the site it belongs to."""

    properties: Properties
    site: Site


def resources(templates: tuple[Mapping[str, Any], ...]) -> Iterator[Mapping[str, Any]]:
    """Every resource, each with Properties."""
    for template in templates:
        for resource in template.get("Resources", {}).values():
            yield {"Properties": {}, **resource}


def number(properties: Properties, name: str, default: float | None = None) -> float:
    """A property that must be a plain number: an estimate resolves no intrinsic function.

    Raises:
        CostError: it is missing without a default, or no number.
    """
    value = properties.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise CostError(f"{name} is {value!r}, not a number that can be priced") from None
