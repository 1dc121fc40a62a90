"""Usage: python -m scripts.openapi_compat OLD NEW [--since VERSION]

Compares two OpenAPI 3.1 documents. Prints one line for each change that breaks clients of the old
one, and ends with status 1 if there is any. With the version of the old one, breaks that are in
docs/api-breaks.toml and announced in CHANGELOG.md are allowed, and what is wrong there counts too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.announced_breaks import announcements, faults
from scripts.schema_compat import Comparison, resolved

Document = Mapping[str, Any]

ROOT = Path(__file__).resolve().parent.parent
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def breaks(old: Document, new: Document) -> list[str]:
    """What a client of `old` loses with `new`, one line each.

    Raises:
        ValueError: a schema uses a keyword that is not understood here.
    """
    # A body in two media types has one schema.
    return list(dict.fromkeys([*_component_breaks(old, new), *_path_breaks(old, new)]))


def _component_breaks(old: Document, new: Document) -> Iterator[str]:
    olds, news = old.get("components", {}), new.get("components", {})
    # The examples are the kinds of problems, whose names clients act upon.
    for part, what in (("securitySchemes", "security scheme"), ("examples", "problem")):
        for name, before in olds.get(part, {}).items():
            after = news.get(part, {}).get(name)
            if after is None:
                yield f"{what} {name}: removed"
            elif part == "securitySchemes" and _kind(before) != _kind(after):
                yield f"{what} {name}: changed"


def _kind(scheme: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in scheme.items() if key != "description"}


def _path_breaks(old: Document, new: Document) -> Iterator[str]:
    comparison = Comparison(old, new)
    for path, operations in old["paths"].items():
        if path not in new["paths"]:
            yield f"{path}: removed"
            continue
        for method in METHODS:
            before, after = operations.get(method), new["paths"][path].get(method)
            at = f"{method.upper()} {path}"
            if before and not after:
                yield f"{at}: removed"
            elif before and after:
                yield from _operation_breaks(comparison, before, after, at)


def _operation_breaks(
    comparison: Comparison, old: Mapping[str, Any], new: Mapping[str, Any], at: str
) -> Iterator[str]:
    if old.get("operationId") != new.get("operationId"):
        yield f"{at}: operationId {old.get('operationId')} is now {new.get('operationId')}"
    yield from _security_breaks(comparison, old, new, at)
    yield from _parameter_breaks(comparison, old, new, at)
    yield from _body_breaks(comparison, old, new, at)
    for status, before in old["responses"].items():
        after = new["responses"].get(status)
        if after is None:
            yield f"{at} {status}: removed"
        else:
            found = resolved(comparison.old, before), resolved(comparison.new, after)
            yield from _answer_breaks(comparison, *found, f"{at} {status}")


def _security_breaks(
    comparison: Comparison, old: Mapping[str, Any], new: Mapping[str, Any], at: str
) -> Iterator[str]:
    """Each way in has to stay open: with the same schemes and scopes, or fewer."""
    olds = old.get("security", comparison.old.get("security")) or [{}]
    news = new.get("security", comparison.new.get("security")) or [{}]
    for way in olds:
        if not any(_no_more(each, way) for each in news):
            yield f"{at}: no longer open with {', '.join(way) or 'no token'}"


def _no_more(asked: Mapping[str, list[str]], held: Mapping[str, list[str]]) -> bool:
    return all(name in held and set(scopes) <= set(held[name]) for name, scopes in asked.items())


def _parameter_breaks(
    comparison: Comparison, old: Mapping[str, Any], new: Mapping[str, Any], at: str
) -> Iterator[str]:
    olds, news = _parameters(comparison.old, old), _parameters(comparison.new, new)
    for key, before in olds.items():
        here = f"{at} {key[0]} {key[1]}"
        if key not in news:
            yield f"{here}: removed"
            continue
        if news[key].get("required") and not before.get("required"):
            yield f"{here}: is now required"
        yield from comparison.request(before.get("schema", {}), news[key].get("schema", {}), here)
    for key, after in news.items():
        if key not in olds and after.get("required"):
            yield f"{at} {key[0]} {key[1]}: is now required"


def _parameters(
    document: Document, operation: Mapping[str, Any]
) -> dict[tuple[str, str], Mapping[str, Any]]:
    found = [resolved(document, each) for each in operation.get("parameters", ())]
    return {(each["in"], each["name"]): each for each in found}


def _body_breaks(
    comparison: Comparison, old: Mapping[str, Any], new: Mapping[str, Any], at: str
) -> Iterator[str]:
    before = resolved(comparison.old, old.get("requestBody", {}))
    after = resolved(comparison.new, new.get("requestBody", {}))
    if after.get("required") and not before.get("required"):
        yield f"{at} body: is now required"
    for media, content in before.get("content", {}).items():
        if media not in after.get("content", {}):
            yield f"{at} body: {media} is no longer accepted"
            continue
        schemas = content.get("schema", {}), after["content"][media].get("schema", {})
        yield from comparison.request(*schemas, f"{at} body")


def _answer_breaks(
    comparison: Comparison, old: Mapping[str, Any], new: Mapping[str, Any], at: str
) -> Iterator[str]:
    for name in old.get("headers", {}):
        if name not in new.get("headers", {}):
            yield f"{at}: header {name} removed"
    for media, content in old.get("content", {}).items():
        if media not in new.get("content", {}):
            yield f"{at}: {media} removed"
            continue
        schemas = content.get("schema", {}), new["content"][media].get("schema", {})
        yield from comparison.answer(*schemas, at)


def _unannounced(found: list[str], since: str) -> Iterator[str]:
    announced = announcements((ROOT / "docs" / "api-breaks.toml").read_text())
    yield from faults(found, announced, changelog=(ROOT / "CHANGELOG.md").read_text(), since=since)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="openapi_compat", description="Find breaking changes.")
    parser.add_argument("old", type=Path, help="the document that clients know")
    parser.add_argument("new", type=Path, help="the document that is to take its place")
    parser.add_argument("--since", metavar="VERSION", help="the release of the old document")
    given = parser.parse_args(arguments)
    try:
        documents = [json.loads(path.read_text()) for path in (given.old, given.new)]
        found = breaks(*documents)
        if given.since:
            found = list(_unannounced(found, given.since))
    except (OSError, ValueError, KeyError) as error:
        print(f"openapi: cannot compare: {error}", file=sys.stderr)
        return 2
    for line in found:
        print(line)
    if found:
        print(f"openapi: {len(found)} incompatible or wrongly announced", file=sys.stderr)
        return 1
    print("openapi: nothing breaks a client of the old document unannounced")
    return 0


if __name__ == "__main__":
    sys.exit(main())
