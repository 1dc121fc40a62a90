"""Settings: one table, and production refuses what is unsafe."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import MISSING, Field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.config import DEVELOPMENT_SECRET_KEY, Settings, env_name
from core.errors import ConfigurationError

SAFE = {
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://id.example.com",
    "SECRET_KEY": base64.b64encode(bytes(range(32))).decode(),
    "DATABASE_URL": "postgresql://user_api@db.example.com/user_api?sslmode=verify-full",
    "MAIL_URL": "smtps://mail.example.com",
    "MAIL_FROM": "user-api <no-reply@example.com>",
}


def test_safe_production_settings_are_accepted() -> None:
    settings = Settings.from_environ(SAFE)
    assert settings.token_audience == "https://id.example.com"
    assert not settings.development


def test_production_is_the_default() -> None:
    """Forgetting ENVIRONMENT must not open anything."""
    missing = {name: value for name, value in SAFE.items() if name != "ENVIRONMENT"}
    assert Settings.from_environ(missing).environment == "production"


@pytest.mark.parametrize("environment", ["production", "staging"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", DEVELOPMENT_SECRET_KEY),
        ("SECRET_KEY", base64.b64encode(b"a" * 32).decode()),
        ("DEBUG", "true"),
        ("PUBLIC_URL", "http://id.example.com"),
        ("ACCOUNT_URL", "http://app.example.com/account"),
        ("DATABASE_URL", "postgresql://user_api@db.example.com/user_api"),
        ("DATABASE_URL", "postgresql://user_api@db.example.com/user_api?sslmode=prefer"),
        *(
            (name, f"postgresql://user_api@db.example.com/user_api?{query}")
            for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL")
            for query in (
                "sslmode=disable",
                "sslmode=allow",
                "sslmode=require",
                "sslmode=verify-ca",
                "sslmode=VERIFY-FULL",
                "sslmode=verify-full&sslmode=require",
                "sslmode=require&sslmode=verify-full",
                "sslmode=",
                "ssl=true",
                "application_name=sslmode%3Dverify-full",
            )
        ),
        ("MIGRATION_DATABASE_URL", "postgresql://owner@db.example.com/user_api"),
        ("REDIS_URL", "redis://app:secret@cache.example.com"),
        ("LIMIT_ADDRESS_PER_MINUTE", "0"),
        ("LIMIT_REFRESHES_PER_MINUTE", "0"),
        ("LIMIT_CHANGES_PER_MINUTE", "0"),
        ("LOGIN_REFUSAL_TIME", "0"),
        ("ARGON2_MEMORY_KIB", "7168"),
        ("ARGON2_MEMORY_KIB", "19455"),
        ("ARGON2_ITERATIONS", "1"),
        ("MAIL_URL", "directory:///tmp/mail"),
        ("MAIL_FROM", "user-api <no-reply@localhost>"),
    ],
)
def test_production_refuses_unsafe_values(environment: str, name: str, value: str) -> None:
    """Each names its variable and never its value."""
    with pytest.raises(ConfigurationError, match=name) as refused:
        Settings.from_environ({**SAFE, "ENVIRONMENT": environment, name: value})
    assert DEVELOPMENT_SECRET_KEY not in str(refused.value)
    Settings.from_environ({**SAFE, name: value, "ENVIRONMENT": "development"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "prod"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "not base64 at all, and rather long as well!!"),
        ("DATABASE_URL", "mysql://db"),
        ("DATABASE_URL", "postgresql://[::1/db"),
        ("PUBLIC_URL", "id.example.com"),
        ("PUBLIC_URL", "https://id.example.com/?a=b"),
        ("PORT", "0"),
        ("PORT", "http"),
        ("PORT", "65536"),
        ("DATABASE_POOL_SIZE", "-1"),
        ("REQUEST_TIMEOUT", "soon"),
        ("ACCESS_TOKEN_LIFETIME", "901"),
        ("ACCESS_TOKEN_LIFETIME", "nan"),
        ("HIGH_S_UNTIL", "tomorrow"),
        ("HIGH_S_UNTIL", "2026-12-01"),
        ("HIGH_S_UNTIL", "2026-12-01T12:00:00"),
        ("HIGH_S_UNTIL", "1796126400"),
        ("SIGN_UP_OPEN", "perhaps"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example.com/path"),
        ("CORS_ALLOWED_ORIGINS", "a.example.com"),
        ("MAIL_URL", "http://mail"),
        ("MAIL_URL", "smtp://[mail"),
        ("LOG_LEVEL", "LOUD"),
        ("PASSWORD_MIN_LENGTH", "7"),
    ],
)
def test_malformed_values_are_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be"):
        Settings.from_environ({**SAFE, name: value})


@pytest.mark.parametrize(("value", "days"), [("0", 0), (" 0 ", 0), (str(31 * 86400), 31)])
def test_0_is_for_never_where_there_is_an_end(value: str, days: int) -> None:
    settings = Settings.from_environ({**SAFE, "PENDING_LIFETIME": value})
    assert settings.pending_lifetime == timedelta(days=days)


def test_every_fault_is_told_in_one_line() -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_environ({"PORT": "x"})
    message = str(refused.value)
    assert "\n" not in message
    for name in ("PORT", "SECRET_KEY", "DATABASE_URL", "MAIL_URL"):
        assert name in message


def test_secrets_are_not_in_the_repr() -> None:
    given = {**SAFE, "REDIS_URL": "rediss://cache.example.com"}
    text = repr(Settings.from_environ(given))
    for secret in ("SECRET_KEY", "DATABASE_URL", "MAIL_URL", "REDIS_URL"):
        assert given[secret] not in text
    assert "\\x00" not in text


def test_variables_are_named_once_and_explained() -> None:
    names = [env_name(item) for item in fields(Settings)]
    assert len(names) == len(set(names))
    assert all(item.metadata["help"] for item in fields(Settings))


def test_defaults_are_what_the_parsers_accept() -> None:
    """A default that the table itself would refuse is a mistake in the table."""
    settings = Settings.from_environ(SAFE)
    for item in fields(Settings):
        value = getattr(settings, item.name)
        if isinstance(value, bool | int | float) and env_name(item) not in SAFE:
            assert item.metadata["parse"](str(value)) == value
    assert settings.hash_concurrency == (os.cpu_count() or 1)


def bounds(item: Field[Any]) -> str:
    """Lowest and highest value, as the parser names them; empty where there are none."""
    try:
        item.metadata["parse"]("")
    except ValueError as error:
        if found := re.fullmatch(r"must be (0, or )?.*from (\S+ to \S+)", str(error)):
            return (found[1] or "") + found[2]
    return ""


def documented() -> str:
    """The table of docs/settings.md."""
    rows = [
        "| variable | meaning | range | default | outside of development |",
        "|---|---|---|---|---|",
    ]
    for item in fields(Settings):
        default: object = item.default
        if isinstance(default, timedelta):
            default = int(default.total_seconds())
        named = {"hash_concurrency": "number of cores"}
        shown = named.get(item.name, "none" if default == () else str(default))
        if default is MISSING or default is None:
            shown = "must be set" if default is MISSING else "not set"
        unsafe = "unsafe values are refused" if item.metadata["unsafe"] else ""
        cells = (f"`{env_name(item)}`", item.metadata["help"], bounds(item), shown, unsafe)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def test_the_documented_settings_are_the_table(write_tables: bool) -> None:
    """--write-tables writes the document anew."""
    document = Path(__file__).resolve().parents[2] / "docs/settings.md"
    text = (
        "# Settings\n\nEnvironment variables, read once at the start. Durations are in seconds.\n"
        "Generated from `core/config`.\n\n"
        f"{documented()}\n"
    )
    if write_tables:
        document.write_text(text)
    assert document.read_text() == text
