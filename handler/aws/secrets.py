"""Settings out of AWS Secrets Manager, laid over those of the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from core.config import Settings, env_name
from core.config.fetched import FetchedSettings
from core.errors import ConfigurationError
from core.ports.logins import Login, LoginSource
from handler.aws.logins import SecretLogins
from handler.aws.secret_store import client_for, read_object, texts

_KNOWN = frozenset(env_name(each) for each in fields(Settings))
_WHERE = frozenset(env_name(each) for each in fields(FetchedSettings))

# Libraries' lists have the roots of RDS Proxy, and not the private ones of RDS instances.
DATABASE_ROOTS = Path(__file__).with_name("database_roots.pem")


def fetched(environ: Mapping[str, str]) -> tuple[Mapping[str, str], LoginSource | None]:
    """The environment with what its secrets hold, and the keeper of the database's login.

    Raises:
        ConfigurationError: a secret cannot be read or used; names it and never tells its value.
    """
    found = dict(environ)
    if secret := environ.get("SETTINGS_SECRET_ARN"):
        found.update(_settings(secret))
    if secret := environ.get("CACHE_SECRET_ARN"):
        found["REDIS_URL"] = _redis_url(secret, found.get("REDIS_URL"))
    secret = environ.get("DATABASE_SECRET_ARN")
    return (found, _database(secret, found)) if secret else (found, None)


def migration_url(secret_id: str, *, ca_file: str | None) -> str:
    """As the owner, at the secret's own host: straight to the database. Raises as `fetched`."""
    return database_url(secret_id, read_object(client_for(secret_id), secret_id), ca_file=ca_file)


def database_url(
    secret_id: str, value: Mapping[str, Any], *, ca_file: str | None, host: str | None = None
) -> str:
    """The URL of what a secret of RDS's form holds, with the server's certificate checked."""
    username, password = texts(secret_id, value, ("username", "password"))
    port, name = texts(secret_id, {"port": 5432, **value}, ("port", "dbname"))
    if not host:
        (host,) = texts(secret_id, value, ("host",))
    login = f"{quote(username, safe='')}:{quote(password, safe='')}"
    checked = {"sslmode": "verify-full", "sslrootcert": ca_file or str(DATABASE_ROOTS)}
    return f"postgresql://{login}@{host}:{port}/{quote(name, safe='')}?{urlencode(checked)}"


def _settings(secret_id: str) -> dict[str, str]:
    value = read_object(client_for(secret_id), secret_id)
    unknown = sorted(value.keys() - (_KNOWN - _WHERE))
    if unknown:
        raise ConfigurationError(
            f"the secret {secret_id} holds {', '.join(unknown)}, which is no setting"
        )
    return dict(zip(value, texts(secret_id, value, tuple(value)), strict=True))


def _database(secret_id: str, found: dict[str, str]) -> LoginSource:
    client = client_for(secret_id)
    value = read_object(client, secret_id)
    found["DATABASE_URL"] = database_url(
        secret_id, value, ca_file=found.get("DATABASE_CA_FILE"), host=found.get("DATABASE_HOST")
    )

    def read() -> Login:
        return _login(secret_id, read_object(client, secret_id))

    return SecretLogins(read=read, first=_login(secret_id, value))


def _login(secret_id: str, value: Mapping[str, Any]) -> Login:
    username, password = texts(secret_id, value, ("username", "password"))
    return Login(username=username, password=password)


def _redis_url(secret_id: str, given: str | None) -> str:
    value = read_object(client_for(secret_id), secret_id)
    if value.get("url"):
        return texts(secret_id, value, ("url",))[0]
    (password,) = texts(secret_id, value, ("password",))
    parts = urlsplit(given or "")
    if not parts.hostname:
        raise ConfigurationError(
            f"the secret {secret_id} holds a password and no url, and REDIS_URL names no host"
        )
    username = quote(str(value.get("username", "")), safe="")
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{username}:{quote(password, safe='')}@{place}").geturl()
