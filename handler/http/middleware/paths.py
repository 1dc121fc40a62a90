"""A path has one spelling: the one that was judged in front of the service is the one routed."""

from __future__ import annotations

import re

# path-abempty of RFC 3986 section 3.3: octets that it does not name have to be percent-encoded.
_VALID = re.compile(rb"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]++|%[0-9A-Fa-f]{2})*+)++")
# Unreserved characters (section 2.3) and the slash.
_NEEDLESS = re.compile(rb"%(?:2[DEFdef]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|7[Ee])")
_DOT_SEGMENT = re.compile(rb"/\.{1,2}(?:/|\Z)")


def path_fault(raw_path: bytes) -> str | None:
    """Why a path, as it was sent, is refused; None for one that every reader reads alike.

    Servers decode escapes, and proxies remove dot segments (section 6.2.2) or do not: a rule in
    front that names a path would not meet its other spellings.
    """
    if not _VALID.fullmatch(raw_path):
        return "The path holds an incomplete escape, or a character that has to be percent-encoded."
    if b"%" in raw_path and _NEEDLESS.search(raw_path):
        return "The path escapes a slash, or a character that needs no escape."
    if b"/." in raw_path and _DOT_SEGMENT.search(raw_path):
        return "The path holds a dot segment."
    return None
