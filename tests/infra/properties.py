"""What holds for every template: each function gives the faults of one, a line each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Template = Mapping[str, Any]
Faults = list[str]

_SECRET_KEY = re.compile(r"(password|secretstring|authtoken|secret_key|privatekey)$", re.IGNORECASE)
_CREDENTIAL = re.compile(r"://[^/@:{}\s]+:[^/@{}\s]+@|-----BEGIN [A-Z ]+ KEY-----")
_EVERYWHERE = {"0.0.0.0/0", "::/0"}
_WEB_PORTS = {80, 443}
# Only key policies may: the account's root is how AWS lets IAM govern a key at all.
_KEY_POLICY_ACTION = "kms:*"
# ReEncryptFrom and ReEncryptTo; with and without the plaintext: AWS documents them in this form.
_NARROW = {"kms:ReEncrypt*", "kms:GenerateDataKey*"}

# Type -> the properties of which one says how it is encrypted.
ENCRYPTED: Mapping[str, tuple[str, ...]] = {
    "AWS::S3::Bucket": ("BucketEncryption",),
    "AWS::RDS::DBInstance": ("StorageEncrypted", "SourceDBInstanceIdentifier"),
    "AWS::ElastiCache::ReplicationGroup": ("AtRestEncryptionEnabled",),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::SQS::Queue": ("KmsMasterKeyId", "SqsManagedSseEnabled"),
    "AWS::EKS::Cluster": ("EncryptionConfig",),
    "AWS::SecretsManager::Secret": ("KmsKeyId",),
    "AWS::Backup::BackupVault": ("EncryptionKeyArn",),
    "AWS::CloudTrail::Trail": ("KMSKeyId",),
    "AWS::KinesisFirehose::DeliveryStream": ("DeliveryStreamEncryptionConfigurationInput",),
}
STATEFUL = (
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
    "AWS::KMS::Key",
    "AWS::KMS::ReplicaKey",
    "AWS::SecretsManager::Secret",
    "AWS::Backup::BackupVault",
)
TAGGED = ("AWS::RDS::DBInstance", "AWS::S3::Bucket", "AWS::EC2::VPC", "AWS::Lambda::Function")


def resources(template: Template, *types: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Logical id and properties of each resource of the types."""
    for name, resource in template.get("Resources", {}).items():
        if resource["Type"] in types:
            yield name, resource.get("Properties", {})


def public_data(template: Template) -> Faults:
    """A database that the internet could reach, or a subnet for data with a way out."""
    faults = [
        f"{name} is publicly accessible"
        for name, it in resources(template, "AWS::RDS::DBInstance")
        if it.get("PubliclyAccessible") is not False
    ]
    for name, it in resources(template, "AWS::EC2::Subnet"):
        group = _tags(it).get("aws-cdk:subnet-name")
        if it.get("MapPublicIpOnLaunch") and group != "public":
            faults.append(f"{name} of {group} gives out public addresses")
    for name, it in resources(template, "AWS::EC2::Route"):
        table = str(it["RouteTableId"])
        if it.get("DestinationCidrBlock") == "0.0.0.0/0" and "data" in table.lower():
            faults.append(f"{name} leads from a data subnet to the internet")
        if "GatewayId" in it and "public" not in table.lower():
            faults.append(f"{name} leads from a private subnet to the internet gateway")
    return faults


def open_ingress(template: Template) -> Faults:
    """Something open to everybody that is no web port."""
    faults = []
    groups = [
        (name, rule)
        for name, it in resources(template, "AWS::EC2::SecurityGroup")
        for rule in it.get("SecurityGroupIngress", ())
    ]
    for name, rule in [*groups, *resources(template, "AWS::EC2::SecurityGroupIngress")]:
        if not _EVERYWHERE & {rule.get("CidrIp"), rule.get("CidrIpv6")}:
            continue
        ports = (rule.get("FromPort"), rule.get("ToPort"))
        if ports[0] not in _WEB_PORTS or ports[0] != ports[1] or "Front" not in name:
            faults.append(f"{name} is open to everybody on {ports[0]} to {ports[1]}")
    return faults


def unencrypted(template: Template) -> Faults:
    """Something that is stored or sent in the clear."""
    faults = [
        f"{name} ({kind}) has no {' or '.join(keys)}"
        for kind, keys in ENCRYPTED.items()
        for name, it in resources(template, kind)
        if not any(it.get(key) for key in keys)
    ]
    for name, it in resources(template, "AWS::RDS::DBInstance"):
        # A replica takes the encryption of its source; only its key is said.
        if "KmsKeyId" not in it or it.get("StorageEncrypted") is False:
            faults.append(f"{name} is not encrypted by a key of ours")
    for name, it in resources(template, "AWS::ElastiCache::ReplicationGroup"):
        if not it.get("TransitEncryptionEnabled"):
            faults.append(f"{name} talks in the clear")
    faults += [
        f"{name} has a disk that is not encrypted"
        for name, it in resources(template, "AWS::EC2::LaunchTemplate")
        for device in it["LaunchTemplateData"].get("BlockDeviceMappings", ())
        if not device["Ebs"].get("Encrypted")
    ]
    return faults


def open_bucket(template: Template) -> Faults:
    """A bucket that could become public, or that answers without TLS."""
    faults = []
    for name, it in resources(template, "AWS::S3::Bucket"):
        block = it.get("PublicAccessBlockConfiguration", {})
        if len(block) != 4 or not all(value is True for value in block.values()):
            faults.append(f"{name} may become public")
    refused = {
        str(it["Bucket"])
        for _, it in resources(template, "AWS::S3::BucketPolicy")
        if "aws:SecureTransport" in str(it["PolicyDocument"])
    }
    for name, _ in resources(template, "AWS::S3::Bucket"):
        if not any(name in bucket for bucket in refused):
            faults.append(f"{name} answers without TLS")
    return faults


def endless_logs(template: Template) -> Faults:
    """A log group that is kept for ever."""
    return [
        f"{name} has no retention"
        for name, it in resources(template, "AWS::Logs::LogGroup")
        if not it.get("RetentionInDays")
    ]


def wildcard_actions(template: Template) -> Faults:
    """A right to every action, of everything or of one service."""
    faults = []
    for name, resource in template.get("Resources", {}).items():
        for statement in _statements(resource.get("Properties", {})):
            if statement.get("Effect") != "Allow":
                continue
            for action in _listed(statement.get("Action")) + _listed(statement.get("NotAction")):
                key_policy = resource["Type"] in {"AWS::KMS::Key", "AWS::KMS::ReplicaKey"}
                root = key_policy and action == _KEY_POLICY_ACTION
                if "*" in action and action not in _NARROW and not root:
                    faults.append(f"{name} allows {action}")
            if "NotAction" in statement or "NotResource" in statement:
                faults.append(f"{name} allows all but what it names")
    return faults


def literal_secrets(template: Template) -> Faults:
    """A secret that anybody could read who reads the template."""
    faults = []
    for path, key, value in _leaves(template.get("Resources", {})):
        if _SECRET_KEY.search(key) and not value.startswith("{{resolve:"):
            faults.append(f"{path} is written down")
        if _CREDENTIAL.search(value):
            faults.append(f"{path} holds a credential")
    return faults


def untagged(template: Template) -> Faults:
    """Something whose cost and owner nobody could tell."""
    wanted = {"application", "environment", "stack"}
    return [
        f"{name} has no tags {sorted(wanted - set(_tags(it)))}"
        for name, it in resources(template, *TAGGED)
        if wanted - set(_tags(it))
    ]


PROPERTIES: tuple[Callable[[Template], Faults], ...] = (
    public_data,
    open_ingress,
    unencrypted,
    open_bucket,
    endless_logs,
    wildcard_actions,
    literal_secrets,
    untagged,
)


def forgettable(template: Template) -> Faults:
    """In a guarded environment: data that goes with its stack, or when it is replaced."""
    return [
        f"{name} ({resource['Type']}) has no {policy} that keeps it"
        for name, resource in template.get("Resources", {}).items()
        if resource["Type"] in STATEFUL
        for policy in ("DeletionPolicy", "UpdateReplacePolicy")
        if resource.get(policy) not in {"Retain", "Snapshot"}
    ]


def _tags(properties: Mapping[str, Any]) -> dict[str, str]:
    return {str(tag["Key"]): str(tag["Value"]) for tag in properties.get("Tags", ())}


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _statements(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        if "Effect" in node and ("Action" in node or "NotAction" in node):
            yield node
        for value in node.values():
            yield from _statements(value)
    elif isinstance(node, list):
        for value in node:
            yield from _statements(value)


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if isinstance(value, str):
                yield f"{path}/{key}", key, value
            else:
                yield from _leaves(value, f"{path}/{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            if isinstance(value, str):
                yield f"{path}/{number}", path.rsplit("/", 1)[-1], value
            else:
                yield from _leaves(value, f"{path}/{number}")
