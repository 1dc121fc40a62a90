"""Percent-encoding for what AWS hands over decoded, and the prefixes of its paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from handler.lambda_forms.event import MalformedEvent

_IN_A_PATH = "/:@!$&'()*+,;="  # RFC 3986 section 3.3, beside the unreserved characters
_PARAMETER = re.compile(r"\{([^{}+]+)\+?\}")


def encoded_path(decoded: str) -> str:
    """A path that decodes to this one; every `/` in it separates segments."""
    try:
        return quote(decoded, safe=_IN_A_PATH)
    except UnicodeEncodeError:
        raise MalformedEvent("the path is malformed") from None


def encoded_query(decoded: Iterable[tuple[str, str]]) -> str:
    """A query that decodes to these pairs, in their order."""
    try:
        return "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in decoded
        )
    except UnicodeEncodeError:
        raise MalformedEvent("the query string is malformed") from None


def without_stage(path: str, stage: str) -> str:
    """The path below the stage, which an HTTP API writes in front unless it is `$default`."""
    prefix = f"/{stage}"
    if path == prefix or path.startswith(f"{prefix}/"):
        return path[len(prefix) :] or "/"
    return path


def without_base_path(path: str, resource: str, parameters: Mapping[str, str]) -> str | None:
    """The path below the base path that a custom domain name maps; None where no telling.

    API Gateway matched `resource` (as `/{proxy+}`) with `parameters`, spelled as in `path`, after
    it had taken off the base path: what stands before that match is the base path.
    """
    matched = _PARAMETER.sub(lambda found: parameters.get(found[1], found[0]), resource).rstrip("/")
    whole = path.rstrip("/")
    if not resource.startswith("/") or not whole.endswith(matched):
        return None
    return path[len(whole) - len(matched) :] or "/"
