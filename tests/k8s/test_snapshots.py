"""Every rendering against its committed copy, so that a review sees what a change applies.

pytest --write-tables writes them anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.k8s.render import Rendered

SNAPSHOTS = Path(__file__).parent / "snapshots"


def test_renderings_are_as_committed(rendered: Mapping[str, Rendered], write_tables: bool) -> None:
    """Nothing is applied that no review has seen."""
    fresh = {f"{name.replace('/', '-')}.yaml": it.text for name, it in rendered.items()}
    if write_tables:
        SNAPSHOTS.mkdir(exist_ok=True)
        for old in SNAPSHOTS.glob("*.yaml"):
            old.unlink()
        for name, text in fresh.items():
            (SNAPSHOTS / name).write_text(text)
    committed = {path.name: path.read_text() for path in SNAPSHOTS.glob("*.yaml")}
    assert sorted(committed) == sorted(fresh)
    changed = [name for name, text in fresh.items() if committed[name] != text]
    assert changed == [], "--write-tables writes them anew; then read the difference"
