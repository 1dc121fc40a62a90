"""Makes tests/k8s/schemas from the type declarations of npm packages (see its README).

`python -m tests.k8s.crd_schemas FOLDER`, where FOLDER holds the unpacked packages.

The declarations are themselves made from the operators' sources. What Kubernetes' own API
defines is not copied: it is a reference to the definitions of kubernetes-validate. `status`, which
no manifest sets, and secret stores of other clouds are left out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.k8s.validation import DEFINITIONS, SCHEMAS, kubernetes_definitions

Schema = dict[str, Any]

KINDS = {
    "argo-rollouts": {
        "argoproj.io/v1alpha1": ["Rollout", "AnalysisTemplate", "ClusterAnalysisTemplate"]
    },
    "external-secrets": {
        "external-secrets.io/v1": ["ExternalSecret", "SecretStore", "ClusterSecretStore"]
    },
    "istio": {
        "networking.istio.io/v1": ["DestinationRule", "VirtualService"],
        "security.istio.io/v1": ["AuthorizationPolicy", "PeerAuthentication"],
    },
    "prometheus-operator": {
        "monitoring.coreos.com/v1": ["PodMonitor", "PrometheusRule", "ServiceMonitor"]
    },
}
LEFT_OUT = {"status"}
ONLY = {"SecretStoreProvider": {"aws"}}
_TOKEN = re.compile(r'"[^"]*"|\w+|[][{}()<>|&;:?,]')
_PLAIN = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "any": {},
    "unknown": {},
    "object": {"type": "object"},
}


class Declarations:
    """Schemas of a folder's declarations; `definitions` collects what they refer to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._imported: dict[str, str] = {}
        self.definitions: dict[str, Schema] = {}

    def schema(self, place: str) -> Schema:
        """The interface or type that the file `place` declares; a path from the folder."""
        file = self._folder / f"{place}.d.ts"
        text, name = file.read_text(), Path(place).name
        outer = self._folder, self._imported
        self._folder, self._imported = file.parent, self._imports(text)
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        found = re.search(
            rf"export (?:interface I{name}\b[^{{]*|type I{name} = )(.*?)\n?(?:^export|\Z)",
            text,
            re.DOTALL | re.MULTILINE,
        )
        if found is None:
            raise ValueError(f"{name}: no declaration that this understands")
        schema = self._union(_Tokens(found.group(1)), only=ONLY.get(name))
        self._folder, self._imported = outer
        return schema

    def _imports(self, text: str) -> dict[str, str]:
        pairs = re.findall(r'import \{ (\w+)(?: as \w+)? \} from "(.+?)(?:\.js)?";', text)
        return dict(pairs)

    def _union(self, tokens: _Tokens, only: set[str] | None = None) -> Schema:
        options = [self._both(tokens, only)]
        while tokens.take_if("|"):
            options.append(self._both(tokens, only))
        if len(options) == 1:
            return options[0]
        if all(set(it) == {"const"} for it in options):
            return {"enum": [it["const"] for it in options]}
        return {"anyOf": options}

    def _both(self, tokens: _Tokens, only: set[str] | None) -> Schema:
        """`A & (B | C)`: B and C name the fields of A again, to say which exclude each other.

        That part is left to the operator's own webhook; A's fields are what counts here.
        """
        found = None
        while True:
            if tokens.take_if("("):
                self._union(tokens)
                tokens.expect(")")
            elif tokens.take_if("Exclude"):
                tokens.expect("<")
                self._union(tokens)
                tokens.expect(",")
                self._union(tokens)
                tokens.expect(">")
            else:
                found = _merged(found, self._one(tokens, only))
            if not tokens.take_if("&"):
                return found if found is not None else {}

    def _one(self, tokens: _Tokens, only: set[str] | None) -> Schema:
        word = tokens.take()
        if word == "{":
            return self._object(tokens, only)
        if word == "Array":
            tokens.expect("<")
            items = self._union(tokens)
            tokens.expect(">")
            return {"type": "array", "items": items}
        if word.startswith('"'):
            return {"const": word[1:-1]}
        return dict(_PLAIN[word]) if word in _PLAIN else self._reference(word)

    def _object(self, tokens: _Tokens, only: set[str] | None) -> Schema:
        properties: dict[str, Schema] = {}
        required: list[str] = []
        others: Schema | bool = False
        while not tokens.take_if("}"):
            key = tokens.take()
            if key == "[":
                tokens.expect("key", ":", "string", "]", ":")
                others = self._union(tokens)
            else:
                name = key.strip('"')
                optional = tokens.take_if("?")
                tokens.expect(":")
                if name in LEFT_OUT or (only is not None and name not in only):
                    tokens.skip_value()
                    continue
                properties[name] = self._union(tokens)
                if not optional:
                    required.append(name)
            tokens.expect(";")
        if not properties and others is False:
            others = True
        return {
            "type": "object",
            "additionalProperties": others,
            **({"properties": properties} if properties else {}),
            **({"required": required} if required else {}),
        }

    def _reference(self, word: str) -> Schema:
        place = self._imported.get(word)
        if place is None:
            raise ValueError(f"{word} is not imported")
        if not place.startswith("."):
            return {"$ref": f"{DEFINITIONS}#/$defs/{_kubernetes_name(word, place)}"}
        # The full name: versions of one type lie side by side.
        name = word.removeprefix("IComGithub")
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self.schema(place)
        return {"$ref": f"#/$defs/{name}"}


class _Tokens:
    def __init__(self, text: str) -> None:
        self._left = _TOKEN.findall(text)[::-1]

    def take(self) -> str:
        return str(self._left.pop())

    def take_if(self, wanted: str) -> bool:
        return bool(self._left) and self._left[-1] == wanted and bool(self._left.pop())

    def expect(self, *wanted: str) -> None:
        for word in wanted:
            found = self.take()
            if found != word:
                raise ValueError(f"{found} where {word} should be")

    def skip_value(self) -> None:
        depth = 0
        while True:
            word = self.take()
            depth += (word in "{<[") - (word in "}>]")
            if word == ";" and depth == 0:
                return


def _merged(one: Schema | None, other: Schema) -> Schema:
    if one is None:
        return other
    if "properties" not in one or "properties" not in other:
        raise ValueError("two types at once that are not both objects with fields")
    return {**one, "properties": {**one["properties"], **other["properties"]}}


def _kubernetes_name(word: str, place: str) -> str:
    flat = word.removeprefix("I").lower()
    for name in kubernetes_definitions():
        if name.replace(".", "").replace("-", "").lower() == flat:
            return name
    last = place.rsplit("/", 1)[-1]
    for name in kubernetes_definitions():
        if name.endswith(f".{last}") and "meta.v1" in name:
            return name
    raise ValueError(f"{word} is not a type of Kubernetes")


def schemas(packages: Path) -> Iterator[tuple[str, Schema]]:
    """File name and schema of each kind."""
    for package, versions in KINDS.items():
        for version, kinds in versions.items():
            for kind in kinds:
                declarations = Declarations(packages / package / version)
                schema = declarations.schema(kind)
                group = version.split("/")[0]
                used = dict(sorted(declarations.definitions.items()))
                yield f"{kind.lower()}.{group}.json", {**schema, "$defs": used}


def main(packages: Path) -> None:
    for name, schema in schemas(packages):
        (SCHEMAS / name).write_text(
            json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
