"""docs/operations.md names what there is: each metric and each setting, by its right name."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from core.adapters.telemetry.metrics import PrometheusMetrics
from core.config import Settings, env_name

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "operations.md").read_text()
NAMES = set(re.findall(r"`([A-Za-z_]+)`", PAGE))


def test_it_lists_the_metrics_that_are_exposed() -> None:
    """Whoever writes an alert finds every metric on the page, and none that does not exist."""
    _, text = PrometheusMetrics(version="0.1.0").exposition()
    exposed = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(text.decode())
        if not family.name.startswith("process_")
    }
    table = PAGE.partition("| metric | labels |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+)`", table)) == exposed


def test_it_lists_the_checks_of_the_doctor() -> None:
    """Each check, in the order of the report, and no other."""
    schema = json.loads((DOCS / "doctor-schema.json").read_text())
    table = PAGE.partition("| check | fails | warns |")[2].partition("\n\n")[0]
    listed = re.findall(r"^\| ([a-z_, ]+) \|", table, re.MULTILINE)
    names = schema["$defs"]["check"]["properties"]["name"]["enum"]
    assert ", ".join(listed).split(", ") == names


def test_the_settings_it_names_exist() -> None:
    """A variable that nothing reads would be set in vain."""
    named = {name for name in NAMES if name.isupper()} - {"PASSWORD"}
    assert named <= {env_name(item) for item in fields(Settings)}
    assert {"SECRET_KEY", "DATABASE_URL", "MAIL_URL", "PUBLIC_URL"} <= named
