"""What an application sees of a request, and what each form of event cannot carry of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from urllib.parse import quote

from handler.http.client_address import scope_client_address
from tests.support.event_parts import decoded_pairs, grouped, path_of_an_http_api, raw_pairs

_NOT_COMPARED = {"client", "headers", "method", "path", "query_string", "raw_path", "server"}


@dataclass(frozen=True, kw_only=True)
class View:
    """A request as an ASGI scope tells it. Bytes are latin-1; headers are in the order of names,
    and of lines within a name; `rest` holds what else the scope tells."""

    method: str
    path: str
    raw_path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    client: str
    body: str
    rest: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, scope: Mapping[str, Any], body: bytes) -> Self:
        headers = [
            (name.decode("latin-1"), each.decode("latin-1")) for name, each in scope["headers"]
        ]
        rest = {
            name: repr(value)
            for name, value in scope.items()
            if name not in _NOT_COMPARED and not name.startswith("user_api")
        }
        return cls(
            method=scope["method"],
            path=scope["path"],
            raw_path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=_by_name(headers),
            client=scope_client_address(scope, 1),
            body=body.decode("latin-1"),
            rest=tuple(sorted(rest.items())),
        )

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Self:
        pairs = {name: tuple(tuple(each) for each in found[name]) for name in ("headers", "rest")}
        return cls(**{**found, **pairs})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """`carried` is what is left of a request. A loss that is `harmless` changes no answer."""

    text: str
    forms: tuple[str, ...]
    carried: Callable[[View], View]
    harmless: bool = True


def left_of(form: str, view: View, *, harmless_only: bool = False) -> View:
    """The request as a function sees it in this form, or would if only harmless losses were."""
    for loss in LOSSES:
        if form in loss.forms and (loss.harmless or not harmless_only):
            view = loss.carried(view)
    return view


def _by_name(headers: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(headers, key=lambda pair: pair[0]))


def _nothing(view: View) -> View:
    """A View has no order of headers."""
    return view


def _joined(view: View) -> View:
    return _joining(view, blank=False)


def _joined_blanks(view: View) -> View:
    return _joining(view, blank=True)


def _joining(view: View, *, blank: bool) -> View:
    """Joins the headers that have, or have not, a line without a value among several."""
    headers: list[tuple[str, str]] = []
    for name, lines in grouped(view.headers).items():
        if name == "cookie":
            crumbs = [each.strip() for line in lines for each in line.split(";")]
            headers.append((name, "; ".join(crumbs).strip()))
        elif (len(lines) > 1 and not all(line.strip(" \t,") for line in lines)) is blank:
            headers.append((name, ",".join(lines)))
        else:
            headers += [(name, line) for line in lines]
    return replace(view, headers=_by_name(headers))


def _last_headers(view: View) -> View:
    return replace(view, headers=tuple(dict(view.headers).items()))


def _counted(view: View) -> View:
    kept = [pair for pair in view.headers if pair[0] != "content-length"]
    if view.body:
        kept.append(("content-length", str(len(view.body))))
    return replace(view, headers=_by_name(kept))


def _grouped_query(view: View) -> View:
    pairs = grouped(raw_pairs(view.query))
    query = "&".join(f"{name}={value}" for name, values in pairs.items() for value in values)
    return replace(view, query=query)


def _last_query(view: View) -> View:
    pairs = dict(raw_pairs(view.query))
    return replace(view, query="&".join(f"{name}={value}" for name, value in pairs.items()))


def _decoded_query(view: View) -> View:
    pairs = grouped(decoded_pairs(view.query))
    query = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, values in pairs.items()
        for value in values
    )
    return replace(view, query=query)


def _split_query(view: View) -> View:
    return replace(view, query=view.query.replace(";", "&"))


def _decoded_path(view: View) -> View:
    path = path_of_an_http_api(view.raw_path)
    return replace(view, path=path, raw_path=quote(path, safe="/:@!$&'()*+,;="))


def _old_without_host(view: View) -> View:
    if any(name == "host" for name, _ in view.headers):
        return view
    rest = {**dict(view.rest), "http_version": repr("1.0")}
    return replace(view, rest=tuple(sorted(rest.items())))


_JOINED = ("function-url", "http-api-2.0")
_DECODED = ("http-api-1.0", "http-api-2.0")
_EVERY = ("alb-multi-value", "alb-single-value", "rest-api", "http-api-1.0", *_JOINED)

LOSSES = (
    Loss(
        text="the order of headers of different names",
        forms=_EVERY,
        carried=_nothing,
    ),
    Loss(
        text="the lines of a repeated header: they are joined by commas, cookies by semicolons",
        forms=_JOINED,
        carried=_joined,
    ),
    Loss(
        text="a line without a value, of a repeated header: it is a stray comma in the other one",
        forms=_JOINED,
        carried=_joined_blanks,
        harmless=False,
    ),
    Loss(
        text="all lines of a repeated header but the last: a second Authorization is not refused",
        forms=("alb-single-value",),
        carried=_last_headers,
        harmless=False,
    ),
    Loss(
        text="Content-Length: it is counted again, and not there without a body",
        forms=("rest-api",),
        carried=_counted,
    ),
    Loss(
        text="`;` in a query: it separates parameters",
        forms=("rest-api",),
        carried=_split_query,
        harmless=False,
    ),
    Loss(
        text="the order of query parameters of different names; `a` and `a=` are one",
        forms=("alb-multi-value", "alb-single-value"),
        carried=_grouped_query,
    ),
    Loss(
        text="all values of a repeated query parameter but the last",
        forms=("alb-single-value",),
        carried=_last_query,
        harmless=False,
    ),
    Loss(
        text="the spelling of the query: it is decoded, and encoded again; order as above",
        forms=("rest-api", "http-api-1.0"),
        carried=_decoded_query,
    ),
    Loss(
        text="`%2F`, `%3F`, `%25` and escapes of what needs none in a path: it is decoded twice, "
        "and ends at the first `%3F`",
        forms=_DECODED,
        carried=_decoded_path,
        harmless=False,
    ),
    Loss(
        text="the version of HTTP: without Host it is 1.0, as the load balancer's health check is",
        forms=("alb-multi-value", "alb-single-value", "rest-api"),
        carried=_old_without_host,
        harmless=False,
    ),
)
"""Every difference that a test may forgive, and no other; docs/event-forms.md has the table."""


def table() -> list[str]:
    """The rows of docs/event-forms.md."""
    return [
        f"| {loss.text} | {'no' if loss.harmless else 'yes'} | "
        + (" ".join(f"`{form}`" for form in loss.forms) if loss.forms != _EVERY else "all")
        + " |"
        for loss in LOSSES
    ]
