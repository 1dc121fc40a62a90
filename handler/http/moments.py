"""Times in requests (RFC 3339 section 5.6)."""

from __future__ import annotations

import re
from datetime import datetime

from core.errors import InvalidInput

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def moment(text: str | None, pointer: str) -> datetime | None:
    """Aware; None for None. Raises InvalidInput at `pointer`."""
    if text is None:
        return None
    if _MOMENT.fullmatch(text):
        try:
            parsed = datetime.fromisoformat(text.upper())
            # A year that no other zone has would fail much later.
            parsed.timestamp()
        except (ValueError, OverflowError):
            pass
        else:
            return parsed
    raise InvalidInput.at(pointer, "must be an RFC 3339 time such as 2026-01-31T08:15:00Z")
