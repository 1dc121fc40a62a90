"""Lambda functions with settings of their own, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from core.bootstrap import build_core
from core.config import Settings
from handler.http.app import create_app
from tests.support.clients import LambdaClient


@contextmanager
def function_with(
    environment: dict[str, str], shared: LambdaClient
) -> Iterator[Callable[..., object]]:
    """A handler for `handler.aws_lambda.lambda_handler`; `shared` is the session's client."""
    from handler.aws_lambda import LambdaFunction

    settings = Settings.from_environ(environment)
    with closing(build_core(replace(settings, database_pool_size=1))) as core:
        function = LambdaFunction(core, create_app(core))
        yield function.handle
        # The shared handler puts its own event loop in the place of this one.
        shared.request("GET", "/health")
        function.close()
