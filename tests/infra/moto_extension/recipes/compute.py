"""EKS, Lambda and IAM."""

from __future__ import annotations

from typing import Any

from tests.infra.moto_extension.making import Made, Making, tags_of
from tests.infra.moto_extension.resources import makes


@makes("AWS::EKS::Cluster")
def cluster(it: Making) -> Made:
    # moto has none of what is apart; and it names a security group that it does not make.
    name = it.named("Name")
    types = it.properties.get("Logging", {}).get("ClusterLogging", {}).get("EnabledTypes", [])
    logging = {"clusterLogging": [{"types": [each["Type"] for each in types], "enabled": True}]}
    made = it.create(
        "eks",
        "create_cluster",
        apart=("Logging",),
        name=name,
        logging=logging,
        tags=tags_of(it),
    )["cluster"]
    subnet = it.properties["ResourcesVpcConfig"]["SubnetIds"][0]
    vpc = it.call("ec2", "describe_subnets", SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    group = it.call(
        "ec2",
        "create_security_group",
        GroupName=f"eks-cluster-sg-{name}",
        Description="EKS created security group applied to ENI",
        VpcId=vpc,
    )["GroupId"]

    def undo() -> None:
        it.call("eks", "delete_cluster", name=name)
        it.call("ec2", "delete_security_group", GroupId=group)

    keys = [each["Provider"]["KeyArn"] for each in it.properties.get("EncryptionConfig", [])]
    return Made(
        ref=name,
        attributes={
            "Arn": made["arn"],
            "Id": name,
            "Endpoint": made["endpoint"],
            "CertificateAuthorityData": made["certificateAuthority"]["data"],
            "ClusterSecurityGroupId": group,
            "OpenIdConnectIssuerUrl": made["identity"]["oidc"]["issuer"],
            "EncryptionConfigKeyArn": "".join(keys),
        },
        undo=undo,
    )


@makes("AWS::EKS::Nodegroup")
def node_group(it: Making) -> Made:
    cluster_name, name = it.properties["ClusterName"], it.named("NodegroupName")
    made = it.create(
        "eks",
        "create_nodegroup",
        apart=("ForceUpdateEnabled",),
        nodegroupName=name,
        tags=tags_of(it),
    )["nodegroup"]
    return Made(
        ref=f"{cluster_name}/{name}",
        attributes={
            "Arn": made["nodegroupArn"],
            "Id": f"{cluster_name}/{name}",
            "ClusterName": cluster_name,
            "NodegroupName": name,
        },
        undo=it.undoing("eks", "delete_nodegroup", clusterName=cluster_name, nodegroupName=name),
    )


@makes("AWS::IAM::OIDCProvider")
def oidc_provider(it: Making) -> Made:
    arn = it.create(
        "iam",
        "create_open_id_connect_provider",
        renamed={"ClientIdList": "ClientIDList"},
    )["OpenIDConnectProviderArn"]
    return Made(
        ref=arn,
        attributes={"Arn": arn},
        undo=it.undoing("iam", "delete_open_id_connect_provider", OpenIDConnectProviderArn=arn),
    )


@makes("AWS::IAM::ServiceLinkedRole")
def service_linked_role(it: Making) -> Made:
    role = it.create("iam", "create_service_linked_role")["Role"]["RoleName"]
    return Made(ref=role, attributes={"RoleName": role})


@makes("AWS::Lambda::Function")
def function(it: Making) -> Made:
    # moto's own resource drops most of the settings.
    name = it.named("FunctionName")
    arn = it.create(
        "lambda",
        "create_function",
        apart=("ReservedConcurrentExecutions", "RuntimeManagementConfig"),
        FunctionName=name,
        Tags=tags_of(it),
    )["FunctionArn"]
    reserved = it.properties.get("ReservedConcurrentExecutions")
    if reserved is not None:
        it.call(
            "lambda",
            "put_function_concurrency",
            FunctionName=name,
            ReservedConcurrentExecutions=int(reserved),
        )
    return Made(
        ref=name,
        attributes={"Arn": arn},
        undo=it.undoing("lambda", "delete_function", FunctionName=name),
    )


@makes("AWS::Lambda::Version")
def version(it: Making) -> Made:
    # moto's own resource gives a number for the ARN, and no attributes.
    answer = it.create(
        "lambda", "publish_version", apart=("ProvisionedConcurrencyConfig", "RuntimePolicy")
    )
    return Made(
        ref=answer["FunctionArn"],
        attributes={"Version": answer["Version"], "FunctionArn": answer["FunctionArn"]},
    )


@makes("AWS::Lambda::Alias")
def alias(it: Making) -> Made:
    answer = it.create("lambda", "create_alias", apart=("ProvisionedConcurrencyConfig",))
    which = {"FunctionName": it.properties["FunctionName"], "Name": it.properties["Name"]}
    return Made(
        ref=answer["AliasArn"],
        attributes={"AliasArn": answer["AliasArn"]},
        undo=it.undoing("lambda", "delete_alias", **which),
    )


@makes("AWS::Lambda::Permission")
def permission(it: Making) -> Made:
    # moto's own resource cannot find a function by its alias.
    name, qualifier = _split(it.properties["FunctionName"])
    which: dict[str, Any] = {"FunctionName": name, "StatementId": it.generated}
    if qualifier:
        which["Qualifier"] = qualifier
    it.create("lambda", "add_permission", **which)
    return Made(ref=it.generated, undo=it.undoing("lambda", "remove_permission", **which))


@makes("AWS::Lambda::EventInvokeConfig")
def event_invoke_config(it: Making) -> Made:
    it.create("lambda", "put_function_event_invoke_config")
    name, qualifier = it.properties["FunctionName"], it.properties["Qualifier"]
    undo = it.undoing(
        "lambda",
        "delete_function_event_invoke_config",
        FunctionName=name,
        Qualifier=qualifier,
    )
    return Made(ref=f"{name}|{qualifier}", undo=undo)


def _split(function_name: str) -> tuple[str, str | None]:
    parts = function_name.split(":")
    if parts[0] == "arn":
        return parts[6], parts[7] if len(parts) > 7 else None
    return parts[0], parts[1] if len(parts) > 1 else None
