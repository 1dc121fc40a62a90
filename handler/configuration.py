"""What a process is configured by: its environment, and the secrets that this names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.config import Settings
from core.errors import ConfigurationError
from core.ports.logins import LoginSource

_SECRETS = ("SETTINGS_SECRET_ARN", "DATABASE_SECRET_ARN", "CACHE_SECRET_ARN")
_OWNER = "MIGRATION_DATABASE_SECRET_ARN"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """All variables, fetched ones too; `logins` keeps a login at the database that may change."""

    environ: Mapping[str, str] = field(repr=False)
    logins: LoginSource | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Configuration:
        """Fetches what `environ` names, and where it names nothing knows no AWS.

        Raises:
            ConfigurationError: a secret cannot be read or used; never tells its value.
        """
        if not any(environ.get(name) for name in _SECRETS):
            return cls(environ=environ)
        with _installed():
            from handler.aws.secrets import fetched
        found, logins = fetched(environ)
        return cls(environ=found, logins=logins)

    @classmethod
    def of_migration(cls, environ: Mapping[str, str]) -> Configuration:
        """As `of`, without what a migration does not need and may have no right to read."""
        if not (secret := environ.get(_OWNER)):
            unread = {"SETTINGS_SECRET_ARN", "CACHE_SECRET_ARN"}
            return cls.of({name: environ[name] for name in environ.keys() - unread})
        with _installed():
            from handler.aws.secrets import migration_url
        url = migration_url(secret, ca_file=environ.get("DATABASE_CA_FILE"))
        return cls(environ={**environ, "MIGRATION_DATABASE_URL": url})

    def settings(self) -> Settings:
        """Raises ConfigurationError naming every variable at fault, in one line."""
        return Settings.from_environ(self.environ)


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"secrets of AWS need {error.name}: pip install 'user-api[aws]'"
        ) from None
