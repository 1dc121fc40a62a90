"""What holds for every template of every environment, and that each rule can fail."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cdk.config.deployment import ENVIRONMENTS
from tests.infra import properties
from tests.infra.conftest import Named, Template

Faulty = Callable[[Template], None]


@pytest.mark.parametrize("check", properties.PROPERTIES, ids=lambda check: str(check.__name__))
def test_it_holds_everywhere(
    check: Callable[[Template], list[str]], templates: list[Named]
) -> None:
    """No template of any environment breaks the rule."""
    assert templates
    faults = [f"{each.stack}: {fault}" for each in templates for fault in check(each.template)]
    assert faults == []


def test_guarded_data_outlives_its_stack(templates: list[Named]) -> None:
    """Neither deleting a stack of staging or production nor replacing a resource deletes data."""
    faults = [
        f"{each.stack}: {fault}"
        for each in templates
        if ENVIRONMENTS[each.environment].guarded
        for fault in properties.forgettable(each.template)
    ]
    assert faults == []


def set_first(kind: str, key: str, value: Any) -> Faulty:
    """Sets a property of the first resource of the kind; None removes it."""

    def change(template: Template) -> None:
        _, found = next(properties.resources(template, kind))
        if value is None:
            found.pop(key)
        else:
            found[key] = value

    return change


def open_group(template: Template) -> None:
    _, group = next(properties.resources(template, "AWS::EC2::SecurityGroup"))
    rule = {"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    group.setdefault("SecurityGroupIngress", []).append(rule)


def allow_everything(template: Template) -> None:
    _, policy = next(properties.resources(template, "AWS::IAM::Policy"))
    policy["PolicyDocument"]["Statement"][0]["Action"] = "s3:*"


def allow_all_but(template: Template) -> None:
    _, policy = next(properties.resources(template, "AWS::IAM::Policy"))
    statement = policy["PolicyDocument"]["Statement"][0]
    statement["NotAction"] = statement.pop("Action")


def drop_tls(template: Template) -> None:
    names = [name for name, _ in properties.resources(template, "AWS::S3::BucketPolicy")]
    for name in names:
        del template["Resources"][name]


BUCKET = "AWS::S3::Bucket"
DATABASE = "AWS::RDS::DBInstance"
MUTATIONS: Mapping[str, tuple[str, Faulty, Callable[[Template], list[str]]]] = {
    "public database": (
        "data", set_first(DATABASE, "PubliclyAccessible", True), properties.public_data,
    ),
    "unencrypted database": (
        "data", set_first(DATABASE, "StorageEncrypted", False), properties.unencrypted,
    ),
    "open security group": ("data", open_group, properties.open_ingress),
    "unencrypted bucket": (
        "data", set_first(BUCKET, "BucketEncryption", None), properties.unencrypted,
    ),
    "public bucket": (
        "data",
        set_first(BUCKET, "PublicAccessBlockConfiguration", {"BlockPublicAcls": False}),
        properties.open_bucket,
    ),
    "bucket without TLS": ("data", drop_tls, properties.open_bucket),
    "cache in the clear": (
        "data",
        set_first("AWS::ElastiCache::ReplicationGroup", "TransitEncryptionEnabled", False),
        properties.unencrypted,
    ),
    "log group without retention": (
        "network",
        set_first("AWS::Logs::LogGroup", "RetentionInDays", None),
        properties.endless_logs,
    ),
    "secret in a template": (
        "data",
        set_first("AWS::ElastiCache::ReplicationGroup", "AuthToken", "hunter2hunter2"),
        properties.literal_secrets,
    ),
    "wildcard action": ("fallback", allow_everything, properties.wildcard_actions),
    "all but one action": ("fallback", allow_all_but, properties.wildcard_actions),
    "public data subnet": (
        "network",
        lambda template: _data_subnet(template).update(MapPublicIpOnLaunch=True),
        properties.public_data,
    ),
    "untagged database": ("data", set_first(DATABASE, "Tags", []), properties.untagged),
    "database that goes with its stack": (
        "data",
        lambda template: _first_resource(template, DATABASE).update(DeletionPolicy="Delete"),
        properties.forgettable,
    ),
    "database that goes when it is replaced": (
        "data",
        lambda template: _first_resource(template, DATABASE).update(UpdateReplacePolicy="Delete"),
        properties.forgettable,
    ),
}  # fmt: skip


def _first_resource(template: Template, kind: str) -> dict[str, Any]:
    name, _ = next(properties.resources(template, kind))
    found: dict[str, Any] = template["Resources"][name]
    return found


def _data_subnet(template: Template) -> dict[str, Any]:
    return next(
        it
        for _, it in properties.resources(template, "AWS::EC2::Subnet")
        if {"Key": "aws-cdk:subnet-name", "Value": "data"} in it["Tags"]
    )


@pytest.mark.parametrize("what", MUTATIONS)
def test_a_mutation_is_noticed(what: str, assemblies: Mapping[str, Mapping[str, Template]]) -> None:
    """A template with this one fault fails its rule."""
    stack, change, check = MUTATIONS[what]
    template = copy.deepcopy(assemblies["production"][f"user-api-production-{stack}"])
    assert check(template) == []
    change(template)
    assert len(check(template)) >= 1
