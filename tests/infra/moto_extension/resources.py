"""The two classes that moto's CloudFormation gets for a type: made by an API, or a stub."""

from __future__ import annotations

import traceback
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from moto.cloudformation.exceptions import ValidationError
from moto.core.common_models import CloudFormationModel

from tests.infra.moto_extension.making import Made, Making
from tests.infra.moto_extension.schema import attributes_of, identifier_of

Recipe = Callable[[Making], Made]
RECIPES: dict[str, Recipe] = {}
"""CloudFormation type -> how it is made."""


def makes(*types: str) -> Callable[[Recipe], Recipe]:
    """Registers a recipe for these types."""

    def register(recipe: Recipe) -> Recipe:
        RECIPES.update(dict.fromkeys(types, recipe))
        return recipe

    return register


class Extended(CloudFormationModel):
    """A resource that this package has made."""

    def __init__(self, making: Making, made: Made) -> None:
        self.making = making
        self.made = made

    @property
    def physical_resource_id(self) -> str:
        return self.made.ref

    def get_cfn_attribute(self, name: str) -> Any:
        if name not in self.made.attributes:
            raise ValidationError(message=f"{self.making.type} has no attribute {name}")
        return self.made.attributes[name]

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def is_created(self) -> bool:
        return True

    def delete(self, account_id: str, region_name: str) -> None:
        self.made.undo()

    @classmethod
    def update_from_cloudformation_json(cls, **changed: Any) -> Any:
        raise ValidationError(message=f"{cls.__name__} cannot be updated: {changed}")


class ByApi(Extended):
    """Made by calls of the service's own API."""

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Mapping[str, Any],
        account_id: str,
        region_name: str,
        **more: Any,
    ) -> Extended:
        making = _making(resource_name, cloudformation_json, account_id, region_name)
        try:
            return cls(making, RECIPES[making.type](making))
        except Exception as error:
            # A failure of the server (500) would be tried again by the command line.
            traceback.print_exc()
            raise ValidationError(message=f"{making.type} {making.generated}: {error}") from error


class Stub(Extended):
    """Remembered, and nothing else: `Ref` and `Fn::GetAtt` give something of the right form."""

    seen: ClassVar[set[str]] = set()
    listed_in: ClassVar[Path | None] = None

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Mapping[str, Any],
        account_id: str,
        region_name: str,
        **more: Any,
    ) -> Extended:
        making = _making(resource_name, cloudformation_json, account_id, region_name)
        if making.type not in cls.seen:
            cls.seen.add(making.type)
            if cls.listed_in is not None:
                cls.listed_in.write_text("".join(f"{each}\n" for each in sorted(cls.seen)))
        return cls(making, _pretended(making))


def _making(name: str, resource: Mapping[str, Any], account: str, region: str) -> Making:
    return Making(
        type=resource["Type"],
        properties=resource.get("Properties", {}),
        generated=name,
        account=account,
        region=region,
        kept_as_snapshot=resource.get("DeletionPolicy") == "Snapshot",
    )


def _pretended(making: Making) -> Made:
    unique = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{making.region}/{making.generated}"))
    service, kind = (part.lower() for part in making.type.split("::")[1:3])
    arn = making.arn(service, f"{kind}/{unique}")
    attributes = {
        name: arn if name.endswith(("Arn", "ARN")) else unique
        for name in attributes_of(making.type)
    }
    identifier = identifier_of(making.type)
    known = {**attributes, **making.properties}
    ref = "|".join(str(known.get(name, making.generated)) for name in identifier) or unique
    return Made(ref=ref, attributes=attributes)
