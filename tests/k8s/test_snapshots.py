"""Every rendering against its committed copy, so that a review sees what a change applies.

UPDATE_TABLES=1 writes them anew.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tests.k8s.render import Rendered

SNAPSHOTS = Path(__file__).parent / "snapshots"


def test_renderings_are_as_committed(rendered: Mapping[str, Rendered]) -> None:
    """Nothing is applied that no review has seen."""
    fresh = {f"{name.replace('/', '-')}.yaml": it.text for name, it in rendered.items()}
    if os.environ.get("UPDATE_TABLES") == "1":
        SNAPSHOTS.mkdir(exist_ok=True)
        for old in SNAPSHOTS.glob("*.yaml"):
            old.unlink()
        for name, text in fresh.items():
            (SNAPSHOTS / name).write_text(text)
    committed = {path.name: path.read_text() for path in SNAPSHOTS.glob("*.yaml")}
    assert sorted(committed) == sorted(fresh)
    changed = [name for name, text in fresh.items() if committed[name] != text]
    assert changed == [], "UPDATE_TABLES=1 writes them anew; then read the difference"
