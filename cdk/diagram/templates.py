"""The templates of one region, asked for what a drawing shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Properties = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A resource: `stack` is the last part of its stack's name."""

    stack: str
    logical_id: str
    properties: Properties

    def __getitem__(self, path: str) -> Any:
        """`ScalingConfig.MinSize`: None where a step is missing."""
        value: Any = self.properties
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def tag(self, name: str) -> str:
        tags = self.properties.get("Tags", [])
        pairs = tags if isinstance(tags, list) else []
        return next((str(tag["Value"]) for tag in pairs if tag["Key"] == name), "")


@dataclass(frozen=True, kw_only=True)
class Region:
    """`title` names the region; `stacks` are its templates by the stack's name."""

    title: str
    name: str
    prefix: str
    stacks: Mapping[str, Mapping[str, Any]]

    def of(self, *kinds: str) -> list[Found]:
        """Resources of the types, written without `AWS::`, in the templates' order."""
        wanted = {f"AWS::{kind}" for kind in kinds}
        return [found for kind, found in self._all() if kind in wanted]

    def count(self, *kinds: str) -> int:
        return len(self.of(*kinds))

    def text(self, value: Any) -> str:
        """A property as words: pseudo parameters resolved, other intrinsics by their target."""
        match value:
            case {"Fn::Join": [str(between), list(parts)]}:
                return between.join(self.text(part) for part in parts)
            case {"Ref": "AWS::Region"}:
                return self.name
            case {"Ref": str(target)} | {"Fn::GetAtt": [str(target), *_]}:
                return target
            case {"Fn::Sub": str(pattern)}:
                return pattern
            case Mapping():
                return ""
            case _:
                return str(value)

    def short(self, value: Any) -> str:
        """A name without what every name of the environment begins with."""
        whole = text = self.text(value)
        for start in (self.prefix, self.prefix.replace("user-api-", "user-api/"), "user-api"):
            text = text.removeprefix(start)
        return text.strip("-/") or whole

    def _all(self) -> Iterator[tuple[str, Found]]:
        for stack, template in self.stacks.items():
            for logical_id, resource in template.get("Resources", {}).items():
                yield (
                    str(resource["Type"]),
                    Found(
                        stack=stack.removeprefix(self.prefix).strip("-"),
                        logical_id=logical_id,
                        properties=resource.get("Properties", {}),
                    ),
                )
