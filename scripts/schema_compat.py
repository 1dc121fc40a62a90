"""Whether a JSON Schema (2020-12, as OpenAPI 3.1 uses it) still serves those who know an older one.

A request must accept all that it accepted. An answer must give all that it gave, in the forms that
it had; new properties and new values of an enum are no breaks there, because readers are told to
expect them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]

_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_ABOUT = {
    "minLength": "string",
    "maxLength": "string",
    "pattern": "string",
    "minItems": "array",
    "maxItems": "array",
    "uniqueItems": "array",
    "minProperties": "object",
    "maxProperties": "object",
}
"""Keywords that say nothing about values of other types."""
_SAME_OR_NONE = ("pattern", "format", "const", "multipleOf", "uniqueItems")


@dataclass(frozen=True)
class Comparison:
    """Of schemas in two documents; `old` and `new` are the documents that references point into."""

    old: Mapping[str, Any]
    new: Mapping[str, Any]
    _under_way: set[tuple[str, str, bool]] = field(default_factory=set)

    def request(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        """What the new schema refuses and the old one accepted, one line each."""
        return self._compared(old, new, at, answer=False)

    def answer(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        """What the new schema gives and a reader of the old one does not expect, one line each."""
        return self._compared(old, new, at, answer=True)

    def _compared(self, old: Schema, new: Schema, at: str, *, answer: bool) -> Iterator[str]:
        pair = (old.get("$ref", ""), new.get("$ref", ""), answer)
        if all(pair[:2]) and pair in self._under_way:
            return
        self._under_way.add(pair)
        olds = list(alternatives(self.old, old))
        news = list(alternatives(self.new, new))
        # Each form that may be sent needs one on the other side that is ready for it.
        for sent in news if answer else olds:
            yield from self._one_form(sent, olds if answer else news, at, answer=answer)
        self._under_way.discard(pair)

    def _one_form(
        self, sent: Schema, ready: list[Schema], at: str, *, answer: bool
    ) -> Iterator[str]:
        def faults(other: Schema) -> list[str]:
            check = self._answer_form if answer else self._request_form
            return list(check(other, sent, at) if answer else check(sent, other, at))

        found = [faults(other) for other in ready]
        if [] in found:
            return
        alike = [
            each
            for each, other in zip(found, ready, strict=True)
            if len(ready) == 1 or other.get("type") == sent.get("type")
        ]
        if len(alike) == 1:
            yield from alike[0]
        else:
            what = "may now be" if answer else "may no longer be"
            yield f"{at}: {what} {sent.get('type', 'anything')}"

    def _request_form(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        yield from _type_faults(sent=old, ready=new, at=at, verb="may no longer be")
        yield from _limit_faults(old, new, at)
        olds, news = old.get("properties", {}), new.get("properties", {})
        if _open(old) and not _open(new):
            yield f"{at}: other properties are no longer accepted"
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{at}.{name}: is now required"
        for name, schema in olds.items():
            if name not in news:
                yield f"{at}.{name}: property removed"
            else:
                yield from self.request(schema, news[name], f"{at}.{name}")
        yield from self._parts(old, new, at, self.request)

    def _answer_form(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        yield from _type_faults(sent=new, ready=old, at=at, verb="may now be")
        if old.get("format", new.get("format")) != new.get("format"):
            yield f"{at}: format {old['format']} is now {new.get('format', 'none')}"
        olds, news = old.get("properties", {}), new.get("properties", {})
        for name, schema in olds.items():
            if name not in news:
                yield f"{at}.{name}: property removed"
                continue
            if name in old.get("required", ()) and name not in new.get("required", ()):
                yield f"{at}.{name}: is no longer always there"
            yield from self.answer(schema, news[name], f"{at}.{name}")
        yield from self._parts(old, new, at, self.answer)

    def _parts(
        self,
        old: Schema,
        new: Schema,
        at: str,
        compare: Callable[[Schema, Schema, str], Iterator[str]],
    ) -> Iterator[str]:
        """The schemas of elements and of unnamed properties."""
        for name, step in (("items", "[]"), ("additionalProperties", ".*")):
            before, after = old.get(name, {}), new.get(name, {})
            if isinstance(before, dict) and isinstance(after, dict) and (before or after):
                yield from compare(before, after, at + step)


def alternatives(document: Mapping[str, Any], schema: Schema) -> Iterator[Schema]:
    """The forms that a value may have: no references, no `anyOf`, one type at most each.

    Raises:
        ValueError: a keyword that is not understood here.
    """
    schema = resolved(document, schema)
    for keyword in ("allOf", "not", "if", "patternProperties", "prefixItems", "contains"):
        if keyword in schema:
            raise ValueError(f"{keyword} cannot be compared")
    rest = {key: value for key, value in schema.items() if key not in {"anyOf", "oneOf"}}
    choices = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    for choice in choices:
        for each in alternatives(document, choice):
            yield {**rest, **each}
    if not choices:
        types = rest.get("type")
        for kind in types if isinstance(types, list) else [types]:
            yield _of_type(rest, kind)


def _of_type(schema: Schema, kind: str | None) -> Schema:
    if kind is None:
        return schema
    kept = {key: value for key, value in schema.items() if _ABOUT.get(key, kind) == kind}
    return {**kept, "type": kind}


def resolved(document: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference within the document points at, or the value itself."""
    while "$ref" in value:
        found: Any = document
        for step in value["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        value = found
    return value


def _type_faults(*, sent: Schema, ready: Schema, at: str, verb: str) -> Iterator[str]:
    wanted, given = ready.get("type"), sent.get("type")
    if wanted in (None, given) or (wanted, given) == ("number", "integer"):
        return
    yield f"{at}: {verb} {given or 'anything'}"


def _limit_faults(old: Schema, new: Schema, at: str) -> Iterator[str]:
    for name in (*_LOWER_BOUNDS, *_UPPER_BOUNDS, *_SAME_OR_NONE):
        before, after = old.get(name), new.get(name)
        if after is not None and _tighter(name, before, after):
            yield f"{at}: {name} was {'none' if before is None else before}, is {after}"
    if "enum" in new:
        if "enum" not in old:
            yield f"{at}: is now one of {new['enum']}"
        for value in old.get("enum", ()):
            if value not in new["enum"]:
                yield f"{at}: {value!r} is no longer accepted"


def _tighter(name: str, before: Any, after: Any) -> bool:
    if before is None:
        return True
    if name in _LOWER_BOUNDS:
        return bool(after > before)
    if name in _UPPER_BOUNDS:
        return bool(after < before)
    return bool(before != after)


def _open(schema: Schema) -> bool:
    return schema.get("additionalProperties", True) is not False
