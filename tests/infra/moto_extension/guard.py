"""Nothing here may ever speak to AWS."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from cdk.config.deployment import EXAMPLE_ACCOUNT

TEST_KEY = "testing"
"""The access key that no account has; moto's account is the example's."""


class NotATestError(Exception):
    """What would be deployed to is not moto on this machine."""


def refuse_real(environ: Mapping[str, str], account: str = EXAMPLE_ACCOUNT) -> None:
    """Refuses an endpoint that is not on this machine, another account, and keys of any other.

    Raises:
        NotATestError: one of them is not the test's.
    """
    endpoint = urlsplit(environ.get("AWS_ENDPOINT_URL", ""))
    if endpoint.scheme != "http" or endpoint.hostname != "localhost" or endpoint.port is None:
        raise NotATestError(f"AWS_ENDPOINT_URL {endpoint.geturl() or 'is missing'}: not local")
    if account != EXAMPLE_ACCOUNT:
        raise NotATestError(f"account {account} is not the example's")
    keys = (environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY"))
    if keys != (TEST_KEY, TEST_KEY):
        raise NotATestError("the credentials are not the test's")
    for name in environ:
        overridden = name.startswith("AWS_ENDPOINT_URL_") or name in {
            "AWS_PROFILE",
            "AWS_CA_BUNDLE",
        }
        if overridden or name in {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"}:
            raise NotATestError(f"{name} would lead elsewhere")
