"""Where the function's code comes from."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.config.deployment import EXAMPLE_ACCOUNT, Deployment
from cdk.config.model import ConfigurationError

CONTEXT_KEY = "lambda_package"

_ROOT = Path(__file__).resolve().parents[2]
_BUILT = _ROOT / "build/lambda/user-api.zip"
_PLACEHOLDER = _ROOT / "cdk/functions/placeholder"


def lambda_package(scope: Construct, deployment: Deployment) -> lambda_.Code:
    """What `make lambda-package` built, or the file that the context value `lambda_package` names.

    The example's account gets a placeholder, built or not: its templates are to be the same
    everywhere, and nobody can deploy them.

    Raises:
        ConfigurationError: the file is not there.
    """
    named = scope.node.try_get_context(CONTEXT_KEY)
    if named is None and deployment.account == EXAMPLE_ACCOUNT:
        return lambda_.Code.from_asset(str(_PLACEHOLDER))
    package = _BUILT if named is None else Path(str(named))
    if not package.is_file():
        raise ConfigurationError(
            f"{CONTEXT_KEY} {package} is not there; build it with: make lambda-package"
        )
    return lambda_.Code.from_asset(str(package.resolve()))
