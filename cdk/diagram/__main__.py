"""`python -m cdk.diagram`: draws every environment into docs/diagrams."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from cdk.assembly import ROOT, synthesize
from cdk.config.deployment import ENVIRONMENTS
from cdk.diagram.draw import draw

DIAGRAMS = ROOT / "docs/diagrams"


def path_of(environment: str) -> Path:
    return DIAGRAMS / f"infrastructure-{environment}.svg"


def main() -> int:
    DIAGRAMS.mkdir(parents=True, exist_ok=True)
    for name in ENVIRONMENTS:
        with tempfile.TemporaryDirectory() as out:
            stacks = synthesize(name, Path(out)).stacks
            drawn = draw(name, {stack.stack_name: stack.template for stack in stacks})
        path_of(name).write_text(drawn, encoding="utf-8")
        print(f"diagrams: {path_of(name).relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
