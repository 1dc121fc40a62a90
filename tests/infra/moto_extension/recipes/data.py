"""RDS and ElastiCache."""

from __future__ import annotations

from typing import Any

from moto.elasticache.models import elasticache_backends

from tests.infra.moto_extension.making import Made, Making
from tests.infra.moto_extension.resources import makes

_NOT_API = ("AllowMajorVersionUpgrade", "DeleteAutomatedBackups", "SourceRegion")
# CreateDBInstanceReadReplica takes none of these: CloudFormation modifies the replica then.
_SET_LATER = ("BackupRetentionPeriod", "PreferredBackupWindow", "PreferredMaintenanceWindow")
_A_CALL = 20
"""Parameters that ModifyDBParameterGroup takes at once."""


@makes("AWS::RDS::DBSubnetGroup")
def subnet_group(it: Making) -> Made:
    # moto's own resource has no id, so that Ref would give the object itself.
    name = it.named("DBSubnetGroupName").lower()
    it.create("rds", "create_db_subnet_group", DBSubnetGroupName=name)
    return Made(
        ref=name,
        undo=it.undoing("rds", "delete_db_subnet_group", DBSubnetGroupName=name),
    )


@makes("AWS::RDS::DBParameterGroup")
def parameter_group(it: Making) -> Made:
    # moto's own resource has no id either: Ref in DBParameterGroupName fails.
    name = it.named("DBParameterGroupName").lower()
    it.create(
        "rds",
        "create_db_parameter_group",
        apart=("Parameters",),
        renamed={"Family": "DBParameterGroupFamily"},
        DBParameterGroupName=name,
    )
    changes = [
        {"ParameterName": key, "ParameterValue": str(value), "ApplyMethod": "pending-reboot"}
        for key, value in it.properties.get("Parameters", {}).items()
    ]
    for start in range(0, len(changes), _A_CALL):
        it.call(
            "rds",
            "modify_db_parameter_group",
            DBParameterGroupName=name,
            Parameters=changes[start : start + _A_CALL],
        )
    return Made(
        ref=name,
        attributes={"DBParameterGroupName": name},
        undo=it.undoing("rds", "delete_db_parameter_group", DBParameterGroupName=name),
    )


@makes("AWS::RDS::DBInstance")
def instance(it: Making) -> Made:
    # moto's own resource drops what it has no argument for, such as the deletion protection.
    name = it.named("DBInstanceIdentifier").lower()
    replica = "SourceDBInstanceIdentifier" in it.properties
    answer = it.create(
        "rds",
        "create_db_instance_read_replica" if replica else "create_db_instance",
        apart=_NOT_API + (_SET_LATER if replica else ()),
        renamed={"VPCSecurityGroups": "VpcSecurityGroupIds"},
        DBInstanceIdentifier=name,
    )["DBInstance"]
    if replica:
        later = {each: it.properties[each] for each in _SET_LATER if each in it.properties}
        it.call("rds", "modify_db_instance", DBInstanceIdentifier=name, **later)
    endpoint = answer["Endpoint"]
    last: dict[str, Any] = (
        {"FinalDBSnapshotIdentifier": f"{name}-last"}
        if it.kept_as_snapshot
        else {"SkipFinalSnapshot": True}
    )
    return Made(
        ref=name,
        attributes={
            "Endpoint.Address": endpoint["Address"],
            "Endpoint.Port": str(endpoint["Port"]),
            "DbiResourceId": answer["DbiResourceId"],
            "DBInstanceArn": answer["DBInstanceArn"],
        },
        undo=it.undoing("rds", "delete_db_instance", DBInstanceIdentifier=name, **last),
    )


@makes("AWS::RDS::DBProxy")
def proxy(it: Making) -> Made:
    answer = it.create("rds", "create_db_proxy")["DBProxy"]
    return Made(
        ref=answer["DBProxyName"],
        attributes={
            "DBProxyArn": answer["DBProxyArn"],
            "Endpoint": answer["Endpoint"],
            "VpcId": answer["VpcId"],
        },
        undo=it.undoing("rds", "delete_db_proxy", DBProxyName=answer["DBProxyName"]),
    )


@makes("AWS::RDS::DBProxyTargetGroup")
def proxy_targets(it: Making) -> Made:
    proxy, group = it.properties["DBProxyName"], it.properties["TargetGroupName"]
    targets = {
        "DBProxyName": proxy,
        "TargetGroupName": group,
        "DBInstanceIdentifiers": it.properties.get("DBInstanceIdentifiers", []),
    }
    it.call("rds", "register_db_proxy_targets", **targets)
    it.create(
        "rds",
        "modify_db_proxy_target_group",
        apart=("DBInstanceIdentifiers", "DBClusterIdentifiers"),
        renamed={"ConnectionPoolConfigurationInfo": "ConnectionPoolConfig"},
    )
    arn = it.arn("rds", f"target-group:{proxy}/{group}")
    return Made(
        ref=arn,
        attributes={"TargetGroupArn": arn},
        undo=it.undoing("rds", "deregister_db_proxy_targets", **targets),
    )


@makes("AWS::ElastiCache::SubnetGroup")
def cache_subnet_group(it: Making) -> Made:
    name = it.named("CacheSubnetGroupName").lower()
    it.create(
        "elasticache",
        "create_cache_subnet_group",
        renamed={"Description": "CacheSubnetGroupDescription"},
        CacheSubnetGroupName=name,
    )
    # moto has no DeleteCacheSubnetGroup.
    groups = elasticache_backends[it.account][it.region].cache_subnet_groups
    return Made(ref=name, undo=lambda: groups.pop(name))


@makes("AWS::ElastiCache::ReplicationGroup")
def replication_group(it: Making) -> Made:
    # AWS knows cluster mode by the parameter group too; moto by ClusterMode only.
    name = it.named("ReplicationGroupId").lower()
    clustered = str(it.properties.get("CacheParameterGroupName")).endswith(".cluster.on")
    mode: dict[str, Any] = {"ClusterMode": "enabled"} if clustered else {}
    answer = it.create("elasticache", "create_replication_group", ReplicationGroupId=name, **mode)
    group = answer["ReplicationGroup"]
    first = group["NodeGroups"][0]
    places = {
        "ConfigurationEndPoint": group.get("ConfigurationEndpoint"),
        "PrimaryEndPoint": first.get("PrimaryEndpoint"),
        "ReaderEndPoint": first.get("ReaderEndpoint"),
    }
    return Made(
        ref=name,
        attributes={
            f"{place}.{part}": str(endpoint[part])
            for place, endpoint in places.items()
            if endpoint is not None
            for part in ("Address", "Port")
        },
        undo=it.undoing("elasticache", "delete_replication_group", ReplicationGroupId=name),
    )


@makes("AWS::RDS::EventSubscription")
def event_subscription(it: Making) -> Made:
    name = it.named("SubscriptionName")
    it.create("rds", "create_event_subscription", SubscriptionName=name)
    return Made(
        ref=name,
        undo=it.undoing("rds", "delete_event_subscription", SubscriptionName=name),
    )
