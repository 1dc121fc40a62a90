"""Database, cache, secrets and buckets have the sizes and the safety that the design names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from core.domain.server_log import QUIET, loud

Template = Mapping[str, Any]
Assemblies = Mapping[str, Mapping[str, dict[str, Any]]]

ACCOUNT = "123456789012"
ENVIRONMENTS = ("development", "staging", "production")
GUARDED = ("staging", "production")
PARAMETERS = {
    "rds.force_ssl": "1",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_min_duration_statement": "-1",
    "log_statement": "ddl",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_destination": "stderr",
    "log_lock_waits": "1",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "all",
    "pg_stat_statements.track_utility": "0",
}
"""Of each instance, besides the number of its connections."""


@pytest.mark.parametrize(
    ("environment", "instance", "multi_az", "days"),
    [
        ("development", "db.t3.medium", False, 7),
        ("staging", "db.t3.medium", False, 7),
        ("production", "db.r6g.large", True, 30),
    ],
)
def test_database_has_its_size_and_backups(
    assemblies: Assemblies, environment: str, instance: str, multi_az: bool, days: int
) -> None:
    """PostgreSQL 15, 100 GB growing to 500, backed up at 03:00 UTC for 7 or 30 days."""
    database = _one(_data(assemblies, environment), "AWS::RDS::DBInstance")
    wanted = {
        "Engine": "postgres",
        "EngineVersion": "15.17",
        "DBInstanceClass": instance,
        "StorageType": "gp3",
        "AllocatedStorage": "100",
        "MaxAllocatedStorage": 500,
        "MultiAZ": multi_az,
        "BackupRetentionPeriod": days,
        "PreferredBackupWindow": "03:00-03:30",
        "StorageEncrypted": True,
        "PubliclyAccessible": False,
        "AutoMinorVersionUpgrade": False,
        "EnablePerformanceInsights": True,
        "MonitoringInterval": 60,
        "EnableCloudwatchLogsExports": ["postgresql", "upgrade"],
        "DeletionProtection": environment in GUARDED,
    }
    assert {key: database.get(key) for key in wanted} == wanted
    assert "resolve:secretsmanager" in json.dumps(database["MasterUserPassword"])


def test_databases_show_certificates_of_the_authority_that_the_service_trusts(
    assemblies: Assemblies,
) -> None:
    """Its roots come with the service, for every region of the configuration."""
    authorities = {
        database.get("CACertificateIdentifier")
        for stacks in assemblies.values()
        for template in stacks.values()
        for database in _all(template, "AWS::RDS::DBInstance").values()
    }
    assert authorities == {"rds-ca-rsa2048-g1"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_both_logins_name_the_host_of_the_instance(
    assemblies: Assemblies, environment: str
) -> None:
    """RDS writes it into the secrets: migrations need no setting but the owner's secret."""
    template = _data(assemblies, environment)
    (instance,) = _all(template, "AWS::RDS::DBInstance")
    attached = _all(template, "AWS::SecretsManager::SecretTargetAttachment").values()
    assert {it["TargetType"] for it in attached} == {"AWS::RDS::DBInstance"}
    assert [it["TargetId"] for it in attached] == [{"Ref": instance}] * 2
    secrets = _all(template, "AWS::SecretsManager::Secret")
    assert {secrets[it["SecretId"]["Ref"]]["Name"].rsplit("/", 1)[1] for it in attached} == {
        "application",
        "owner",
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_database_takes_tls_only_and_nobody_by_default(
    assemblies: Assemblies, environment: str
) -> None:
    """Instance and proxy speak with TLS only; the instance lets in the proxy and the rotation."""
    template = _data(assemblies, environment)
    parameters = _one(template, "AWS::RDS::DBParameterGroup")["Parameters"]
    assert parameters["rds.force_ssl"] == "1"
    assert parameters["max_connections"] == ("500" if environment == "production" else "200")
    assert parameters["shared_preload_libraries"] == "pg_stat_statements"
    proxy = _one(template, "AWS::RDS::DBProxy")
    assert proxy["RequireTLS"] is True
    (auth,) = proxy["Auth"]
    assert "ApplicationSecret" in json.dumps(auth["SecretArn"])
    for group in _all(template, "AWS::EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group
    rules = _all(template, "AWS::EC2::SecurityGroupIngress").values()
    let_in = [json.dumps([rule["GroupId"], rule["SourceSecurityGroupId"]]) for rule in rules]
    # EC2 refuses the same rule twice.
    assert len(let_in) == len(set(let_in)) == 2
    assert all("DatabaseInstanceSecurityGroup" in pair for pair in let_in)
    assert any("ProxySecurityGroup" in pair for pair in let_in)
    assert any("RotationSecurityGroup" in pair for pair in let_in)


@pytest.mark.parametrize("stack", ["development-data", "staging-data", "production-data"])
def test_databases_log_no_values(assemblies: Assemblies, stack: str) -> None:
    """Nor does the proxy: the log goes to CloudWatch. What it holds on a real server:
    tests/conformance/test_server_log.py."""
    template = assemblies[stack.partition("-")[0]][f"user-api-{stack}"]
    assert _one(template, "AWS::RDS::DBProxy")["DebugLogging"] is False
    _logs_no_values(template)


def test_replica_logs_no_values(assemblies: Assemblies) -> None:
    _logs_no_values(assemblies["production"]["user-api-production-dr-data"])


def _logs_no_values(template: Template) -> None:
    parameters = _one(template, "AWS::RDS::DBParameterGroup")["Parameters"]
    assert parameters == {**PARAMETERS, "max_connections": parameters["max_connections"]}
    assert not loud({**QUIET, **parameters})


@pytest.mark.parametrize(
    ("environment", "node", "replicas", "clustered"),
    [
        ("development", "cache.t3.micro", 0, False),
        ("staging", "cache.t3.micro", 1, False),
        ("production", "cache.r6g.large", 2, True),
    ],
)
def test_cache_has_its_size_and_is_shut(
    assemblies: Assemblies, environment: str, node: str, replicas: int, clustered: bool
) -> None:
    """One shard; in production of three nodes in cluster mode. TLS and a token everywhere."""
    template = _data(assemblies, environment)
    cache = _one(template, "AWS::ElastiCache::ReplicationGroup")
    wanted = {
        "Engine": "redis",
        "EngineVersion": "7.1",
        "CacheNodeType": node,
        "NumNodeGroups": 1,
        "ReplicasPerNodeGroup": replicas,
        "AutomaticFailoverEnabled": replicas > 0,
        "MultiAZEnabled": replicas > 0,
        "CacheParameterGroupName": "default.redis7" + (".cluster.on" if clustered else ""),
        "TransitEncryptionEnabled": True,
        "TransitEncryptionMode": "required",
        "AtRestEncryptionEnabled": True,
    }
    assert {key: cache.get(key) for key in wanted} == wanted
    assert "KmsKeyId" in cache
    token = f"{{{{resolve:secretsmanager:user-api/{environment}/cache-token:SecretString:"
    assert cache["AuthToken"].startswith(token)
    url = json.dumps(_secret(template, f"user-api/{environment}/cache")["SecretString"])
    assert "rediss://" in url
    assert ("?cluster=true" in url) is clustered


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_secrets_are_made_by_aws_and_known_by_name(
    assemblies: Assemblies, environment: str
) -> None:
    """Each secret has its fixed name and our key; in production the recovery region has it too."""
    template = _data(assemblies, environment)
    for part, field in (
        ("settings", "SECRET_KEY"),
        ("database/application", "password"),
        ("database/owner", "password"),
        ("cache-token", "auth_token"),
    ):
        made = _secret(template, f"user-api/{environment}/{part}")["GenerateSecretString"]
        assert made["GenerateStringKey"] == field
        # Letters and digits, a multiple of four: SECRET_KEY is read as base64.
        assert (made["PasswordLength"], made["ExcludePunctuation"]) == (64, True)
    regions = ["us-west-2"] if environment == "production" else []
    for secret in _all(template, "AWS::SecretsManager::Secret").values():
        assert "KmsKeyId" in secret
        assert [each["Region"] for each in secret.get("ReplicaRegions", [])] == regions


@pytest.mark.parametrize(
    ("environment", "stack", "region"),
    [
        ("development", "user-api-development-data", "us-east-1"),
        ("staging", "user-api-staging-data", "us-east-1"),
        ("production", "user-api-production-data", "us-east-1"),
        ("production", "user-api-production-dr-archive", "us-west-2"),
    ],
)
def test_buckets_keep_what_they_hold(
    assemblies: Assemblies, environment: str, stack: str, region: str
) -> None:
    """Logs go to the archive after 7 days; seals and ledger cannot be deleted; all is versioned."""
    found = _all(assemblies[environment][stack], "AWS::S3::Bucket").values()
    buckets = {
        str(it["BucketName"])
        .removeprefix(f"user-api-{environment}-")
        .removesuffix(f"-{ACCOUNT}-{region}"): it
        for it in found
    }
    assert buckets.keys() == {"assets", "backups", "logs", "seals", "ledger"}
    assert all(it["VersioningConfiguration"]["Status"] == "Enabled" for it in buckets.values())
    (rule,) = buckets["logs"]["LifecycleConfiguration"]["Rules"]
    (move,) = rule["Transitions"]
    assert (move["StorageClass"], move["TransitionInDays"]) == ("GLACIER", 7)
    mode = ("COMPLIANCE", 400) if environment in GUARDED else ("GOVERNANCE", 1)
    for purpose in ("seals", "ledger"):
        assert buckets[purpose]["ObjectLockEnabled"] is True
        lock = buckets[purpose]["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
        assert (lock["Mode"], lock["Days"]) == mode


def test_production_copies_its_buckets_to_the_recovery_region(assemblies: Assemblies) -> None:
    """Each destination is a bucket of the other region's template, under that region's key."""
    there = _all(assemblies["production"]["user-api-production-dr-archive"], "AWS::S3::Bucket")
    names = {f"arn:aws:s3:::{it['BucketName']}" for it in there.values()}
    copied = set()
    for bucket in _all(_data(assemblies, "production"), "AWS::S3::Bucket").values():
        if "ReplicationConfiguration" not in bucket:
            continue
        (rule,) = bucket["ReplicationConfiguration"]["Rules"]
        assert rule["Status"] == "Enabled"
        destination = rule["Destination"]
        key = destination["EncryptionConfiguration"]["ReplicaKmsKeyID"]
        assert key == f"arn:aws:kms:us-west-2:{ACCOUNT}:alias/user-api-production-data"
        copied.add(destination["Bucket"])
    assert copied == {name for name in names if "-logs-" not in name}


def test_replica_follows_the_primary_by_its_name(assemblies: Assemblies) -> None:
    """The replica names the primary's ARN, has a key of its own region, and takes TLS only."""
    primary = _one(_data(assemblies, "production"), "AWS::RDS::DBInstance")
    template = assemblies["production"]["user-api-production-dr-data"]
    replica = _one(template, "AWS::RDS::DBInstance")
    source = json.dumps(replica["SourceDBInstanceIdentifier"])
    assert f':rds:us-east-1:{ACCOUNT}:db:{primary["DBInstanceIdentifier"]}"' in source
    assert replica["SourceRegion"] == "us-east-1"
    assert replica["DBInstanceClass"] == "db.r6g.large"
    assert replica["BackupRetentionPeriod"] == 30
    assert "us-west-2" in json.dumps(replica["KmsKeyId"])
    # RDS refuses it on a replica.
    assert "StorageEncrypted" not in replica
    parameters = _one(template, "AWS::RDS::DBParameterGroup")["Parameters"]
    assert (parameters["rds.force_ssl"], parameters["max_connections"]) == ("1", "500")


def test_both_regions_sign_with_one_key_pair(assemblies: Assemblies) -> None:
    """The key's ARN crosses in a secret that Secrets Manager replicates."""
    here = _data(assemblies, "production")
    keys = [
        it
        for it in _all(here, "AWS::KMS::Key").values()
        if it.get("KeySpec") == "ECC_NIST_P256" and it["KeyUsage"] == "SIGN_VERIFY"
    ]
    assert [key["MultiRegion"] for key in keys] == [True]
    name = "user-api/production/audit-signing-key"
    assert "AuditSigningKey" in json.dumps(_secret(here, name)["SecretString"])
    replica = _one(assemblies["production"]["user-api-production-dr-data"], "AWS::KMS::ReplicaKey")
    assert replica["PrimaryKeyArn"] == f"{{{{resolve:secretsmanager:{name}:SecretString:arn}}}}"


def _data(assemblies: Assemblies, environment: str) -> Template:
    return assemblies[environment][f"user-api-{environment}-data"]


def _all(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: it.get("Properties", {})
        for name, it in template["Resources"].items()
        if it["Type"] == kind
    }


def _one(template: Template, kind: str) -> dict[str, Any]:
    (found,) = _all(template, kind).values()
    return found


def _secret(template: Template, name: str) -> dict[str, Any]:
    secrets = _all(template, "AWS::SecretsManager::Secret").values()
    (found,) = [secret for secret in secrets if secret["Name"] == name]
    return found
