"""docs/statements.md: how many statements each request runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.sections import read_section, write_section
from tests.plans.tour import Run, Tour

pytestmark = [pytest.mark.plans, pytest.mark.timeout(600)]

DOCUMENT = Path(__file__).parents[2] / "docs" / "statements.md"


def rendered(runs: list[Run]) -> str:
    head = ["| asked for | case | statements | control |", "|---|---|---:|---:|"]
    rows = [
        f"| {run.what} | {run.case} | {len(run.statements)} | {run.control} |"
        for run in sorted(runs, key=lambda run: _place(run.what))
    ]
    return "\n".join([*head, *rows, ""])


def _place(what: str) -> tuple[bool, str, str]:
    """Requests by path, then the rest; the order of the tour among equals."""
    method, slash, path = what.partition(" /")
    return not slash, path, method


def test_every_route_was_asked(tour: Tour) -> None:
    """The table leaves out no operation of the API."""
    document = tour.server.client().request("GET", "/openapi.json").json()
    operations = {
        f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item
    }
    assert operations <= {run.what for run in tour.runs}


def test_reading_oneself_is_one_statement(tour: Tour) -> None:
    """Session, user, roles, permissions and recovery epoch in one round trip."""
    (run,) = [run for run in tour.runs if (run.what, run.case) == ("GET /v1/users/me", "")]
    assert (len(run.statements), run.control) == (1, 0)


def test_the_committed_table_is_current(tour: Tour, write_tables: bool) -> None:
    """A request that runs more statements than it did shows in a review."""
    table = rendered(tour.runs)
    if write_tables:
        write_section(DOCUMENT, "statements", table)
    assert read_section(DOCUMENT, "statements") == table
