"""Rules for the fields that people fill in about themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from ipaddress import IPv6Address
from zoneinfo import available_timezones

from core.domain.text import printable, visible
from core.errors import FieldError, InvalidInput

ATTRIBUTES_BYTES = 16 * 1024
ATTRIBUTES_DEPTH = 8

_UNSTORABLE = "must hold no control characters or lone surrogates"

_USERNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{1,30})[A-Za-z0-9]")
_LOCALE = re.compile(
    r"[A-Za-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?(?:-[A-Za-z0-9]{5,8})*"
)
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
# RFC 3986, without what markup would take for its own (quotes, angle brackets), and what readers
# take for something else (userinfo, backslashes). Possessive, so that nothing is read twice.
_LABEL = "[A-Za-z0-9_-]{1,63}"
_SIGNS = "A-Za-z0-9._~!$&()*+,;=:@/-"
_PICTURE = re.compile(
    rf"https://(?:\[(?P<ipv6>[0-9A-Fa-f:.]{{2,45}})\]|{_LABEL}(?:\.{_LABEL})*+\.?)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    rf"(?:/(?:[{_SIGNS}]|%[0-9A-Fa-f]{{2}})*+)?"
    rf"(?:\?(?:[?{_SIGNS}]|%[0-9A-Fa-f]{{2}})*+)?"
    rf"(?:#(?:[?{_SIGNS}]|%[0-9A-Fa-f]{{2}})*+)?"
)
_LONGEST_PICTURE = 2048


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _name(value: str) -> str | None:
    if not printable(value) or not visible(value):
        return "must be visible characters, without controls of lines or direction"
    return None if len(value) <= 200 else "must have at most 200 characters"


def _picture(value: str) -> str | None:
    found = _PICTURE.fullmatch(value) if len(value) <= _LONGEST_PICTURE else None
    if found and int(found["port"] or 0) <= 65535 and _is_ipv6(found["ipv6"]):
        return None
    return (
        f"must be an https URL of at most {_LONGEST_PICTURE:,} characters, without user, blanks,"
        " quotes or angle brackets"
    )


def _is_ipv6(text: str | None) -> bool:
    """True for none as well."""
    try:
        return text is None or bool(IPv6Address(text))
    except ValueError:
        return False


def _matching(pattern: re.Pattern[str], detail: str) -> Callable[[str], str | None]:
    return lambda value: None if pattern.fullmatch(value) else detail


_RULES: Mapping[str, Callable[[str], str | None]] = {
    "username": _matching(
        _USERNAME,
        "must be 3 to 32 letters, digits, dots, hyphens or underscores, not ending in a mark",
    ),
    "display_name": _name,
    "given_name": _name,
    "family_name": _name,
    "phone": _matching(_PHONE, "must be an E.164 number such as +15550100000"),
    "locale": _matching(_LOCALE, "must be a BCP 47 language tag such as en-GB"),
    "time_zone": lambda value: None if value in _time_zones() else "must be an IANA time zone name",
    "picture": _picture,
}


def check_profile(changes: Mapping[str, object]) -> None:
    """Checks profile fields by name; `None` clears a field and is always allowed.

    Raises:
        InvalidInput: naming every field at fault.
    """
    errors: list[FieldError] = []
    for field, value in changes.items():
        if field == "attributes":
            errors += _attribute_errors(value)
        elif value is not None:
            detail = _RULES[field](str(value))
            if detail:
                errors.append(FieldError(f"/{field}", detail))
    if errors:
        raise InvalidInput(errors)


def _attribute_errors(value: object) -> list[FieldError]:
    if value is None:
        return []
    if not isinstance(value, dict):
        return [FieldError("/attributes", "must be an object")]
    fault = _attribute_fault(value)
    return [FieldError("/attributes", fault)] if fault else []


def _attribute_fault(value: dict[str, object]) -> str | None:
    # A caller may send a thousand values: a look at each of them in Python is the last resort.
    text = json.dumps(value, ensure_ascii=False)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return _UNSTORABLE
    if size > ATTRIBUTES_BYTES:
        return f"must take at most {ATTRIBUTES_BYTES} bytes as JSON"
    if text.count("{") + text.count("[") >= ATTRIBUTES_DEPTH and _depth(value) > ATTRIBUTES_DEPTH:
        return f"must nest at most {ATTRIBUTES_DEPTH} levels"
    # Also found in a text that spells the escape out.
    if "\\u0000" in text and not _free_of_nul(value):
        return _UNSTORABLE
    return None


def _depth(value: object) -> int:
    """Levels of objects and lists, with the values in the innermost one."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [child for parent in level for child in _children(parent)]
    return depth


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _free_of_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" not in value
    names = all(map(_free_of_nul, value)) if isinstance(value, dict) else True
    return names and all(map(_free_of_nul, _children(value)))


def merge_patch(target: object, patch: object) -> object:
    """RFC 7396 section 2: members set to null are removed, objects merge, anything else
    replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merge_patch(result.get(key), value)
        else:
            result[key] = value
    return result
