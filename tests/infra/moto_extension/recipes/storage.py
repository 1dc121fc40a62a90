"""S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.infra.moto_extension.making import Made, Making, RecipeError
from tests.infra.moto_extension.resources import makes

# Property of the template -> the call that sets it, with its parameter.
_SETTERS = {
    "VersioningConfiguration": ("put_bucket_versioning", "VersioningConfiguration"),
    "PublicAccessBlockConfiguration": (
        "put_public_access_block",
        "PublicAccessBlockConfiguration",
    ),
    "OwnershipControls": ("put_bucket_ownership_controls", "OwnershipControls"),
    "BucketEncryption": (
        "put_bucket_encryption",
        "ServerSideEncryptionConfiguration",
    ),
    "LifecycleConfiguration": (
        "put_bucket_lifecycle_configuration",
        "LifecycleConfiguration",
    ),
    "ObjectLockConfiguration": ("put_object_lock_configuration", "ObjectLockConfiguration"),
    "ReplicationConfiguration": ("put_bucket_replication", "ReplicationConfiguration"),
    "LoggingConfiguration": ("put_bucket_logging", "BucketLoggingStatus"),
}
_ELSEWHERE = {"AccessControl", "BucketName", "ObjectLockEnabled", "Tags"}
_ACLS = {"Private": "private", "LogDeliveryWrite": "log-delivery-write"}


@makes("AWS::S3::Bucket")
def bucket(it: Making) -> Made:
    # moto's own resource knows of encryption and tags only.
    unknown = set(it.properties) - set(_SETTERS) - _ELSEWHERE
    if unknown:
        raise RecipeError(f"{it.type}: no call for {', '.join(sorted(unknown))}")
    name = it.named("BucketName").lower()
    placed = {}
    if it.region != "us-east-1":
        placed = {"CreateBucketConfiguration": {"LocationConstraint": it.region}}
    it.call(
        "s3",
        "create_bucket",
        Bucket=name,
        ObjectLockEnabledForBucket=bool(it.properties.get("ObjectLockEnabled")),
        **placed,
    )
    if "AccessControl" in it.properties:
        it.call("s3", "put_bucket_acl", Bucket=name, ACL=_ACLS[it.properties["AccessControl"]])
    for each, (operation, parameter) in _SETTERS.items():
        if each in it.properties:
            value = _as_api(each, it.properties[each])
            it.call("s3", operation, Bucket=name, **{parameter: value})
    if it.properties.get("Tags"):
        it.call("s3", "put_bucket_tagging", Bucket=name, Tagging={"TagSet": it.properties["Tags"]})
    return Made(
        ref=name,
        attributes={
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{it.region}.amazonaws.com",
        },
        undo=it.undoing("s3", "delete_bucket", Bucket=name),
    )


@makes("AWS::S3::BucketPolicy")
def bucket_policy(it: Making) -> Made:
    it.create("s3", "put_bucket_policy", renamed={"PolicyDocument": "Policy"})
    name = it.properties["Bucket"]
    return Made(ref=name, undo=it.undoing("s3", "delete_bucket_policy", Bucket=name))


def _as_api(property_name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    if property_name == "BucketEncryption":
        return {
            "Rules": [
                {
                    ("Apply" + name if name == "ServerSideEncryptionByDefault" else name): each
                    for name, each in rule.items()
                }
                for rule in value["ServerSideEncryptionConfiguration"]
            ]
        }
    if property_name == "LifecycleConfiguration":
        return {"Rules": [_lifecycle(rule) for rule in value["Rules"]]}
    if property_name == "LoggingConfiguration":
        enabled = {
            "TargetBucket": value["DestinationBucketName"],
            "TargetPrefix": value.get("LogFilePrefix", ""),
        }
        return {"LoggingEnabled": enabled}
    if property_name == "ReplicationConfiguration":
        rules = [
            {("ID" if name == "Id" else name): each for name, each in rule.items()}
            for rule in value["Rules"]
        ]
        return {"Role": value["Role"], "Rules": rules}
    return dict(value)


def _lifecycle(rule: Mapping[str, Any]) -> dict[str, Any]:
    api: dict[str, Any] = {}
    expiration: dict[str, Any] = {}
    for name, value in rule.items():
        if name == "ExpirationInDays":
            expiration["Days"] = value
        elif name == "ExpiredObjectDeleteMarker":
            expiration[name] = value
        elif name == "Transitions":
            api[name] = [
                {"Days": each["TransitionInDays"], "StorageClass": each["StorageClass"]}
                for each in value
            ]
        elif name == "NoncurrentVersionTransitions":
            api[name] = [
                {"NoncurrentDays": each["TransitionInDays"], "StorageClass": each["StorageClass"]}
                for each in value
            ]
        elif name == "Id":
            api["ID"] = value
        elif name == "Prefix":
            api["Filter"] = {"Prefix": value}
        else:
            api[name] = value
    if expiration:
        api["Expiration"] = expiration
    api.setdefault("Filter", {"Prefix": ""})
    return api
