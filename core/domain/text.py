"""What text of people may hold, so that everybody reads the same in it."""

from __future__ import annotations

import re
import unicodedata

# Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt of version 14.0): fonts show
# nothing for these, though some are letters, as the Hangul fillers are.
_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
# Shown as empty space without being ignorable: BRAILLE PATTERN BLANK, KHITAN SMALL SCRIPT FILLER,
# MUSICAL SYMBOL NULL NOTEHEAD.
_BLANK = "\u2800\U00016fe4\U0001d159"
_INVISIBLE = re.compile(f"[{_IGNORABLE}{_BLANK}]")

# C0 and C1 controls, lone surrogates, line and paragraph separators; and the bidirectional
# embeddings, overrides and isolates, which show what stands around them in another order
# (Unicode Technical Report 36, section 2.7; CVE-2021-42574).
_CONFUSING = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(value: str) -> bool:
    """True when PostgreSQL can store the text and no page, terminal or log is confused by it.

    Joiners stay: Persian is written with U+200C, and families of emoji with U+200D.
    """
    return _CONFUSING.search(value) is None


def visible(value: str) -> bool:
    """Whether there is anything to see: a character of its own, and not only spaces and marks."""
    return any(
        unicodedata.category(character)[0] not in "CZM"
        or unicodedata.category(character) in {"Cn", "Co"}  # a newer Unicode's, or a box
        for character in _INVISIBLE.sub("", value)
    )
