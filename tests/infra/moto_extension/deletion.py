"""Deleting a stack as CloudFormation does: the last made first, and all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.cloudformation import parsing

from tests.infra.moto_extension.making import client

# moto makes these and never deletes them: type -> service, operation, parameter for what Ref is.
_BY_REF: Mapping[str, tuple[str, str, str]] = {
    "AWS::EC2::InternetGateway": ("ec2", "delete_internet_gateway", "InternetGatewayId"),
    "AWS::EC2::NatGateway": ("ec2", "delete_nat_gateway", "NatGatewayId"),
    "AWS::EC2::RouteTable": ("ec2", "delete_route_table", "RouteTableId"),
    "AWS::ElasticLoadBalancingV2::Listener": ("elbv2", "delete_listener", "ListenerArn"),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("elbv2", "delete_target_group", "TargetGroupArn"),
    "AWS::Route53::HealthCheck": ("route53", "delete_health_check", "HealthCheckId"),
}


def delete_in_order(resources: Any) -> None:
    """Stands in for `ResourceMap.delete`, which deletes in any order until nothing fails."""
    described = resources._resource_json_map
    going = [
        name
        for name in reversed(list(resources._parsed_resources))
        if name in described and described[name].get("DeletionPolicy") != "Retain"
    ]
    for name in going:
        made = resources._parsed_resources[name]
        if made is not None and not isinstance(made, str):
            _delete(resources, made, described[name])
        del resources._parsed_resources[name]


def _delete(resources: Any, made: Any, description: Mapping[str, Any]) -> None:
    kind, region = description["Type"], resources._region_name
    if kind in _BY_REF:
        service, operation, parameter = _BY_REF[kind]
        getattr(client(service, region), operation)(**{parameter: made.physical_resource_id})
    elif kind in _OTHERS:
        properties = parsing.clean_json(description["Properties"], resources)
        _OTHERS[kind](client("ec2", region), made, properties)
    else:
        resources._delete_resource(made, description)


def _release_address(ec2: Any, made: Any, _: Mapping[str, Any]) -> None:
    ec2.release_address(AllocationId=made.allocation_id)


def _delete_flow_log(ec2: Any, made: Any, _: Mapping[str, Any]) -> None:
    ec2.delete_flow_logs(FlowLogIds=[made.id])


def _delete_endpoint(ec2: Any, made: Any, _: Mapping[str, Any]) -> None:
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made.id])


def _detach_gateway(ec2: Any, _: Any, properties: Mapping[str, Any]) -> None:
    ec2.detach_internet_gateway(
        InternetGatewayId=properties["InternetGatewayId"], VpcId=properties["VpcId"]
    )


def _disassociate(ec2: Any, _: Any, properties: Mapping[str, Any]) -> None:
    subnet = properties["SubnetId"]
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    for table in ec2.describe_route_tables(Filters=filters)["RouteTables"]:
        for each in table["Associations"]:
            if each.get("SubnetId") == subnet:
                ec2.disassociate_route_table(AssociationId=each["RouteTableAssociationId"])


_OTHERS: Mapping[str, Callable[[Any, Any, Mapping[str, Any]], None]] = {
    "AWS::EC2::EIP": _release_address,
    "AWS::EC2::FlowLog": _delete_flow_log,
    "AWS::EC2::SubnetRouteTableAssociation": _disassociate,
    "AWS::EC2::VPCEndpoint": _delete_endpoint,
    "AWS::EC2::VPCGatewayAttachment": _detach_gateway,
}
