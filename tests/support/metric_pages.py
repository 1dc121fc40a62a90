"""Reading a metrics page, and what has changed between two."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

Series = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def series(text: str) -> Series:
    """Every sample of a page but those of the process, by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.startswith("process_")
    }


def value(page: Series, name: str, **labels: str) -> float:
    """0 for what has not been counted yet."""
    return page.get((name, frozenset(labels.items())), 0)


def risen(before: Series, after: Series, name: str) -> dict[tuple[str, ...], float]:
    """How much each counter of that name has risen, by the values of its labels in the order of
    their names."""
    return {
        tuple(text for _, text in sorted(labels)): number - before.get((found, labels), 0)
        for (found, labels), number in after.items()
        if found == name and number != before.get((found, labels), 0)
    }
