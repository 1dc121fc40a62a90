"""Making one resource of a template by calls of its service's own API."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.model import ListShape, MapShape, Shape, StructureShape

_SETTINGS = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})


class RecipeError(Exception):
    """A template says something that its recipe has no place for."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A resource: what `Ref` and `Fn::GetAtt` give of it, and how it is deleted again."""

    ref: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    undo: Callable[[], object] = lambda: None


@cache
def client(service: str, region: str) -> Any:
    """A client of this very server."""
    return boto3.client(  # type: ignore[call-overload]
        service, region_name=region, config=_SETTINGS, endpoint_url=os.environ["AWS_ENDPOINT_URL"]
    )


@dataclass(frozen=True, kw_only=True)
class Making:
    """One resource to make. `generated` is its name if the template gives none."""

    type: str
    properties: Mapping[str, Any]
    generated: str
    account: str
    region: str
    kept_as_snapshot: bool = False

    def named(self, key: str) -> str:
        return str(self.properties.get(key, self.generated))

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def call(self, service: str, operation: str, /, **parameters: Any) -> Any:
        return getattr(client(service, self.region), operation)(**parameters)

    def undoing(self, service: str, operation: str, /, **parameters: Any) -> Callable[[], object]:
        return lambda: self.call(service, operation, **parameters)

    def create(
        self,
        service: str,
        operation: str,
        /,
        *,
        apart: tuple[str, ...] = (),
        renamed: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Any:
        """Calls the operation with the template's properties as its parameters.

        `renamed` maps property to parameter, `apart` names the properties that it does not take.

        Raises:
            RecipeError: there is a property that is neither a parameter nor named.
        """
        api = client(service, self.region)
        shape = api.meta.service_model.operation_model(api.meta.method_to_api_mapping[operation])
        given = {
            (renamed or {}).get(name, name): value
            for name, value in self.properties.items()
            if name not in apart
        }
        parameters = fitted(shape.input_shape, given, where=self.type) | more
        return getattr(api, operation)(**parameters)


def fitted(shape: Shape, value: Any, *, where: str) -> Any:
    """A CloudFormation value as the API wants it: names, numbers, tags and documents."""
    if isinstance(shape, StructureShape):
        if not isinstance(value, Mapping):
            raise RecipeError(f"{where}: {value!r} is no structure")
        members = {name.lower(): name for name in shape.members}
        for name in value:
            if name.lower() not in members:
                raise RecipeError(f"{where}: the API has no parameter {name}")
        return {
            members[name.lower()]: fitted(
                shape.members[members[name.lower()]], each, where=f"{where}/{name}"
            )
            for name, each in value.items()
        }
    if isinstance(shape, ListShape):
        return [fitted(shape.member, each, where=where) for each in value]
    if isinstance(shape, MapShape):
        if isinstance(value, list):
            value = {each["Key"]: each["Value"] for each in value}
        return {key: fitted(shape.value, each, where=where) for key, each in value.items()}
    return _plain(shape.type_name, value)


def _plain(kind: str, value: Any) -> Any:
    if kind in {"integer", "long"}:
        return int(value)
    if kind in {"float", "double"}:
        return float(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if kind == "string":
        if isinstance(value, bool):
            return str(value).lower()
        return json.dumps(value) if isinstance(value, dict | list) else str(value)
    return value


def tags_of(it: Making) -> dict[str, str]:
    """Its tags, in whichever of CloudFormation's two forms they are."""
    given = it.properties.get("Tags", {})
    if isinstance(given, Mapping):
        return dict(given)
    return {each["Key"]: each["Value"] for each in given}
