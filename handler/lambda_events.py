"""A Lambda event as one HTTP request, and the answer to it in the form of the event."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from handler.http.client_address import TRUSTED_HOPS
from handler.lambda_forms import Event, EventForm, MalformedEvent, field, form_of

Headers = list[tuple[bytes, bytes]]

_METHOD = re.compile(r"[A-Z-]{1,32}")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # token, RFC 9110 section 5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PATH = re.compile(r"/[!-\"$->@-~]*")  # visible ASCII but `#` and `?`
_QUERY = re.compile(r"[!-\"$-~]*")
_OF_A_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "upgrade"}
_FRAMING = {b"content-length", b"transfer-encoding"}
_TEXT_TYPES = {"application/json", "application/javascript", "application/xml"}


@dataclass(frozen=True, kw_only=True)
class NormalisedRequest:
    """One HTTP request as a server sees it. `path` is decoded, `raw_path` and `query_string` not.

    `client` is the peer's address; `trusted_hops` is set where it must not come from settings.
    """

    form: EventForm
    method: str
    path: str
    raw_path: bytes
    query_string: bytes
    headers: Headers
    client: str
    trusted_hops: int | None
    body: bytes

    def scope(self) -> dict[str, Any]:
        """The ASGI 3 scope that uvicorn builds for the same request behind the same proxy."""
        # HTTP/1.0 is the one that need not name a host.
        hostless = self.form.may_lack_host and all(name != b"host" for name, _ in self.headers)
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.0" if hostless else "1.1",
            "method": self.method,
            "scheme": "http",  # TLS ends at the load balancer, on both targets
            "root_path": "",
            "path": self.path,
            "raw_path": self.raw_path,
            "query_string": self.query_string,
            "headers": list(self.headers),
            "client": (self.client, 0),
            "server": None,
            "state": {},
        }
        if self.trusted_hops is not None:
            scope[TRUSTED_HOPS] = self.trusted_hops
        return scope


def normalise(event: Event) -> NormalisedRequest:
    """Raises UnknownEvent, or MalformedEvent naming the field at fault without its content."""
    form = form_of(event)
    fields = form.read(event, event["requestContext"])
    path = fields.path or "/"
    for name, value, shape in (
        ("method", fields.method, _METHOD),
        ("path", path, _PATH),
        ("query string", fields.query, _QUERY),
    ):
        if not shape.fullmatch(value):
            raise MalformedEvent(f"the {name} is malformed")
    body = _body(event)
    return NormalisedRequest(
        form=form,
        method=fields.method,
        path=unquote(path) if "%" in path else path,
        raw_path=path.encode("ascii"),
        query_string=fields.query.encode("ascii"),
        headers=_framed([_header(name, value) for name, value in fields.headers], body),
        client=fields.peer,
        trusted_hops=fields.trusted_hops,
        body=body,
    )


def render(
    form: EventForm, *, method: str, status: int, headers: Headers, body: bytes
) -> dict[str, Any]:
    """The answer to an event: text as it is, all else base64, nothing where HTTP allows none."""
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]
    pairs = [(name, value) for name, value in pairs if name not in _OF_A_CONNECTION]
    if method == "HEAD" or status in {204, 304}:
        body = b""
    text = _text(body, dict(pairs))
    return {
        "statusCode": status,
        "isBase64Encoded": text is None,
        "body": base64.b64encode(body).decode("ascii") if text is None else text,
        **form.write(status, pairs),
    }


def _text(body: bytes, headers: Mapping[str, str]) -> str | None:
    essence = headers.get("content-type", "").partition(";")[0].strip().lower()
    textual = essence.startswith("text/") or essence.endswith(("+json", "+xml"))
    if not body:
        return ""
    if "content-encoding" in headers or not (textual or essence in _TEXT_TYPES):
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    if not _NAME.fullmatch(name) or _CONTROL.search(value):
        raise MalformedEvent("a header is malformed")
    try:
        return name.lower().encode("ascii"), value.strip(" \t").encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedEvent("a header is malformed") from None


def _framed(headers: Headers, body: bytes) -> Headers:
    """A body has a length: REST APIs drop the header, and what bounds bodies reads it."""
    if body and not _FRAMING.intersection(name for name, _ in headers):
        headers.append((b"content-length", str(len(body)).encode("ascii")))
    return headers


def _body(event: Event) -> bytes:
    text = field(event, "body", str, "")
    try:
        if field(event, "isBase64Encoded", bool, False):
            return base64.b64decode(text, validate=True)
        return text.encode("utf-8")
    except ValueError:
        raise MalformedEvent("the body is malformed") from None
