"""Settings that tell where others are fetched from, and what the fetched parts are joined with."""

from __future__ import annotations

from dataclasses import dataclass

from core.config import values
from core.config.values import setting


@dataclass(frozen=True, kw_only=True)
class FetchedSettings:
    """Secrets of AWS Secrets Manager, by name or ARN. What they hold wins over the environment."""

    settings_secret: str | None = setting(
        "SETTINGS_SECRET_ARN",
        values.secret_id,
        "secret of AWS Secrets Manager: a JSON object of further variables, such as SECRET_KEY",
        None,
    )
    database_secret: str | None = setting(
        "DATABASE_SECRET_ARN",
        values.secret_id,
        "secret with username, password, host, port and dbname, in place of DATABASE_URL; read "
        "again while the service runs",
        None,
    )
    owner_secret: str | None = setting(
        "MIGRATION_DATABASE_SECRET_ARN",
        values.secret_id,
        "the same of the owner, in place of MIGRATION_DATABASE_URL",
        None,
    )
    cache_secret: str | None = setting(
        "CACHE_SECRET_ARN",
        values.secret_id,
        "secret with url, in place of REDIS_URL, or with the password (and username) to put into "
        "it",
        None,
    )
    database_host: str | None = setting(
        "DATABASE_HOST",
        values.text,
        "host to connect to in place of the one in DATABASE_SECRET_ARN, such as a proxy",
        None,
    )
    database_ca_file: str | None = setting(
        "DATABASE_CA_FILE",
        values.text,
        "certificates that a database of DATABASE_SECRET_ARN is checked against; if not set, the "
        "roots of RDS and RDS Proxy that come with the service",
        None,
    )
