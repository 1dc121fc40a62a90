"""Words that nobody else would use, in every field of every route of the API."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.support.clients import Headers

_SECRET_FIELDS = frozenset(
    {"password", "current_password", "new_password", "token", "refresh_token", "code"}
)


def _word(kind: str) -> str:
    return f"canary{kind}{secrets.token_hex(8)}"


@dataclass(frozen=True)
class Canaries:
    """`secret` may occur in no answer and no log, the others in no log."""

    secret: str = field(default_factory=lambda: _word("secret"))
    person: str = field(default_factory=lambda: _word("person"))
    text: str = field(default_factory=lambda: _word("text"))
    address: str = "203.0.113.77"
    addresses: str = "2001:db8:ca7a:"

    @property
    def email(self) -> str:
        return f"{self.person}@example.com"

    @property
    def private(self) -> tuple[str, ...]:
        return (self.secret, self.person, self.text, self.address, self.addresses)

    def found_in(self, text: str) -> set[str]:
        """However they are spelt."""
        lowered = text.lower()
        return {word for word in self.private if word in lowered}

    def value(self, name: str, schema: Mapping[str, Any]) -> object:
        """For a field of a body, of its type where that can hold a word."""
        if name in _SECRET_FIELDS:
            return self.secret
        if name in {"email", "identifier"}:
            return self.email
        kinds = {schema.get("type"), *(each.get("type") for each in schema.get("anyOf", ()))}
        if "array" in kinds:
            return [self.text]
        if "object" in kinds:
            return {self.text: self.text}
        return self.text if kinds & {"string", None} else True

    def query(self) -> str:
        return f"?limit={self.text}&cursor={self.text}&q={self.person}&token={self.secret}"

    def headers(self) -> Headers:
        """All that is read, but the ids of requests and traces, which logs are to show."""
        return [
            # From another network each time, or most would meet the limit by address.
            ("x-forwarded-for", f"{self.address}, {self.addresses}{secrets.token_hex(2)}::1"),
            ("forwarded", f"for={self.address}"),
            ("x-real-ip", self.address),
            ("user-agent", self.text),
            ("referer", f"https://{self.text}.example.com/{self.secret}"),
            ("origin", f"https://{self.text}.example.com"),
            ("cookie", f"session={self.secret}"),
            ("accept-language", self.text),
            ("idempotency-key", self.text + secrets.token_hex(4)),
            ("x-api-key", self.secret),
        ]


@dataclass(frozen=True)
class Attempt:
    """A request of the walk, without the caller's token."""

    method: str
    path: str
    headers: Headers
    body: bytes


def attempts(
    document: Mapping[str, Any], canaries: Canaries, user_id: str, *, broken: bool
) -> Iterator[Attempt]:
    """Each operation: with words for ids and for a user's own, with whole and broken bodies."""
    for template, operations in document["paths"].items():
        for method, operation in operations.items():
            for one in (canaries.text, user_id) if "{" in template else (user_id,):
                path = "".join(
                    quote(one) if part.startswith("{") else part for part in _parts(template)
                )
                for kind, body in _bodies(document, operation, canaries, broken=broken):
                    headers = [*canaries.headers(), *kind]
                    yield Attempt(method.upper(), path + canaries.query(), headers, body)


def _parts(template: str) -> list[str]:
    return template.replace("{", "\0{").replace("}", "}\0").split("\0")


def _bodies(
    document: Mapping[str, Any], operation: Mapping[str, Any], canaries: Canaries, *, broken: bool
) -> Iterator[tuple[Headers, bytes]]:
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        yield [], b""
    for kind, described in content.items():
        schema = _resolved(document, described["schema"])
        fields = {
            name: canaries.value(name, _resolved(document, each))
            for name, each in schema.get("properties", {}).items()
        }
        whole = json.dumps(fields).encode()
        yield [("content-type", kind)], whole
        if broken:
            unknown = json.dumps({canaries.text: canaries.secret}).encode()
            yield [("content-type", kind)], whole[:-1]
            yield [("content-type", kind)], unknown
            yield [("content-type", f"text/{canaries.text}")], whole


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema
