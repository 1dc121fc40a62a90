"""Email addresses: what is accepted, and the one form they are compared in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.errors import InvalidInput

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class EmailAddress:
    """An address as typed (`value`) and as compared (`normalised`): lower case, IDNA domain.

    The local part is an ASCII dot-atom (RFC 5321 section 4.1.2). Quoted local parts and SMTPUTF8
    are refused: they are what several-@ and Unicode-case account takeovers are made of (decision
    0004).
    """

    value: str
    normalised: str

    @classmethod
    def parse(cls, text: str, pointer: str = "/email") -> EmailAddress:
        """Raises InvalidInput at `pointer`."""
        local, at, domain = text.rpartition("@")
        if at and len(local) <= 64 and _LOCAL.fullmatch(local):
            ascii_domain = _ascii_domain(domain)
            if ascii_domain and len(local) + 1 + len(ascii_domain) <= 254:
                return cls(f"{local}@{ascii_domain}", f"{local.lower()}@{ascii_domain}")
        raise InvalidInput.at(pointer, "is not an email address that can be used here")


def _ascii_domain(domain: str) -> str | None:
    if not domain or len(domain) > 253:
        return None
    try:
        name = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = name.split(".")
    usable = len(labels) >= 2 and all(_LABEL.fullmatch(label) for label in labels)
    return name if usable and not labels[-1].isdigit() else None
