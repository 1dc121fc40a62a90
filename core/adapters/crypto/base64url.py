"""Base64url without padding (RFC 4648 section 5), with one spelling for each value."""

from __future__ import annotations

import base64


def encode(data: bytes) -> str:
    """The one text that `decode` accepts for `data`."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Raises ValueError for anything that `encode` would not have written.

    Python's decoder skips foreign characters and ignores spare bits, so that many texts mean the
    same bytes (RFC 4648 section 12); decoding and encoding again leaves one.
    """
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(data) != text:
        raise ValueError("not canonical base64url")
    return data
