"""How the text of each kind of setting is read, and which values production refuses."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from core.config.redis_address import RedisAddress


class Environment(StrEnum):
    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


DEVELOPMENT_SECRET_KEY = base64.b64encode(b"development only secret key 0001").decode()


# Letters, digits, hyphens and underscores are what SES takes in the name of a configuration set.
_SES = re.compile(r"ses://[a-z]{2}(?:-[a-z]+)+-\d/?(?:\?configuration_set=[A-Za-z0-9_-]{1,64})?")


def text(value: str) -> str:
    """Any text."""
    return value


def secret_id(value: str) -> str:
    """Name or ARN of a secret; the characters are those of the CreateSecret API."""
    if not re.fullmatch(r"[A-Za-z0-9/_+=.@:-]{1,2048}", value):
        raise ValueError("must be the name or the ARN of a secret")
    return value


def flag(value: str) -> bool:
    """True or False in the usual words."""
    if value.lower() in {"true", "1", "yes", "on"}:
        return True
    if value.lower() in {"false", "0", "no", "off", ""}:
        return False
    raise ValueError("must be true or false")


def integer(low: int, high: int) -> Callable[[str], int]:
    """A whole number from `low` to `high`."""

    def parse(value: str) -> int:
        number = int(value) if value.isascii() and value.isdigit() else low - 1
        if not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return number

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    """A number of seconds from `low` to `high`."""

    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"must be a number of seconds from {low:.9g} to {high:.9g}")
        return number

    return parse


def duration(low: int, high: int) -> Callable[[str], timedelta]:
    """Seconds from `low` to `high`, as a timedelta."""
    parse = seconds(low, high)
    return lambda value: timedelta(seconds=parse(value))


def duration_or_none(low: int, high: int) -> Callable[[str], timedelta]:
    """Seconds from `low` to `high`, or 0, as a timedelta."""
    parse = seconds(low, high)

    def checked(value: str) -> timedelta:
        try:
            return timedelta(seconds=0 if value.strip() == "0" else parse(value))
        except ValueError as error:
            raise ValueError(str(error).replace("must be", "must be 0, or")) from None

    return checked


def moment(value: str) -> datetime:
    """A time of RFC 3339, whose offset says which one it is."""
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise ValueError("must be a time such as 2026-12-01T12:00:00Z")
    return read


def environment(value: str) -> Environment:
    """Raises ValueError, like all of these."""
    try:
        return Environment(value)
    except ValueError:
        raise ValueError("must be development, staging or production") from None


def key(value: str) -> bytes:
    """At least 32 bytes in base64."""
    try:
        key = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < 32:
        raise ValueError("must be base64 of at least 32 random bytes (openssl rand -base64 32)")
    return key


def base_url(value: str) -> str:
    """A URL to which paths are appended; without a slash at its end."""
    parts = _parts(value, "an http or https URL")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an http or https URL without query or fragment")
    return value.rstrip("/")


def database_url(value: str) -> str:
    """A libpq URL."""
    if _parts(value, "a postgresql:// URL").scheme not in {"postgresql", "postgres"}:
        raise ValueError("must be a postgresql:// URL")
    return value


def redis_url(value: str) -> str:
    """A URL that RedisAddress can read."""
    RedisAddress.parse(value)
    return value


def mail_url(value: str) -> str:
    """A URL whose scheme chooses the mailer."""
    schemes = "smtp://, smtps://, ses:// or directory://"
    scheme = _parts(value, schemes).scheme
    if scheme not in {"smtp", "smtps", "ses", "directory"}:
        raise ValueError(f"must be {schemes}")
    if scheme == "ses" and not _SES.fullmatch(value):
        raise ValueError("must look like ses://us-east-1?configuration_set=NAME")
    return value


def queue_url(value: str) -> str:
    """A queue of Amazon SQS."""
    parts = _parts(value, "the https URL of a queue")
    if parts.scheme not in {"http", "https"} or not parts.hostname or not parts.path.strip("/"):
        raise ValueError("must be the https URL of a queue")
    return value


def _parts(value: str, wanted: str) -> SplitResult:
    """The parts of a URL; urlsplit's own words would not say which kind of URL is wanted."""
    try:
        return urlsplit(value)
    except ValueError:
        raise ValueError(f"must be {wanted}") from None


def origins(value: str) -> tuple[str, ...]:
    """Origins as browsers send them (RFC 6454), by comma."""
    origins = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(_is_origin(each) for each in origins):
        raise ValueError("must be origins such as https://app.example.com, separated by commas")
    return origins


def _is_origin(text: str) -> bool:
    try:
        return base_url(text) == text and not urlsplit(text).path
    except ValueError:
        return False


def level(value: str) -> str:
    """A level of the standard logging module."""
    if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
    return value.upper()


def unencrypted_url(url: str) -> str | None:
    """Why what goes there, codes and passwords, would be readable on its way."""
    return None if urlsplit(url).scheme == "https" else "must be https"


def unencrypted_database(url: str) -> str | None:
    """Why others could read or answer this connection on its way.

    `require` takes any certificate, and `verify-ca` that of any other host of the authority.
    """
    modes = parse_qs(urlsplit(url).query).get("sslmode", [])
    return None if modes == ["verify-full"] else "needs sslmode=verify-full"


def unencrypted_redis(url: str) -> str | None:
    """Why others could read the password on its way; loopback, a sidecar's, is no way."""
    address = RedisAddress.parse(url)
    return None if address.tls or address.loopback else "must be rediss"


_OWASP = ((1, 47104), (2, 19456), (3, 12288), (4, 9216), (5, 7168))
"""Passes and KiB of equal strength: OWASP Password Storage Cheat Sheet, Argon2id with p=1."""


def weak_hash(*, memory_kib: int, iterations: int) -> str | None:
    """Why these costs of Argon2id protect too little."""
    if any(iterations >= passes and memory_kib >= memory for passes, memory in _OWASP):
        return None
    return "with ARGON2_ITERATIONS is weaker than OWASP's minimum, such as 19456 and 2 passes"


def development_key(key: bytes) -> str | None:
    """Why this key protects nothing."""
    if key == base64.b64decode(DEVELOPMENT_SECRET_KEY):
        return "is the development key"
    return "is not random" if len(set(key)) < 12 else None


def setting(
    env: str,
    parse: Callable[[str], Any],
    help_text: str,
    default: Any = MISSING,
    *,
    secret: bool = False,
    unsafe: Callable[[Any], str | None] | None = None,
) -> Any:
    """A field of Settings; `unsafe` gives the reason why production refuses a value."""
    metadata = {"env": env, "parse": parse, "help": help_text, "secret": secret, "unsafe": unsafe}
    return field(default=default, metadata=metadata, repr=not secret)


def read(
    settings: Iterable[Field[Any]], environ: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Values by field, and what is wrong with others by variable, never quoting a value."""
    parsed: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for item in settings:
        env = item.metadata["env"]
        if env not in environ or environ[env] == "":
            if item.default is MISSING:
                faults[env] = f"is not set ({item.metadata['help']})"
            continue
        try:
            parsed[item.name] = item.metadata["parse"](environ[env])
        except ValueError as error:
            faults[env] = str(error)
    return parsed, faults
