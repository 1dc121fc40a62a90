"""The environment looked at as a whole: what is set, wrong, unsafe or misspelt."""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl, unquote

from core.config import Settings, env_name
from core.config.values import read

# Low enough for a letter lost, added or swapped; AWS_SECRET_KEY and SECRET_KEY are 0.83.
_ALIKE = 0.85
# Short names are like many others.
_SHORTEST = 5
# Taking out shorter ones would garble every other word.
_SHORTEST_SECRET = 4


@dataclass(frozen=True, kw_only=True)
class Examination:
    """Settings that can be used for whatever does not need a variable `at_fault`.

    By variable: `at_fault` why it cannot be read, `unsafe` why production refuses it, `misspelt`
    the one that was probably meant. `secrets` are texts that no report may show.
    """

    settings: Settings = field(repr=False)
    given: tuple[str, ...]
    at_fault: Mapping[str, str]
    unsafe: Mapping[str, str]
    misspelt: Mapping[str, str]
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Examination:
        """Never raises."""
        parsed, at_fault = read(fields(Settings), environ)
        settings = Settings(**{**_stand_ins(), **parsed})
        names = [env_name(item) for item in fields(Settings)]
        return cls(
            settings=settings,
            given=tuple(name for name in names if environ.get(name)),
            at_fault=at_fault,
            unsafe={
                env_name(item): reason
                for item, reason in settings.unsafe_values()
                if env_name(item) not in at_fault
            },
            misspelt=_misspelt(environ, names),
            secrets=_secrets(environ),
        )

    def redact(self, text: str) -> str:
        """The text without any secret of the environment."""
        for secret in self.secrets:
            text = text.replace(secret, "(secret)")
        return text


def _stand_ins() -> dict[str, Any]:
    """For required settings that are missing: nothing uses them, as they are at fault."""
    return {
        "secret_key": secrets.token_bytes(32),
        "database_url": "postgresql://",
        "mail_url": "directory:///",
    }


def _misspelt(environ: Mapping[str, str], names: list[str]) -> dict[str, str]:
    found = {}
    for name in sorted(environ.keys() - set(names)):
        meant = difflib.get_close_matches(name.upper(), names, n=1, cutoff=_ALIKE)
        if meant and len(name) >= _SHORTEST:
            found[name] = meant[0]
    return found


def _secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The longest first, so that no rest of one is left."""
    found: set[str] = set()
    for item in fields(Settings):
        value = environ.get(env_name(item), "")
        if not item.metadata["secret"] or not value:
            continue
        found.add(value)
        found.update(_passwords(value))
    found = {text for text in found if len(text) >= _SHORTEST_SECRET}
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def _passwords(url: str) -> set[str]:
    """Every spelling of the passwords of a URL.

    One with an @ that is not escaped is read as a part of the host by some, so its parts count too.
    """
    text, _, query = url.partition("://")[2].partition("?")
    login, _, _ = text.rpartition("@")
    password = login.partition(":")[2]
    named = [value for name, value in parse_qsl(query) if "pass" in name]
    return {password, unquote(password), *password.split("@"), *named}
