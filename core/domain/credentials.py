"""Rules for passwords (NIST SP 800-63B-4 section 3.1.1)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from core.errors import InvalidInput

PASSWORD_MAX_LENGTH = 128


def normalise_password(password: str) -> str:
    """NFC, as the same password may be typed composed or decomposed (NIST SP 800-63B-4)."""
    return unicodedata.normalize("NFC", password)


def check_new_password(
    password: str, *, min_length: int, personal: Iterable[str | None], pointer: str = "/password"
) -> str:
    """Returns the normalised password.

    Length in code points, no composition rules.
        `personal` are the address, the username and such, which may not be the password.

        Raises:
            InvalidInput: at `pointer`.
    """
    normalised = normalise_password(password)
    if not min_length <= len(normalised) <= PASSWORD_MAX_LENGTH:
        raise InvalidInput.at(
            pointer, f"must have {min_length} to {PASSWORD_MAX_LENGTH} characters"
        )
    if any(ch == "\0" or "\ud800" <= ch <= "\udfff" for ch in normalised):
        raise InvalidInput.at(pointer, "must hold no NUL and no lone surrogate")
    folded = normalised.casefold()
    if any(word and folded == word.casefold() for word in personal):
        raise InvalidInput.at(pointer, "must not be the email address or username")
    if len(set(normalised)) < 4:
        raise InvalidInput.at(pointer, "must not repeat a few characters only")
    return normalised
