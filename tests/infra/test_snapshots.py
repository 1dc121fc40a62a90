"""Every template against its committed copy, so that a review sees what a change deploys.

pytest --write-tables writes them anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from cdk.config.deployment import ENVIRONMENTS
from tests.infra.conftest import Template

SNAPSHOTS = Path(__file__).parent / "snapshots"
# Assets are named by their content, which changes with every line of the product.
_ASSET = re.compile(r"\b[0-9a-f]{64}\b")


def canonical(template: Template) -> str:
    """Sorted, a value a line, and asset hashes masked."""
    text = json.dumps(template, indent=1, sort_keys=True)
    return _ASSET.sub("(asset)", text) + "\n"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_templates_are_as_committed(
    environment: str, assemblies: Mapping[str, Mapping[str, Template]], write_tables: bool
) -> None:
    """Nothing is deployed that no review has seen."""
    fresh = {f"{stack}.json": canonical(it) for stack, it in assemblies[environment].items()}
    folder = SNAPSHOTS / environment
    if write_tables:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.json"):
            old.unlink()
        for name, text in fresh.items():
            (folder / name).write_text(text)
    committed = {path.name: path.read_text() for path in folder.glob("*.json")}
    assert sorted(committed) == sorted(fresh)
    changed = [name for name, text in fresh.items() if committed[name] != text]
    assert changed == [], "--write-tables writes them anew; then read the difference"


def test_masking_keeps_what_matters() -> None:
    """Only the hash of an asset is masked."""
    template = {"Key": "a" * 64 + ".zip", "Other": "b" * 63}
    assert json.loads(canonical(template)) == {"Key": "(asset).zip", "Other": "b" * 63}
