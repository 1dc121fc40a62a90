"""Recognising the passwords that people signed up with."""

from __future__ import annotations

from dataclasses import dataclass

from core.ports.security import Pseudonyms

_SALT_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class SignUpPasswords:
    """One hash tells whether anybody signed up with an address and a password, however many did.

    So the answer depends on what is typed alone: neither another sign-up of the address nor an
    account that is opened there changes it (docs/decisions/0028).
    """

    pseudonyms: Pseudonyms

    def salt(self, name: str) -> bytes:
        """For `PasswordHasher.hash`: each name has its own, and always the same.

        Args:
            name: the normalised address, or what was typed instead of one.
        """
        return self.pseudonyms.of("sign-up salt", name)[:_SALT_BYTES]

    def digest(self, name: str, password_hash: str) -> bytes:
        """What is kept to know a password again, of its hash with that salt."""
        return self.pseudonyms.of("sign-up", name, password_hash)
