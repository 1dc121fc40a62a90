"""Templates with every reference followed: a value reads the same in every environment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cdk.assembly import EXAMPLE
from cdk.config.deployment import ENVIRONMENTS

Template = Mapping[str, Any]
_HASH = re.compile(r"[0-9A-F]{8}$")
_PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::AccountId": "ACCOUNT",
    "AWS::Region": "REGION",
}
_CONTEXT = json.loads(EXAMPLE.read_text(encoding="utf-8"))


@dataclass(frozen=True, kw_only=True)
class Resource:
    """`name` is `data.CacheGroup`: the stack's purpose and the logical id without its hash.

    `site` is the environment's name, with `-dr` in its second region.
    """

    site: str
    name: str
    kind: str
    properties: Mapping[str, Any]


def every(assemblies: Mapping[str, Mapping[str, Template]]) -> Iterator[Resource]:
    """All resources of all environments.

    Raises:
        LookupError: a reference leads nowhere.
    """
    for environment, stacks in assemblies.items():
        yield from Reader(environment, stacks).all()


class Reader:
    """The templates of one environment.

    A resource is written as its name, an attribute of it as `data.CacheGroup.Arn`. What differs
    between sites has one word: ENV, ACCOUNT, REGION, OTHER (the other region), DOMAIN and ZONE.
    The second region's own names, with `dr-`, read as the first's do: `user-api-ENV-api`. What it
    names as the first does is `user-api-PRIMARY-api`.
    """

    def __init__(self, environment: str, stacks: Mapping[str, Template]) -> None:
        self._environment = environment
        self._stacks = stacks

    def all(self) -> Iterator[Resource]:
        """Every resource of every stack, in the templates' order."""
        for stack, template in self._stacks.items():
            for logical_id, it in template.get("Resources", {}).items():
                yield Resource(
                    site=self._environment + ("-dr" if self._recovers(stack) else ""),
                    name=self._name(stack, logical_id),
                    kind=it["Type"].removeprefix("AWS::"),
                    properties=self._read(stack, it.get("Properties", {})),
                )

    def _read(self, stack: str, value: Any) -> Any:
        match value:
            case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Join": _} | {"Fn::Select": _}:
                return self._followed(stack, value)
            case {"Fn::GetStackOutput": output}:
                return self._output(stack, output)
            case Mapping():
                return {self._plain(stack, k): self._read(stack, v) for k, v in value.items()}
            case list():
                return [self._read(stack, each) for each in value]
            case str():
                return self._plain(stack, value)
        return value

    def _followed(self, stack: str, value: Mapping[str, Any]) -> str:
        match value:
            case {"Ref": str(target)}:
                return _PSEUDO.get(target) or self._name(stack, target)
            case {"Fn::GetAtt": [str(target), str(attribute)]}:
                return f"{self._name(stack, target)}.{attribute}"
            case {"Fn::Join": [str(between), list(parts)]}:
                joined = between.join(
                    part if isinstance(part, str) else str(self._read(stack, part))
                    for part in parts
                )
                return self._plain(stack, joined)
            case {"Fn::Select": [place, {"Fn::Split": [str(between), whole]}]}:
                return f"{self._read(stack, whole)}[{between}{place}]"
        raise LookupError(f"{stack}: {value} is not understood")

    def _output(self, reader: str, output: Mapping[str, str]) -> Any:
        stack, name = output["StackName"], output["OutputName"]
        outputs = self._stacks.get(stack, {}).get("Outputs", {})
        if name not in outputs or output["Region"] != self._region(stack):
            raise LookupError(f"{reader} reads an output that is not there: {output}")
        value = self._read(stack, outputs[name]["Value"])
        return value if self._recovers(reader) is self._recovers(stack) else f"OTHER:{value}"

    def _name(self, stack: str, logical_id: str) -> str:
        if logical_id not in self._stacks[stack]["Resources"]:
            raise LookupError(f"{stack} has no {logical_id}")
        purpose = stack.removeprefix(f"user-api-{self._environment}-").removeprefix("dr-")
        return f"{purpose}.{_HASH.sub('', logical_id)}"

    def _recovers(self, stack: str) -> bool:
        return stack.startswith(f"user-api-{self._environment}-dr-")

    def _regions(self) -> tuple[str, str]:
        it = ENVIRONMENTS[self._environment]
        return it.region, it.recovery.region if it.recovery else "(none)"

    def _region(self, stack: str) -> str:
        return self._regions()[self._recovers(stack)]

    def _plain(self, stack: str, text: str) -> str:
        own = _CONTEXT.get(self._environment, {})
        here, other = self._regions()[:: -1 if self._recovers(stack) else 1]
        words = {
            _CONTEXT["account"]: "ACCOUNT",
            here: "REGION",
            other: "OTHER",
            own.get("domain"): "DOMAIN",
            own.get("hosted_zone_id"): "ZONE",
        }
        for value, word in words.items():
            if value:
                text = text.replace(value, word)
        if text == self._environment:
            return "ENV"
        if self._recovers(stack):
            own_name = f"user-api-{self._environment}-"
            text = text.replace(f"{own_name}dr-", "user-api-ENV-")
            text = text.replace(own_name, "user-api-PRIMARY-")
        return re.sub(rf"user-api([-/]){self._environment}\b", r"user-api\1ENV", text)
