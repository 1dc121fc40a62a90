"""cdk-nag's AwsSolutions rules over every stack, and each finding that stands, with its reason.

A path is a construct's, without its stack's prefix `user-api-{env}-`; `*` stands for anything in
it. Each reason names what guards instead of what the rule asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from aws_cdk import Acknowledgment, App, Stack, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from cdk.config.deployment import Deployment


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A finding that stands: the construct's path, the rule's id, and why."""

    path: str
    rule: str
    reason: str


ACCEPTED: tuple[Accepted, ...] = ()


def add_rules(app: App, deployment: Deployment) -> None:
    """Makes a finding that is not in `ACCEPTED` an error of the synthesis."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    for construct in app.node.find_all():
        for accepted in findings_accepted(construct, deployment):
            Validations.of(construct).acknowledge(
                Acknowledgment(id=accepted.rule, reason=accepted.reason)
            )


def findings_accepted(construct: IConstruct, deployment: Deployment) -> list[Accepted]:
    if isinstance(construct, App | Stack):
        return []
    path = construct.node.path.removeprefix(f"{deployment.name()}-")
    return [accepted for accepted in ACCEPTED if fnmatchcase(path, accepted.path)]
