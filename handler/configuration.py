"""What a process is configured by: its environment, and the secrets that this names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.config import Settings
from core.errors import ConfigurationError
from core.ports.logins import LoginSource

_SECRETS = (
    "SETTINGS_SECRET_ARN",
    "DATABASE_SECRET_ARN",
    "MIGRATION_DATABASE_SECRET_ARN",
    "CACHE_SECRET_ARN",
)


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
        try:
            from handler.aws.secrets import fetched
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"secrets of AWS need {error.name}: pip install 'user-api[aws]'"
            ) from None
        found, logins = fetched(environ)
        return cls(environ=found, logins=logins)

    def settings(self) -> Settings:
        """Raises ConfigurationError naming every variable at fault, in one line."""
        return Settings.from_environ(self.environ)
