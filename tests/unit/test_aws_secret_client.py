"""Where a secret is asked for, and how long."""

from __future__ import annotations

import os
from typing import Any

import pytest

from core.errors import ConfigurationError
from handler.aws.secret_store import client_for

ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:user-api/database-AbCdEf"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that says nothing of AWS."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.parametrize(
    ("secret_id", "region"),
    [
        (ARN, "eu-west-1"),
        ("user-api/database", "us-east-1"),
        (ARN.replace("eu-west-1", ""), "us-east-1"),
    ],
)
def test_the_region_of_the_arn_is_asked(
    secret_id: str, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second region's function reads the copy there."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert client_for(secret_id).meta.region_name == region


def test_a_mere_name_without_a_region_is_one_line() -> None:
    with pytest.raises(ConfigurationError, match=r"no client for the secret user-api: .*region"):
        client_for("user-api")


def test_a_silent_secrets_manager_has_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice two to connect and three to read: a connection to the database may wait for it."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    config: Any = client_for("user-api").meta.config
    tries = config.retries["total_max_attempts"]
    assert tries == 2
    assert (config.connect_timeout + config.read_timeout) * tries == 10
