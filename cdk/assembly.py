"""Synthesis without the CDK command line: for `make synth`, the tests and the tables."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from aws_cdk import App
from aws_cdk.cx_api import CloudAssembly

from cdk.app import add_stacks
from cdk.config.deployment import ENVIRONMENTS, read_deployment
from cdk.config.model import ConfigurationError
from cdk.nag import AcceptedAside, add_rules

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "cdk/config/example.context.json"


def example_app(environment: str, out: Path) -> tuple[App, AcceptedAside]:
    """The application of one environment in the example's account, and the rules over it.

    Raises:
        ConfigurationError: there is no such environment.
    """
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
    context |= json.loads(EXAMPLE.read_text())
    context["env"] = environment
    app = App(context=context, outdir=str(out))
    deployment = read_deployment(app.node.try_get_context)
    add_stacks(app, deployment)
    return app, add_rules(app, deployment)


def synthesize(environment: str, out: Path) -> CloudAssembly:
    """Writes the templates of one environment to `out`, in the example's account."""
    app, _ = example_app(environment, out)
    return app.synth()


def main() -> int:
    names = sys.argv[1:] or list(ENVIRONMENTS)
    for name in names:
        out = ROOT / "build/cdk" / name
        try:
            assembly = synthesize(name, out)
        except ConfigurationError as error:
            print(f"synth: {error}", file=sys.stderr)
            return 2
        counts = [len(stack.template.get("Resources", {})) for stack in assembly.stacks]
        print(f"synth: {name}: {sum(counts)} resources in {len(counts)} stacks, {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
