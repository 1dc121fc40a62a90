"""PostgreSQL: the instance, its proxy, and its replica in the other region."""

from __future__ import annotations

from typing import Any

from cdk.config.deployment import Deployment, Site
from tests.infra.deploy import networks
from tests.infra.deploy.account import Account
from tests.infra.deploy.expected import Figures


def instance(account: Account, deployment: Deployment, site: Site) -> dict[str, Any]:
    name = deployment.name(f"{site.part}database")
    rds = account.client("rds", site.region)
    found: dict[str, Any]
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    return found


def check(account: Account, deployment: Deployment, figures: Figures) -> None:
    primary = instance(account, deployment, deployment.primary)
    _is_private(account, deployment, deployment.primary, primary, figures)
    wanted = {
        "MultiAZ": figures.multi_az,
        "StorageEncrypted": True,
        "StorageType": "gp3",
        "AllocatedStorage": 100,
        "MaxAllocatedStorage": 500,
        "EngineVersion": "15.17",
        "DeletionProtection": figures.guarded,
    }
    for name, value in wanted.items():
        assert primary.get(name) == value, f"{name} of the database is {primary.get(name)}"
    _forces_tls(account, deployment.primary, primary)
    rds = account.client("rds", deployment.primary.region)
    (proxy,) = rds.describe_db_proxies(DBProxyName=deployment.name("proxy"))["DBProxies"]
    assert proxy["RequireTLS"], "the proxy takes connections without TLS"
    recovery = deployment.recovery
    if recovery is None:
        assert not primary.get("ReadReplicaDBInstanceIdentifiers"), "a replica that nobody wanted"
        return
    replica = instance(account, deployment, recovery)
    _is_private(account, deployment, recovery, replica, figures)
    assert replica["ReadReplicaSourceDBInstanceIdentifier"] == primary["DBInstanceArn"], replica
    assert primary["ReadReplicaDBInstanceIdentifiers"] == [replica["DBInstanceArn"]], primary
    assert replica["DeletionProtection"], "the replica is not protected"
    _forces_tls(account, recovery, replica)


def _is_private(
    account: Account, deployment: Deployment, site: Site, found: dict[str, Any], figures: Figures
) -> None:
    assert found["DBInstanceClass"] == figures.database_class, found["DBInstanceClass"]
    assert found["PreferredBackupWindow"] == "03:00-03:30", found["PreferredBackupWindow"]
    assert found["BackupRetentionPeriod"] == figures.backup_days, found["BackupRetentionPeriod"]
    assert not found["PubliclyAccessible"], "the database is public"
    data = networks.subnets(account, deployment, site)["data"]
    subnets = {each["SubnetIdentifier"] for each in found["DBSubnetGroup"]["Subnets"]}
    assert subnets == {each["SubnetId"] for each in data}, "the database is not in the data subnets"


def _forces_tls(account: Account, site: Site, found: dict[str, Any]) -> None:
    (group,) = found["DBParameterGroups"]
    given = account.listed(
        "rds",
        site.region,
        "describe_db_parameters",
        "Parameters",
        DBParameterGroupName=group["DBParameterGroupName"],
    )
    values = {each["ParameterName"]: each.get("ParameterValue") for each in given}
    assert values.get("rds.force_ssl") == "1", "the database takes connections without TLS"
