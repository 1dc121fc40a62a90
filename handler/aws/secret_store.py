"""AWS Secrets Manager: JSON objects by the name or ARN of their secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from core.errors import ConfigurationError

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

CURRENT = "AWSCURRENT"

# At most (2 + 3) s for each of two tries: a new connection to the database may wait for it.
_DEADLINES = Config(
    connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2}
)


def client_for(secret_id: str) -> SecretsManagerClient:
    """A client of the region in the ARN, or of AWS_REGION for a mere name."""
    region = secret_id.split(":")[3] if secret_id.startswith("arn:") else None
    try:
        return boto3.client("secretsmanager", region_name=region or None, config=_DEADLINES)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"no client for the secret {secret_id}: {error}") from None


def read_object(
    client: SecretsManagerClient, secret_id: str, *, stage: str = CURRENT, **version: str
) -> dict[str, Any]:
    """What the secret holds at a stage; `version` may name the VersionId that has to be there.

    Raises:
        ConfigurationError: it cannot be had, or is no JSON object. Never tells its value.
    """
    try:
        answer: Mapping[str, Any] = client.get_secret_value(
            SecretId=secret_id, VersionStage=stage, **version
        )
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "no code")
        raise ConfigurationError(f"the secret {secret_id} cannot be read: {code}") from None
    except BotoCoreError as error:
        raise ConfigurationError(f"the secret {secret_id} cannot be read: {error}") from None
    try:
        value = json.loads(answer.get("SecretString", ""))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ConfigurationError(f"the secret {secret_id} holds no JSON object")
    return value


def texts(secret_id: str, value: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    """The members `names`, numbers as text. Raises ConfigurationError naming those missing."""
    missing = [name for name in names if not isinstance(value.get(name), str | int)]
    missing += [name for name in names if value.get(name) == ""]
    if missing:
        raise ConfigurationError(f"the secret {secret_id} lacks {', '.join(missing)}")
    return tuple(str(value[name]) for name in names)
