"""Where moto's CloudFormation differs from AWS, and what a real deployment runs into."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Mapping
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import CloudFormationBackend, cloudformation_backends
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult
from moto.ec2.models.nat_gateways import NatGateway
from moto.elbv2.models import FakeLoadBalancer
from moto.iam.access_control import PermissionResult
from moto.rds.models import DBInstance, RDSBackend
from moto.route53.models import HealthCheck
from moto.s3.models import FakeBucket

from tests.infra.moto_extension import recipes
from tests.infra.moto_extension.deletion import delete_in_order
from tests.infra.moto_extension.making import client
from tests.infra.moto_extension.resources import RECIPES, ByApi, Stub
from tests.infra.moto_extension.schema import faults

_clean_json = parsing.clean_json
_parse = parsing.parse_resource_and_generate_name
_class_of = parsing.resource_class_from_type
_SECRET = re.compile(
    r"\{\{resolve:secretsmanager:(?P<id>arn:aws:secretsmanager:[\w-]+:\d+:secret:[^:}]+|[^:}]+)"
    r":SecretString:(?P<key>[^:}]*)(?::[^}]*)?\}\}"
)
_delete_stack = CloudFormationBackend.delete_stack
_balancer_attribute = FakeLoadBalancer.get_cfn_attribute
_create_read_replica = RDSBackend.create_db_instance_read_replica
_execute = CloudFormationBackend.execute_change_set
_get_params_from_list = CloudFormationResponse._get_params_from_list


def install() -> None:
    """Puts everything of this package into moto, for the rest of the process."""
    recipes.load()
    parsing.resource_class_from_type = _resource_class
    parsing.parse_resource_and_generate_name = _checked_resource
    parsing.clean_json = _cleaned
    parsing.ResourceMap.delete = delete_in_order
    CloudFormationBackend.delete_stack = _delete_unprotected
    CloudFormationBackend.execute_change_set = _execute_change_set
    FakeBucket.get_permission = _no_opinion
    FakeBucket._log_permissions_enabled_policy = staticmethod(_may_log)
    FakeLoadBalancer.get_cfn_attribute = _load_balancer_attribute
    HealthCheck.get_cfn_attribute = _health_check_attribute
    DBInstance.remove_replica = _remove_replica
    RDSBackend.create_db_instance_read_replica = _create_replica
    NatGateway.get_cfn_attribute = _nat_gateway_attribute
    CloudFormationResponse._get_params_from_list = _parameters
    CloudFormationResponse.update_termination_protection = _update_termination_protection


def _resource_class(resource_type: str) -> Any:
    if resource_type in RECIPES:
        return ByApi
    if resource_type in parsing.get_model_map() or resource_type in parsing.NULL_MODELS:
        return _class_of(resource_type)
    if resource_type.startswith("Custom::"):
        # moto would run its function; this project has none.
        raise ValidationError(message=f"{resource_type} is a custom resource")
    return Stub


def _checked_resource(logical_id: str, resource: Any, resources: Any) -> Any:
    # moto takes what it knows of the properties and drops the rest: a misspelt one would pass.
    found = _parse(logical_id, resource, resources)
    if found is None or resource["Type"].startswith("AWS::CDK::"):
        return found
    model, resolved, name = found
    wrong = faults(resource["Type"], resolved.get("Properties", {}))
    if wrong:
        raise ValidationError(message=f"{resource['Type']} {logical_id}: {'; '.join(wrong)}")
    return model, _with_secrets(resolved, resources["AWS::Region"]), name


def _cleaned(value: Any, resources: Any) -> Any:
    # moto does not know Fn::GetStackOutput, which the CDK's weak references between stacks are.
    if isinstance(value, Mapping) and "Fn::GetStackOutput" in value:
        wanted = value["Fn::GetStackOutput"]
        region = wanted.get("Region") or resources["AWS::Region"]
        backend = cloudformation_backends[resources["AWS::AccountId"]][region]
        for output in backend.get_stack(wanted["StackName"]).outputs or ():
            if output["OutputKey"] == wanted["OutputName"]:
                return output["OutputValue"]
        raise ValidationError(message=f"no output {wanted['StackName']}.{wanted['OutputName']}")
    if isinstance(value, list):
        # moto leaves AWS::NoValue in a list as None.
        cleaned = [_cleaned(each, resources) for each in value]
        return [each for each in cleaned if each is not None]
    return _clean_json(value, resources)


def _parameters(response: CloudFormationResponse, given: list[dict[str, Any]]) -> dict[str, Any]:
    # KeyError: 'ParameterValue': without a change set the CDK asks for the previous value so.
    named = [each for each in given if "ParameterValue" in each]
    found: dict[str, Any] = _get_params_from_list(response, named)
    return found


def _execute_change_set(
    backend: CloudFormationBackend, change_set_name: str, stack_name: str | None = None
) -> None:
    # moto forgets the outputs of a stack that a change set makes, which is how bootstrapping works.
    change_set = backend.describe_change_set(change_set_name)
    _execute(backend, change_set_name, stack_name)
    change_set.stack._parse_template()
    change_set.stack.output_map = change_set.stack._create_output_map()


def _no_opinion(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    # moto reads a policy without its conditions: "deny what comes without TLS" denies everything.
    return PermissionResult.NEUTRAL


def _may_log(target_bucket: FakeBucket, target_prefix: str | None) -> bool:
    # moto wants the policy before the bucket that logs is made; a template may say it in any order.
    return True


def _load_balancer_attribute(balancer: FakeLoadBalancer, name: str) -> Any:
    # moto raises for these, and leaves the function as it is written.
    if name == "LoadBalancerFullName":
        return balancer.arn.split(":loadbalancer/")[1]
    if name == "CanonicalHostedZoneID":
        return balancer.canonical_hosted_zone_id
    return _balancer_attribute(balancer, name)


def _health_check_attribute(check: HealthCheck, name: str) -> str:
    # moto has none of its attributes.
    if name != "HealthCheckId":
        raise ValidationError(message=f"AWS::Route53::HealthCheck has no attribute {name}")
    identifier: str = check.id
    return identifier


def _create_replica(backend: RDSBackend, settings: dict[str, Any]) -> DBInstance:
    # moto looks for the subnet group of a replica in the region of its source.
    return _create_read_replica(backend, {"backend": backend, **settings})


def _remove_replica(source: DBInstance, replica: DBInstance) -> None:
    # moto adds a replica of another region by its ARN, and looks for its identifier.
    names = {replica.db_instance_arn, replica.db_instance_identifier}
    source.replicas = [each for each in source.replicas if each not in names]


def _nat_gateway_attribute(gateway: NatGateway, name: str) -> str:
    # moto has none of its attributes.
    if name != "NatGatewayId":
        raise ValidationError(message=f"AWS::EC2::NatGateway has no attribute {name}")
    identifier: str = gateway.id
    return identifier


def _delete_unprotected(backend: CloudFormationBackend, name_or_stack_id: str) -> None:
    # moto stores EnableTerminationProtection and deletes the stack all the same.
    for stack in backend.stacks.values():
        named = name_or_stack_id in {stack.name, stack.stack_id}
        if named and stack.enable_termination_protection:
            raise ValidationError(
                message=f"Stack [{stack.name}] cannot be deleted while TerminationProtection"
                " is enabled"
            )
    try:
        _delete_stack(backend, name_or_stack_id)
    except Exception as error:
        traceback.print_exc()
        raise ValidationError(message=f"{name_or_stack_id}: {error}") from error


def _update_termination_protection(response: CloudFormationResponse) -> ActionResult:
    # moto has no UpdateTerminationProtection, which the CDK calls after each protected stack.
    stack = response.cloudformation_backend.get_stack(response._get_param("StackName"))
    enabled = response._get_param("EnableTerminationProtection")
    stack.enable_termination_protection = json.loads(str(enabled).lower())
    return ActionResult({"StackId": stack.stack_id})


def _with_secrets(value: Any, region: str) -> Any:
    # moto leaves dynamic references to secrets as they are written.
    if isinstance(value, Mapping):
        return {key: _with_secrets(each, region) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_secrets(each, region) for each in value]
    if isinstance(value, str):
        return _SECRET.sub(lambda found: _secret_value(found, region), value)
    return value


def _secret_value(found: re.Match[str], region: str) -> str:
    identifier, key = found["id"], found["key"]
    answer = client("secretsmanager", region).get_secret_value(SecretId=identifier)
    text: str = answer["SecretString"]
    return str(json.loads(text)[key]) if key else text
