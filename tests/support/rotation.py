"""The service's secrets, a database, and the rotation function as Secrets Manager calls it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from handler.aws.rotation import lambda_handler
from handler.aws.secrets import database_url
from tests.support.aws import Secrets, aws_secrets
from tests.support.storage import query
from tests.support.tls_postgres import ADMINISTRATOR, ADMINISTRATOR_PASSWORD, TlsPostgres

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
SECRET, OWNER_SECRET = "rotation/application", "rotation/owner"
FIRST = "the first one"


@dataclass(frozen=True)
class Deployed:
    """A database with its secrets, and the rotation function's environment."""

    secrets: Secrets
    database: TlsPostgres

    def step(self, name: str, version: str) -> None:
        lambda_handler({"Step": name, "SecretId": SECRET, "ClientRequestToken": version}, None)

    def rotate(self) -> str:
        """All steps, as Secrets Manager asks for them."""
        version = self.secrets.begin_rotation(SECRET)
        for name in STEPS:
            self.step(name, version)
        return version

    def url(self, stage: str = "AWSCURRENT") -> str:
        return self.url_of(self.secrets.value(SECRET, stage))

    def url_of(self, value: dict[str, object]) -> str:
        return database_url(SECRET, value, ca_file=str(self.database.ca_file))


@contextmanager
def deployed_on(database: TlsPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """The secret has user_api's password, and this process the rotation function's variables."""
    query(database.postgres.superuser_url, f"ALTER ROLE user_api PASSWORD '{FIRST}'")
    with aws_secrets() as secrets:
        secrets.create(SECRET, database.secret("user_api", FIRST))
        secrets.create(OWNER_SECRET, database.secret(ADMINISTRATOR, ADMINISTRATOR_PASSWORD))
        environ = {
            **secrets.environ,
            "MIGRATION_DATABASE_SECRET_ARN": OWNER_SECRET,
            "DATABASE_CA_FILE": str(database.ca_file),
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        yield Deployed(secrets, database)
