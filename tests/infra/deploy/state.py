"""What the APIs say of an environment that has been deployed."""

from __future__ import annotations

import json

from cdk.config.deployment import Deployment, Site
from tests.infra.deploy import databases, networks
from tests.infra.deploy.account import Account
from tests.infra.deploy.expected import FIGURES, Figures

_LOCKED = {"seals", "ledger"}
_COPIED = {"assets", "backups", "seals", "ledger"}
_SECRETS = {
    "database/application": {"username", "password", "host", "port", "dbname", "engine"},
    "database/owner": {"username", "password", "host", "port", "dbname", "engine"},
    "cache": {"url", "auth_token"},
    "settings": {"SECRET_KEY"},
}


def check(account: Account, deployment: Deployment) -> None:
    """Compares everything that the specification has a figure for.

    Raises:
        AssertionError: something is not there, or is not as it should be.
    """
    figures = FIGURES[deployment.environment.name]
    sites = [site for site in (deployment.primary, deployment.recovery) if site is not None]
    for site in sites:
        networks.check(account, deployment, site, figures)
        _function(account, deployment, site)
        _buckets(account, deployment, site)
        _logs(account, deployment, site, figures)
        _secrets(account, deployment, site)
    databases.check(account, deployment, figures)
    _cluster(account, deployment, figures)
    _cache(account, deployment, figures)


def _cluster(account: Account, deployment: Deployment, figures: Figures) -> None:
    eks = account.client("eks", deployment.primary.region)
    name = deployment.name()
    cluster = eks.describe_cluster(name=name)["cluster"]
    assert cluster["version"] == "1.35", cluster["version"]
    assert cluster["encryptionConfig"][0]["resources"] == ["secrets"], "secrets in etcd are plain"
    logged = {kind for each in cluster["logging"]["clusterLogging"] for kind in each["types"]}
    assert "audit" in logged, f"the control plane logs {logged}"
    groups = eks.list_nodegroups(clusterName=name)["nodegroups"]
    assert len(groups) == 1, groups
    group = eks.describe_nodegroup(clusterName=name, nodegroupName=groups[0])["nodegroup"]
    scaling = group["scalingConfig"]
    assert (scaling["minSize"], scaling["maxSize"]) == (3, 10), scaling
    assert group["instanceTypes"] == [figures.node_type], group["instanceTypes"]
    application = networks.subnets(account, deployment, deployment.primary)["application"]
    assert set(group["subnets"]) == {each["SubnetId"] for each in application}, "nodes elsewhere"


def _cache(account: Account, deployment: Deployment, figures: Figures) -> None:
    api = account.client("elasticache", deployment.primary.region)
    (group,) = api.describe_replication_groups(ReplicationGroupId=deployment.name("cache"))[
        "ReplicationGroups"
    ]
    assert group["CacheNodeType"] == figures.cache_type, group["CacheNodeType"]
    assert len(group["MemberClusters"]) == figures.cache_nodes, group["MemberClusters"]
    assert group["TransitEncryptionEnabled"], "Redis without TLS"
    assert group["AtRestEncryptionEnabled"], "Redis snapshots are plain"
    assert group["AuthTokenEnabled"], "Redis asks for no password"
    assert group["ClusterEnabled"] == figures.guarded, "cluster mode"


def _function(account: Account, deployment: Deployment, site: Site) -> None:
    api = account.client("lambda", site.region)
    name = deployment.name(f"{site.part}api")
    alias = api.get_alias(FunctionName=name, Name="live")
    assert alias["FunctionVersion"] == "1", alias
    found = api.get_function(FunctionName=name)
    assert found["Configuration"]["VpcConfig"]["SubnetIds"], "the function is outside of the VPC"
    reserved = found.get("Concurrency", {}).get("ReservedConcurrentExecutions")
    assert reserved == site.fallback.reserved_concurrency, reserved
    policy = json.loads(api.get_policy(FunctionName=name, Qualifier="live")["Policy"])
    callers = {each["Principal"].get("Service") for each in policy["Statement"]}
    assert "elasticloadbalancing.amazonaws.com" in callers, callers


def _buckets(account: Account, deployment: Deployment, site: Site) -> None:
    api = account.client("s3", site.region)
    for purpose in ("assets", "backups", "logs", "seals", "ledger"):
        name = deployment.bucket_name(purpose, site)
        rules = api.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        algorithm = rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
        assert algorithm == ("AES256" if purpose == "logs" else "aws:kms"), (name, algorithm)
        closed = api.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        assert all(closed.values()), (name, closed)
        assert api.get_bucket_versioning(Bucket=name)["Status"] == "Enabled", name
        if purpose in _LOCKED:
            lock = api.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
            mode = lock["Rule"]["DefaultRetention"]["Mode"]
            assert mode == ("COMPLIANCE" if _guarded(deployment) else "GOVERNANCE"), (name, mode)
        recovery = deployment.recovery
        if purpose in _COPIED and recovery is not None and not site.part:
            copied = api.get_bucket_replication(Bucket=name)["ReplicationConfiguration"]["Rules"]
            target = f"arn:aws:s3:::{deployment.bucket_name(purpose, recovery)}"
            assert [each["Destination"]["Bucket"] for each in copied] == [target], copied


def _logs(account: Account, deployment: Deployment, site: Site, figures: Figures) -> None:
    groups = account.listed("logs", site.region, "describe_log_groups", "logGroups")
    ours = [each for each in groups if deployment.environment.name in each["logGroupName"]]
    assert len(ours) >= 3, [each["logGroupName"] for each in ours]
    for each in ours:
        assert each.get("retentionInDays") == figures.log_days, each["logGroupName"]


def _secrets(account: Account, deployment: Deployment, site: Site) -> None:
    api = account.client("secretsmanager", site.region)
    for name, fields in _SECRETS.items():
        path = f"user-api/{deployment.environment.name}/{name}"
        value = json.loads(api.get_secret_value(SecretId=path)["SecretString"])
        assert fields <= set(value), f"{path} lacks {fields - set(value)}"
        assert "{{resolve" not in json.dumps(value), f"{path} refers to a secret"


def _guarded(deployment: Deployment) -> bool:
    return FIGURES[deployment.environment.name].guarded
