"""The rotation Lambda: gives the service's two logins at the database new passwords, in turn.

Secrets Manager calls it once for each step of a rotation and again where a step failed, so each
step looks first at what was done. The login that the service uses stays as it is until the
rotation after this one.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from core.bootstrap import database_logins
from core.errors import ConfigurationError, StorageUnavailable
from core.ports.logins import Login
from handler.aws.secret_store import CURRENT, client_for, read_object, texts
from handler.aws.secrets import database_url

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

logger = logging.getLogger(__name__)

_PENDING = "AWSPENDING"
_PASSWORD_LENGTH = 48


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """One rotation of one secret; `version` is the one that it makes and puts into force."""

    client: SecretsManagerClient
    secret: str
    version: str
    owner_secret: str
    ca_file: str | None
    host: str | None

    def create(self, _current: str) -> None:
        """Writes the pending version: the other login with a password of its own."""
        value = self._read(CURRENT)
        try:
            self.client.get_secret_value(
                SecretId=self.secret, VersionId=self.version, VersionStage=_PENDING
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ResourceNotFoundException":
                raise
        else:
            return
        (username,) = texts(self.secret, value, ("username",))
        password = self.client.get_random_password(
            PasswordLength=_PASSWORD_LENGTH, ExcludePunctuation=True
        )["RandomPassword"]
        pending = {
            **value,
            "username": database_logins().other(username),
            "password": password,
        }
        self.client.put_secret_value(
            SecretId=self.secret,
            ClientRequestToken=self.version,
            SecretString=json.dumps(pending),
            VersionStages=[_PENDING],
        )

    def set(self, _current: str) -> None:
        """Has the database know the pending password."""
        value = self._pending()
        if database_logins().works(self._url(value)):
            return
        owner = read_object(client_for(self.owner_secret), self.owner_secret)
        username, password = texts(self.secret, value, ("username", "password"))
        as_owner = {**value, **{name: owner.get(name) for name in ("username", "password")}}
        database_logins().set_password(
            database_url(self.owner_secret, as_owner, ca_file=self.ca_file, host=self.host),
            Login(username=username, password=password),
        )

    def test(self, _current: str) -> None:
        """Raises StorageUnavailable when the pending login is not let in."""
        if not database_logins().works(self._url(self._pending())):
            raise StorageUnavailable("the database refuses the new login, or its rights")

    def finish(self, current: str) -> None:
        """Puts the pending version into force; the present one becomes AWSPREVIOUS."""
        self.client.update_secret_version_stage(
            SecretId=self.secret,
            VersionStage=CURRENT,
            MoveToVersionId=self.version,
            RemoveFromVersionId=current,
        )

    def _pending(self) -> dict[str, Any]:
        """Raises ConfigurationError when it is not the twin of the login in force."""
        value, current = self._read(_PENDING, version=self.version), self._read(CURRENT)
        (username,) = texts(self.secret, value, ("username",))
        (in_force,) = texts(self.secret, current, ("username",))
        if username != database_logins().other(in_force):
            raise ConfigurationError(
                f"the pending version of {self.secret} is not for the login whose turn it is"
            )
        return value

    def _read(self, stage: str, *, version: str | None = None) -> dict[str, Any]:
        chosen = {} if version is None else {"VersionId": version}
        return read_object(self.client, self.secret, stage=stage, **chosen)

    def _url(self, value: Mapping[str, Any]) -> str:
        return database_url(self.secret, value, ca_file=self.ca_file, host=self.host)


_STEPS: Mapping[str, Callable[[Rotation, str], None]] = {
    "createSecret": Rotation.create,
    "setSecret": Rotation.set,
    "testSecret": Rotation.test,
    "finishSecret": Rotation.finish,
}


def lambda_handler(event: Mapping[str, Any], _context: Any) -> None:
    """One step, as Secrets Manager asks for it: SecretId, ClientRequestToken and Step.

    The environment gives MIGRATION_DATABASE_SECRET_ARN, of a login that may change the service's,
    and as the service has them DATABASE_CA_FILE and DATABASE_HOST.

    Raises:
        ConfigurationError: the event or a secret cannot be used; names no value.
        StorageUnavailable: the database is silent or refuses; the step may be tried again.
    """
    # Not the root: botocore would tell of each request.
    logging.getLogger("handler").setLevel(logging.INFO)
    step, secret, version = (event.get(n) for n in ("Step", "SecretId", "ClientRequestToken"))
    work = _STEPS.get(str(step))
    if work is None or not secret or not version:
        raise ConfigurationError(
            f"no step of a rotation: {step!r}; Step is one of {', '.join(_STEPS)}, with SecretId"
            " and ClientRequestToken"
        )
    owner = os.environ.get("MIGRATION_DATABASE_SECRET_ARN")
    if not owner:
        raise ConfigurationError("MIGRATION_DATABASE_SECRET_ARN is not set")
    rotation = Rotation(
        client=client_for(str(secret)),
        secret=str(secret),
        version=str(version),
        owner_secret=owner,
        ca_file=os.environ.get("DATABASE_CA_FILE"),
        host=os.environ.get("DATABASE_HOST"),
    )
    current = _in_force(rotation)
    if current == rotation.version:
        logger.info("%s: version %s is in force already", step, version)
        return
    work(rotation, current)
    logger.info("%s of version %s is done", step, version)


def _in_force(rotation: Rotation) -> str:
    """The current version, once it is sure that the asked one may be rotated in.

    Raises:
        ConfigurationError: the secret does not rotate, or knows no such pending version.
    """
    facts = rotation.client.describe_secret(SecretId=rotation.secret)
    if not facts.get("RotationEnabled"):
        raise ConfigurationError(f"the secret {rotation.secret} is not set up for rotation")
    stages = facts.get("VersionIdsToStages", {})
    own = stages.get(rotation.version)
    if own is None or not {CURRENT, _PENDING} & set(own):
        raise ConfigurationError(
            f"version {rotation.version} of the secret {rotation.secret} is not staged to rotate"
        )
    return next(version for version, names in stages.items() if CURRENT in names)
