"""AWS as moto plays it, on a port of this machine; other processes may call it too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.secretsmanager.models import FakeSecret, secretsmanager_backends
from moto.server import ThreadedMotoServer

REGION = "us-east-1"


@dataclass(frozen=True)
class Secrets:
    """Secrets Manager in one region; the variables have a process find it."""

    endpoint: str

    @property
    def environ(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def client(self) -> Any:
        return boto3.client(
            "secretsmanager",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def create(self, name: str, value: object) -> str:
        """The ARN; anything but text becomes JSON."""
        text = value if isinstance(value, str) else json.dumps(value)
        return str(self.client.create_secret(Name=name, SecretString=text)["ARN"])

    def replace(self, secret: str, value: Mapping[str, object]) -> None:
        self.client.put_secret_value(SecretId=secret, SecretString=json.dumps(value))

    def value(self, secret: str, stage: str = "AWSCURRENT") -> dict[str, Any]:
        answer = self.client.get_secret_value(SecretId=secret, VersionStage=stage)
        found: dict[str, Any] = json.loads(answer["SecretString"])
        return found

    def begin_rotation(self, secret: str) -> str:
        """As RotateSecret does before it calls the function: the id of a pending version."""
        version = str(uuid4())
        kept = secretsmanager_backends[DEFAULT_ACCOUNT_ID][REGION].secrets[secret]
        assert isinstance(kept, FakeSecret)
        kept.rotation_requested = kept.rotation_enabled = True
        kept.remove_version_stages_from_old_versions(["AWSPENDING"])
        kept.versions[version] = {
            "createdate": 0,
            "version_id": version,
            "version_stages": ["AWSPENDING"],
        }
        return version


@contextmanager
def aws_secrets() -> Iterator[Secrets]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Secrets(f"http://{host}:{port}")
    finally:
        server.stop()
        secretsmanager_backends.reset()
