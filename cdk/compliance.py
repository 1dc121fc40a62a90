"""`python -m cdk.compliance [ENV ...]`: what cdk-nag's HIPAA pack says, for whoever needs it.

A report, and no check: the project makes no claim about HIPAA, and AwsSolutions is what blocks.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import cast

import jsii
from aws_cdk import (
    App,
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    PolicyValidationPluginReport,
    Validations,
)
from cdk_nag import HIPAASecurityChecks

from cdk.assembly import example_app
from cdk.config.deployment import ENVIRONMENTS
from cdk.config.model import ConfigurationError


@jsii.implements(IPolicyValidationPlugin)
class Collected:
    """The pack's findings by rule, none of which ends the synthesis."""

    def __init__(self, app: App) -> None:
        self._pack = HIPAASecurityChecks(app)
        self.found: dict[str, list[str]] = defaultdict(list)

    @property
    def name(self) -> str:
        return "HIPAA.Security"

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        """Always a success."""
        for violation in self._pack.validate(context).violations:
            rule = violation.rule_name.partition("[")[0].rpartition("::")[2]
            for each in violation.violating_resources:
                self.found[f"{rule}: {violation.description}"].append(each.construct_path or "")
        return PolicyValidationPluginReport(success=True, violations=[])


def findings(environment: str, out: Path) -> dict[str, list[str]]:
    """Rule and meaning -> the paths of the constructs.

    Raises:
        ConfigurationError: there is no such environment.
    """
    app, _ = example_app(environment, out)
    collected = Collected(app)
    Validations.of(app).add_plugins(cast("IPolicyValidationPlugin", collected))
    app.synth()
    return collected.found


def main() -> int:
    for name in sys.argv[1:] or list(ENVIRONMENTS):
        try:
            with tempfile.TemporaryDirectory() as out:
                found = findings(name, Path(out))
        except ConfigurationError as error:
            print(f"compliance: {error}", file=sys.stderr)
            return 2
        count = sum(map(len, found.values()))
        print(f"compliance: {name}: {count} findings of {len(found)} HIPAA rules")
        for rule, paths in sorted(found.items()):
            print(f"  {rule}")
            for path in sorted(paths):
                print(f"    {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
