"""One frozen Settings, parsed once from a mapping.

The fields are the table of settings that everything shares.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from core.config import values
from core.config.retention import RetentionSettings
from core.config.values import DEVELOPMENT_SECRET_KEY, Environment, setting
from core.errors import ConfigurationError

__all__ = ["DEVELOPMENT_SECRET_KEY", "Environment", "Settings", "env_name"]


@dataclass(frozen=True, kw_only=True)
class Settings(RetentionSettings):
    """Every knob of the service.

    `Settings.from_environ` is the only constructor outside of tests.
    """

    environment: Environment = setting(
        "ENVIRONMENT",
        values.environment,
        "development, staging or production",
        Environment.PRODUCTION,
    )
    debug: bool = setting(
        "DEBUG",
        values.flag,
        "refused outside of development",
        False,
        unsafe=lambda on: "must be off" if on else None,
    )
    log_level: str = setting("LOG_LEVEL", values.level, "DEBUG, INFO, WARNING or ERROR", "INFO")
    pod_name: str = setting("POD_NAME", values.text, "name of this instance in logs", "local")
    host: str = setting("HOST", values.text, "address to listen on", "127.0.0.1")
    port: int = setting("PORT", values.integer(1, 65535), "port to listen on", 3000)
    metrics_port: int = setting(
        "METRICS_PORT",
        values.integer(0, 65535),
        "port of `/metrics`, on HOST and apart from the API; 0 for none",
        0,
    )
    public_url: str = setting(
        "PUBLIC_URL",
        values.base_url,
        "issuer of tokens and base of links in mails",
        "http://localhost:3000",
        unsafe=values.unencrypted_url,
    )
    account_url: str | None = setting(
        "ACCOUNT_URL",
        values.base_url,
        "front end that mail links open instead of the built-in pages",
        None,
        unsafe=lambda url: url and values.unencrypted_url(url),
    )
    secret_key: bytes = setting(
        "SECRET_KEY",
        values.key,
        "base64 of at least 32 random bytes; other keys are derived from it",
        secret=True,
        unsafe=values.development_key,
    )
    database_url: str = setting(
        "DATABASE_URL",
        values.database_url,
        "PostgreSQL as the application's role",
        secret=True,
        unsafe=values.unencrypted_database,
    )
    migration_database_url: str | None = setting(
        "MIGRATION_DATABASE_URL",
        values.database_url,
        "PostgreSQL as the owner, for migrate",
        None,
        secret=True,
        unsafe=lambda url: url and values.unencrypted_database(url),
    )
    database_pool_size: int = setting(
        "DATABASE_POOL_SIZE",
        values.integer(1, 100),
        "connections a process: thirds for guesses, for searches, for the rest; one for readiness",
        10,
    )
    database_pre_ping: bool = setting(
        "DATABASE_PRE_PING", values.flag, "test a connection before use (on Lambda)", False
    )
    database_connect_timeout: float = setting(
        "DATABASE_CONNECT_TIMEOUT", values.seconds(1, 30), "seconds to connect", 2.0
    )
    database_pool_timeout: float = setting(
        "DATABASE_POOL_TIMEOUT",
        values.seconds(0.1, 30),
        "seconds to wait for a free connection",
        1.0,
    )
    database_statement_timeout: float = setting(
        "DATABASE_STATEMENT_TIMEOUT", values.seconds(0.1, 60), "seconds for one statement", 2.0
    )
    redis_url: str | None = setting(
        "REDIS_URL",
        values.redis_url,
        "redis:// or rediss://user:password@host:6379, with ?cluster=true and &ca=/file.pem; "
        "limits and caches stay in the process without it",
        None,
        secret=True,
        unsafe=lambda url: url and values.unencrypted_redis(url),
    )
    request_timeout: float = setting(
        "REQUEST_TIMEOUT", values.seconds(0.5, 60), "seconds for one request, body included", 5.0
    )
    header_timeout: float = setting(
        "HEADER_TIMEOUT",
        values.seconds(0.5, 60),
        "seconds for the headers of a request to arrive",
        5.0,
    )
    drain_seconds: float = setting(
        "DRAIN_SECONDS", values.seconds(0, 300), "seconds to serve on after SIGTERM", 0.0
    )
    trusted_proxy_hops: int = setting(
        "TRUSTED_PROXY_HOPS",
        values.integer(0, 5),
        "load balancers in front that append to X-Forwarded-For",
        0,
    )
    cors_allowed_origins: tuple[str, ...] = setting(
        "CORS_ALLOWED_ORIGINS", values.origins, "origins that browsers may call from, by comma", ()
    )
    audience: str | None = setting(
        "TOKEN_AUDIENCE", values.text, "aud of access tokens; PUBLIC_URL if not set", None
    )
    client_id: str = setting(
        "CLIENT_ID", values.text, "client_id of first-party tokens", "user-api"
    )
    access_token_lifetime: timedelta = setting(
        "ACCESS_TOKEN_LIFETIME", values.duration(60, 900), "seconds", timedelta(minutes=10)
    )
    high_s_until: datetime | None = setting(
        "HIGH_S_UNTIL",
        values.moment,
        "upgrades only: access tokens issued before this time, such as 2026-12-01T12:00:00Z, may "
        "have signatures as 0.1.0 made them",
        None,
    )
    refresh_token_sliding: timedelta = setting(
        "REFRESH_TOKEN_SLIDING",
        values.duration(60, 30 * 86400),
        "seconds without use",
        timedelta(days=30),
    )
    refresh_token_absolute: timedelta = setting(
        "REFRESH_TOKEN_ABSOLUTE",
        values.duration(60, 90 * 86400),
        "seconds since login",
        timedelta(days=90),
    )
    refresh_grace: timedelta = setting(
        "REFRESH_GRACE",
        values.duration(0, 60),
        "seconds in which a retry gets the same successor",
        timedelta(seconds=10),
    )
    sign_up_open: bool = setting("SIGN_UP_OPEN", values.flag, "whether anybody may register", True)
    registration_lifetime: timedelta = setting(
        "REGISTRATION_LIFETIME",
        values.duration(300, 7 * 86400),
        "seconds to verify an address",
        timedelta(days=1),
    )
    reset_lifetime: timedelta = setting(
        "RESET_LIFETIME",
        values.duration(300, 86400),
        "seconds a reset link works",
        timedelta(minutes=30),
    )
    invitation_lifetime: timedelta = setting(
        "INVITATION_LIFETIME",
        values.duration(3600, 30 * 86400),
        "seconds an invitation works",
        timedelta(days=7),
    )
    one_time_password_lifetime: timedelta = setting(
        "ONE_TIME_PASSWORD_LIFETIME",
        values.duration(3600, 30 * 86400),
        "seconds the one-time password of a new administrator works",
        timedelta(days=7),
    )
    erasure_grace: timedelta = setting(
        "ERASURE_GRACE",
        values.duration(0, 90 * 86400),
        "seconds until a deleted account is erased",
        timedelta(days=30),
    )
    password_min_length: int = setting(
        "PASSWORD_MIN_LENGTH",
        values.integer(8, 64),
        "characters (NIST SP 800-63B-4: 15, with a factor 8)",
        15,
    )
    argon2_memory_kib: int = setting(
        "ARGON2_MEMORY_KIB",
        values.integer(7168, 1048576),
        "memory of one hash; production refuses less than OWASP's pairs of memory and passes",
        19456,
    )
    argon2_iterations: int = setting(
        "ARGON2_ITERATIONS", values.integer(1, 20), "passes of one hash", 2
    )
    login_refusal_time: float = setting(
        "LOGIN_REFUSAL_TIME",
        values.seconds(0, 2),
        "seconds that a refused login takes at least: more than two of the dearest stored hashes",
        0.3,
        unsafe=lambda least: None if least else "must not be 0",
    )
    hash_concurrency: int = setting(
        "HASH_CONCURRENCY", values.integer(1, 64), "hashes at once; more wait", os.cpu_count() or 1
    )
    hash_queue_timeout: float = setting(
        "HASH_QUEUE_TIMEOUT", values.seconds(0.1, 10), "seconds a hash may wait for its turn", 1.0
    )
    search_concurrency: int = setting(
        "SEARCH_CONCURRENCY",
        values.integer(1, 64),
        "searches, and lists by filters without an index, at once; more wait",
        3,
    )
    search_queue_timeout: float = setting(
        "SEARCH_QUEUE_TIMEOUT",
        values.seconds(0.1, 10),
        "seconds a search may wait for its turn",
        1.0,
    )
    search_rows: int = setting(
        "SEARCH_ROWS",
        values.integer(20, 1_000_000),
        "users that a statement of a search may look at; beyond, a search is too broad",
        20_000,
    )
    limit_address_per_minute: int = setting(
        "LIMIT_ADDRESS_PER_MINUTE",
        values.integer(0, 1_000_000),
        "sign-up and credential requests an address (IPv6: /64) a minute; 0 for none",
        60,
        unsafe=lambda limit: None if limit else "must not be 0",
    )
    limit_refreshes_per_minute: int = setting(
        "LIMIT_REFRESHES_PER_MINUTE",
        values.integer(0, 1_000_000),
        "refreshes an address (IPv6: /64) a minute, offices are one; 0 for none",
        1200,
        unsafe=lambda limit: None if limit else "must not be 0",
    )
    limit_forgeries_per_minute: int = setting(
        "LIMIT_FORGERIES_PER_MINUTE",
        values.integer(0, 1_000_000),
        "tokens of foreign make an address (IPv6: /64) a minute and process, before 401 becomes "
        "429; 0 for none",
        120,
    )
    limit_site_share: int = setting(
        "LIMIT_SITE_SHARE",
        values.integer(2, 65_536),
        "how many times a limit by address the /48 of an IPv6 address may use: a site has up to "
        "65,536 /64",
        16,
    )
    limit_changes_per_minute: int = setting(
        "LIMIT_CHANGES_PER_MINUTE",
        values.integer(0, 1_000_000),
        "requests a session a minute that are no reads; 0 for none",
        600,
        unsafe=lambda limit: None if limit else "must not be 0",
    )
    limit_failures_per_address: int = setting(
        "LIMIT_FAILURES_PER_ADDRESS",
        values.integer(1, 1000),
        "failed passwords an account and address in 15 minutes",
        10,
    )
    limit_failures_per_account: int = setting(
        "LIMIT_FAILURES_PER_ACCOUNT",
        values.integer(1, 100_000),
        "failed passwords an account an hour from addresses that never logged in",
        100,
    )
    limit_mails_per_address: int = setting(
        "LIMIT_MAILS_PER_ADDRESS", values.integer(1, 1000), "mails to one address an hour", 5
    )
    mail_url: str = setting(
        "MAIL_URL",
        values.mail_url,
        "smtp://user:password@host:587, smtps://..., ses://REGION?configuration_set=NAME or "
        "directory:///folder",
        secret=True,
        unsafe=lambda url: "must be smtp, smtps or ses" if url.startswith("directory") else None,
    )
    mail_from: str = setting(
        "MAIL_FROM",
        values.text,
        "sender of mails",
        "user-api <no-reply@localhost>",
        unsafe=lambda sender: (
            "is on localhost" if sender.rstrip("> ").endswith("@localhost") else None
        ),
    )
    mail_timeout: float = setting(
        "MAIL_TIMEOUT", values.seconds(1, 60), "seconds for one mail", 10.0
    )
    mail_events_queue: str | None = setting(
        "MAIL_EVENTS_QUEUE_URL",
        values.queue_url,
        "queue of Amazon SQS in which SES reports bounces and complaints",
        None,
        unsafe=lambda url: url and values.unencrypted_url(url),
    )
    worker_poll_interval: float = setting(
        "WORKER_POLL_INTERVAL", values.seconds(0.05, 60), "seconds between looks at the outbox", 1.0
    )
    worker_port: int = setting(
        "WORKER_PORT",
        values.integer(0, 65535),
        "port of the worker's health and metrics; 0 for none",
        0,
    )

    @property
    def token_audience(self) -> str:
        return self.audience or self.public_url

    @property
    def development(self) -> bool:
        return self.environment is Environment.DEVELOPMENT

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Raises ConfigurationError naming every variable at fault, in one line."""
        parsed, at_fault = values.read(fields(cls), environ)
        if faults := [f"{env} {reason}" for env, reason in at_fault.items()]:
            raise ConfigurationError("; ".join(faults))
        settings = cls(**parsed)
        if not settings.development:
            faults = [f"{env_name(item)} {reason}" for item, reason in settings.unsafe_values()]
        if faults:
            raise ConfigurationError(f"refused in {settings.environment}: " + "; ".join(faults))
        return settings

    def unsafe_values(self) -> list[tuple[Field[Any], str]]:
        """What production refuses, each with its reason."""
        found = []
        for item in fields(self):
            unsafe = item.metadata["unsafe"]
            reason = unsafe(getattr(self, item.name)) if unsafe else None
            if reason:
                found.append((item, reason))
            if item.name == "argon2_memory_kib" and (weak := self.weak_hash()):
                found.append((item, weak))
        return found

    def weak_hash(self) -> str | None:
        """Why stored passwords would be protected too little."""
        return values.weak_hash(
            memory_kib=self.argon2_memory_kib, iterations=self.argon2_iterations
        )


def env_name(item: Field[Any]) -> str:
    """The environment variable of a field of Settings."""
    return str(item.metadata["env"])
