"""The account as boto3 sees it, on the server of this machine and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from tests.infra.moto_extension.guard import refuse_real

_SETTINGS = Config(
    s3={"addressing_style": "path"},
    connect_timeout=5,
    read_timeout=30,
    retries={"total_max_attempts": 1},
)


@dataclass(frozen=True)
class Account:
    """Clients that know the test's endpoint and keys only."""

    endpoint: str
    key: str

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Account:
        refuse_real(settings)
        return cls(settings["AWS_ENDPOINT_URL"], settings["AWS_ACCESS_KEY_ID"])

    @cache  # noqa: B019 - one account a process
    def client(self, service: str, region: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.key,
            config=_SETTINGS,
        )

    def listed(
        self, service: str, region: str, operation: str, key: str, **given: Any
    ) -> list[Any]:
        """Everything that an operation lists, over all its pages."""
        pages = self.client(service, region).get_paginator(operation).paginate(**given)
        return [each for page in pages for each in page[key]]
