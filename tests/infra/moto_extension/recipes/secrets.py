"""Secrets Manager, KMS, Parameter Store and AWS Backup."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from moto.secretsmanager.models import secretsmanager_backends

from tests.infra.moto_extension.making import Made, Making, RecipeError, client, tags_of
from tests.infra.moto_extension.resources import makes


def _generated(it: Making, wanted: Mapping[str, Any]) -> str:
    parameters = dict(wanted)
    template = parameters.pop("SecretStringTemplate", None)
    key = parameters.pop("GenerateStringKey", None)
    password = it.call("secretsmanager", "get_random_password", **parameters)["RandomPassword"]
    if template is None:
        return str(password)
    return json.dumps({**json.loads(template), key: password})


@makes("AWS::SecretsManager::Secret")
def secret(it: Making) -> Made:
    value = it.properties.get("SecretString")
    if "GenerateSecretString" in it.properties:
        value = _generated(it, it.properties["GenerateSecretString"])
    replicas = it.properties.get("ReplicaRegions", [])
    arn = it.create(
        "secretsmanager",
        "create_secret",
        apart=("GenerateSecretString", "SecretString"),
        renamed={"ReplicaRegions": "AddReplicaRegions"},
        Name=it.named("Name"),
        **({} if value is None else {"SecretString": value}),
    )["ARN"]

    def undo() -> None:
        if replicas:
            regions = [each["Region"] for each in replicas]
            it.call(
                "secretsmanager",
                "remove_regions_from_replication",
                SecretId=arn,
                RemoveReplicaRegions=regions,
            )
        it.call("secretsmanager", "delete_secret", SecretId=arn, ForceDeleteWithoutRecovery=True)

    return Made(ref=arn, attributes={"Id": arn}, undo=undo)


@makes("AWS::SecretsManager::SecretTargetAttachment")
def attachment(it: Making) -> Made:
    arn, target = it.properties["SecretId"], it.properties["TargetId"]
    if it.properties["TargetType"] != "AWS::RDS::DBInstance":
        raise RecipeError(f"a secret is attached to {it.properties['TargetType']}")
    database = it.call("rds", "describe_db_instances", DBInstanceIdentifier=target)
    found = database["DBInstances"][0]
    login = json.loads(it.call("secretsmanager", "get_secret_value", SecretId=arn)["SecretString"])
    login |= {
        "engine": found["Engine"],
        "host": found["Endpoint"]["Address"],
        "port": found["Endpoint"]["Port"],
        "dbInstanceIdentifier": target,
    }
    if "DBName" in found:
        login["dbname"] = found["DBName"]
    it.call("secretsmanager", "put_secret_value", SecretId=arn, SecretString=json.dumps(login))
    return Made(ref=arn, attributes={"Id": arn})


@makes("AWS::SecretsManager::ResourcePolicy")
def secret_policy(it: Making) -> Made:
    arn = it.properties["SecretId"]
    it.create("secretsmanager", "put_resource_policy")
    return Made(
        ref=arn,
        attributes={"Id": arn},
        undo=it.undoing("secretsmanager", "delete_resource_policy", SecretId=arn),
    )


@makes("AWS::SecretsManager::RotationSchedule")
def rotation(it: Making) -> Made:
    # RotateSecret would run the function, for which moto needs docker: only its settings are kept.
    arn = it.properties["SecretId"]
    function = it.properties["RotationLambdaARN"]
    it.call("lambda", "get_function", FunctionName=function)
    stored = secretsmanager_backends[it.account][it.region].secrets[arn]
    rules = it.properties.get("RotationRules", {})
    stored.rotation_lambda_arn = function
    stored.rotation_enabled = True
    stored.auto_rotate_after_days = int(rules.get("AutomaticallyAfterDays", 0))
    return Made(ref=arn, attributes={"Id": arn})


@makes("AWS::KMS::Key")
def key(it: Making) -> Made:
    # moto's own resource makes every key a symmetric one of one region.
    answer = it.create(
        "kms",
        "create_key",
        apart=(
            "EnableKeyRotation",
            "RotationPeriodInDays",
            "PendingWindowInDays",
            "Enabled",
            "Tags",
        ),
        renamed={"KeyPolicy": "Policy"},
        Tags=_key_tags(it),
    )["KeyMetadata"]
    if it.properties.get("EnableKeyRotation"):
        it.call("kms", "enable_key_rotation", KeyId=answer["KeyId"])
    return _key(it, answer)


@makes("AWS::KMS::ReplicaKey")
def replica_key(it: Making) -> Made:
    primary = it.properties["PrimaryKeyArn"]
    api = client("kms", primary.split(":")[3])
    answer = api.replicate_key(KeyId=primary.rsplit("/", 1)[1], ReplicaRegion=it.region)
    return _key(it, answer["ReplicaKeyMetadata"])


def _key(it: Making, metadata: Mapping[str, Any]) -> Made:
    return Made(
        ref=metadata["KeyId"],
        attributes={"Arn": metadata["Arn"], "KeyId": metadata["KeyId"]},
        undo=it.undoing("kms", "schedule_key_deletion", KeyId=metadata["KeyId"]),
    )


def _key_tags(it: Making) -> list[dict[str, str]]:
    return [{"TagKey": name, "TagValue": value} for name, value in tags_of(it).items()]


@makes("AWS::SSM::Parameter")
def parameter(it: Making) -> Made:
    # moto's own resource passes None on as the name if the template gives none.
    name = it.named("Name")
    listed = [{"Key": each, "Value": value} for each, value in tags_of(it).items()]
    it.create("ssm", "put_parameter", apart=("Tags",), Name=name, Tags=listed)
    return Made(
        ref=name,
        attributes={"Type": it.properties["Type"], "Value": it.properties["Value"]},
        undo=it.undoing("ssm", "delete_parameter", Name=name),
    )


@makes("AWS::Backup::BackupVault")
def vault(it: Making) -> Made:
    # moto has no PutBackupVaultAccessPolicy and no PutBackupVaultNotifications.
    name = it.properties["BackupVaultName"]
    arn = it.create(
        "backup",
        "create_backup_vault",
        apart=("AccessPolicy", "Notifications", "LockConfiguration"),
    )["BackupVaultArn"]
    lock = it.properties.get("LockConfiguration")
    if lock is not None:
        it.call("backup", "put_backup_vault_lock_configuration", BackupVaultName=name, **lock)
    return Made(
        ref=name,
        attributes={"BackupVaultName": name, "BackupVaultArn": arn},
        undo=it.undoing("backup", "delete_backup_vault", BackupVaultName=name),
    )


@makes("AWS::Backup::BackupPlan")
def plan(it: Making) -> Made:
    given = it.properties["BackupPlan"]
    renamed = {"TargetBackupVault": "TargetBackupVaultName"}
    rules = [
        {renamed.get(name, name): value for name, value in rule.items()}
        for rule in given["BackupPlanRule"]
    ]
    answer = it.create(
        "backup",
        "create_backup_plan",
        apart=("BackupPlan",),
        BackupPlan={"BackupPlanName": given["BackupPlanName"], "Rules": rules},
    )
    identifier = answer["BackupPlanId"]
    return Made(
        ref=identifier,
        attributes={
            "BackupPlanId": identifier,
            "BackupPlanArn": answer["BackupPlanArn"],
            "VersionId": answer["VersionId"],
        },
        undo=it.undoing("backup", "delete_backup_plan", BackupPlanId=identifier),
    )
