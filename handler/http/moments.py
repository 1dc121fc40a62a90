"""Times in requests (RFC 3339 section 5.6)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from core.errors import InvalidInput

_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:)([0-9]{2})"
    r"(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_LEAP = "60"


def moment(text: str | None, pointer: str) -> datetime | None:
    """In UTC, cut to microseconds; None for None. Raises InvalidInput at `pointer`."""
    if text is None:
        return None
    if found := _MOMENT.fullmatch(text):
        minute, second, fraction, offset = found.groups(default="")
        try:
            if second == _LEAP:
                return _after_leap_second(f"{minute}59{offset}")
            return _utc(f"{minute}{second}{fraction}{offset}")
        except (ValueError, OverflowError):
            # No such day, or a year that UTC has not.
            pass
    raise InvalidInput.at(pointer, "must be an RFC 3339 time such as 2026-01-31T08:15:00Z")


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def _after_leap_second(text: str) -> datetime:
    """A leap second, at the end of a day in UTC (section 5.7), is the next day's first to us."""
    before = _utc(text)
    if (before.hour, before.minute) != (23, 59):
        raise ValueError("no leap second")
    return before + timedelta(seconds=1)
