"""cdk-nag's AwsSolutions rules over every stack, and each finding that stands, with its reason.

A path is a construct's, without its stack's prefix `user-api-{env}-`; `*` stands for anything in
it. Each reason names what guards instead of what the rule asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import cast

import jsii
from aws_cdk import (
    App,
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    PolicyValidationPluginReport,
    PolicyViolation,
    Validations,
)
from cdk_nag import AwsSolutionsChecks

from cdk.config.deployment import Deployment


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A finding that stands: the constructs' paths, the rule's id, and why."""

    paths: tuple[str, ...]
    rule: str
    reason: str

    def covers(self, path: str) -> bool:
        return any(fnmatchcase(path, each) for each in self.paths)


ACCEPTED: tuple[Accepted, ...] = (
    Accepted(
        paths=(
            "data/SettingsSecret/Resource",
            "data/SigningKeySecret",
            "data/OwnerSecret/Resource",
            "data/Token/Resource",
            "data/CacheSecret",
            "delivery/ImageCache/Credential/Resource",
        ),
        rule="AwsSolutions-SMG4",
        reason="No schedule can replace them without a step by people (docs/operations.md says"
        " which); each is encrypted by our key and read by the roles alone that are named.",
    ),
    Accepted(
        paths=("*data/Database/MonitoringRole/Resource",),
        rule="AwsSolutions-IAM4",
        reason="RDS asks for this policy of AWS's by name; only its monitoring takes the role.",
    ),
    Accepted(
        paths=("data/Database/Instance/Resource", "dr-data/Database/Resource"),
        rule="AwsSolutions-RDS3",
        reason="Two zones are production's; elsewhere point-in-time recovery is enough, and the"
        " replica is itself the second copy.",
    ),
    Accepted(
        paths=("data/Database/Instance/Resource",),
        rule="AwsSolutions-RDS10",
        reason="Only development's data goes with its stacks; the others are protected, and a test"
        " holds them to it.",
    ),
    Accepted(
        paths=("data/Database/Instance/Resource", "dr-data/Database/Resource"),
        rule="AwsSolutions-RDS11",
        reason="Another port hides nothing: security groups and access lists decide who is let in.",
    ),
    Accepted(
        paths=("dr-data/Database/Resource",),
        rule="AwsSolutions-RDS2",
        reason="A replica across regions takes no StorageEncrypted; it names its region's key.",
    ),
    Accepted(
        paths=("data/Cache/Group",),
        rule="AwsSolutions-AEC4",
        reason="One node has no second zone: development's cache may be lost, since nothing depends"
        " on it (docs/decisions/0013).",
    ),
    Accepted(
        paths=("data/Cache/Group",),
        rule="AwsSolutions-AEC5",
        reason="Another port hides nothing: security groups, TLS and a token decide who is let in.",
    ),
    Accepted(
        paths=("data/LoginRotation/Role/DefaultPolicy/Resource",),
        rule="AwsSolutions-IAM5",
        reason="GetRandomPassword and X-Ray know no resources; Lambda refuses a narrower role for"
        " network interfaces, and the function's own code is denied them.",
    ),
    Accepted(
        paths=("data/LoginRotation/Function/Resource", "*fallback/Api/Function/Resource"),
        rule="AwsSolutions-L1",
        reason="Image and function run the Python that the tests run, 3.13, which Lambda supports;"
        " a newer one comes to both at once.",
    ),
    Accepted(
        paths=("cluster/Kubernetes/*",),
        rule="AwsSolutions-IAM4",
        reason="EKS requires these policies, and AWS keeps them up with the add-ons; those of CNI"
        " and disks go by Pod Identity, so nodes lack them.",
    ),
    Accepted(
        paths=("cluster/Kubernetes/Nodes/Role/DefaultPolicy/Resource",),
        rule="AwsSolutions-IAM5",
        reason="Session channels know no resources; instances are those of this account.",
    ),
    Accepted(
        paths=(
            "cluster/PlatformRole/DefaultPolicy/Resource",
            "delivery/Role/DefaultPolicy/Resource",
        ),
        rule="AwsSolutions-IAM5",
        reason="One session document with a fixed host and port, nodes by the cluster's tag, own"
        " sessions only; DescribeInstances knows no resource.",
    ),
    Accepted(
        paths=("cluster/Workloads/*",),
        rule="AwsSolutions-IAM5",
        reason="Reads know no resources; changes are bound by the cluster's tag, the group's tag or"
        " record names, objects to named buckets.",
    ),
    Accepted(
        paths=("*fallback/Api/Role/DefaultPolicy/Resource",),
        rule="AwsSolutions-IAM5",
        reason="X-Ray knows no resources; Lambda refuses a narrower role for network interfaces,"
        " which the code is denied; objects are those of two buckets, named by the time.",
    ),
    Accepted(
        paths=("backup/BackupRole/Role/DefaultPolicy/Resource",),
        rule="AwsSolutions-IAM5",
        reason="AWS's managed policies narrowed to one database and three buckets; recovery points"
        " get their names from AWS Backup.",
    ),
    Accepted(
        paths=("*observability/LogArchive/Writer/DefaultPolicy/Resource",),
        rule="AwsSolutions-IAM5",
        reason="Objects are named by the time; Firehose may only put them, below two prefixes.",
    ),
    Accepted(
        paths=("delivery/ImageCache/Fill/Resource",),
        rule="AwsSolutions-IAM5",
        reason="The cache makes its repositories itself, all below this environment's prefix.",
    ),
    Accepted(
        paths=("data/Buckets/Replication/Role/DefaultPolicy/Resource",),
        rule="AwsSolutions-IAM5",
        reason="Replication reads and writes every object of the named buckets and nothing else;"
        " the other region's key is bound by its alias.",
    ),
    Accepted(
        paths=("*fallback/Front/SecurityGroup/Resource",),
        rule="AwsSolutions-EC23",
        reason="It is the public entrance: 443, and 80 to redirect; a web ACL is in front of it.",
    ),
    Accepted(
        paths=("*fallback/Schedules/Failed/Resource",),
        rule="AwsSolutions-SQS3",
        reason="It is a dead-letter queue itself, and an alarm rings when it is not empty.",
    ),
    Accepted(
        paths=("*network/Network/AccessLists/*",),
        rule="AwsSolutions-VPC3",
        reason="The source design asks for access lists besides security groups; they are made from"
        " one table, and a test reads them.",
    ),
)


@jsii.implements(IPolicyValidationPlugin)
class AcceptedAside:
    """cdk-nag's pack without the findings that are accepted.

    Its own acknowledgements name one finding of a rule each, by the text of the resource in the
    policy; here a rule is accepted for a path.
    """

    def __init__(self, app: App, deployment: Deployment) -> None:
        self._pack = AwsSolutionsChecks(app)
        self._prefix = f"{deployment.name()}-"
        self.used: set[Accepted] = set()

    @property
    def name(self) -> str:
        return "AwsSolutions"

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        """The findings that are left; a rule with none is no violation."""
        report = self._pack.validate(context)
        left = []
        for violation in report.violations:
            resources = [
                each
                for each in violation.violating_resources
                if not self._accepts(violation.rule_name, each.construct_path or "")
            ]
            if resources:
                left.append(
                    PolicyViolation(
                        rule_name=violation.rule_name,
                        description=violation.description,
                        severity=violation.severity,
                        violating_resources=resources,
                    )
                )
        return PolicyValidationPluginReport(success=not left, violations=left)

    def _accepts(self, rule: str, path: str) -> bool:
        below = path.removeprefix(self._prefix)
        rule_id = rule.removeprefix("AwsSolutions::").partition("[")[0]
        found = [it for it in ACCEPTED if it.rule == rule_id and it.covers(below)]
        self.used.update(found)
        return bool(found)


def add_rules(app: App, deployment: Deployment) -> AcceptedAside:
    """Makes a finding that is not in `ACCEPTED` an error of the synthesis."""
    rules = AcceptedAside(app, deployment)
    # The protocol wants what the kernel adds to every implementation.
    Validations.of(app).add_plugins(cast("IPolicyValidationPlugin", rules))
    return rules
