"""The CloudFormation schemas that cfn-lint ships, for what a template has resolved to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from cfnlint.jsonschema import CfnTemplateValidator, ValidationError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from cfnlint.schema.resolver import RefResolver

_SCHEMA_REGION = "us-east-1"


@cache
def schema_of(resource_type: str) -> Mapping[str, Any]:
    """The schema of a type.

    Raises:
        cfnlint.schema.exceptions.ResourceNotFoundError: AWS has no such type.
    """
    found = PROVIDER_SCHEMA_MANAGER.get_resource_schema(_SCHEMA_REGION, resource_type)
    schema: Mapping[str, Any] = found.schema
    return schema


def attributes_of(resource_type: str) -> frozenset[str]:
    """What `Fn::GetAtt` may ask of it."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(_SCHEMA_REGION, resource_type)
    return frozenset(schema.get_atts)


def identifier_of(resource_type: str) -> tuple[str, ...]:
    """The names of the properties that make up what `Ref` returns."""
    parts = schema_of(resource_type).get("primaryIdentifier", ())
    return tuple(part.removeprefix("/properties/") for part in parts)


def faults(resource_type: str, properties: Mapping[str, Any]) -> list[str]:
    """Missing and unknown properties, wrong types and values, each as `path: what`."""
    schema = schema_of(resource_type)
    read_only = {part.removeprefix("/properties/") for part in schema.get("readOnlyProperties", ())}
    validator = CfnTemplateValidator(schema=schema, resolver=RefResolver.from_schema(schema))
    found = [
        f"{'/'.join(map(str, error.path)) or '.'}: {error.message}"
        for error in validator.iter_errors(properties)
        if not _converted(error)
    ]
    required = set(schema.get("required", ()))
    return found + [
        f"{name}: AWS sets it" for name in sorted(read_only & set(properties) - required)
    ]


def _converted(error: ValidationError) -> bool:
    """Whether CloudFormation would make the text a number or a truth value itself."""
    if error.validator != "type" or not isinstance(error.instance, str):
        return False
    wanted = {
        "integer": r"-?\d+",
        "number": r"-?\d+(\.\d+)?",
        "boolean": r"true|false",
    }.get(str(error.validator_value))
    return wanted is not None and re.fullmatch(wanted, error.instance) is not None
