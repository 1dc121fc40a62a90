"""Both targets with settings of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import pytest

from core.bootstrap import build_core
from core.config import Settings
from handler.http.app import create_app
from tests.support.clients import Client, LambdaClient
from tests.support.server import ServerProcess


@dataclass(frozen=True)
class Targets:
    process: ServerProcess
    handle: Callable[..., object]

    def client(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> Client:
        """Of the `kind` asgi or lambda."""
        monkeypatch.setattr("handler.aws_lambda.lambda_handler", self.handle)
        return LambdaClient() if kind == "lambda" else self.process.client()


@contextmanager
def targets_with(environment: dict[str, str], shared: LambdaClient) -> Iterator[Targets]:
    """A server process, and a function in this process; `shared` is the session's client."""
    with ServerProcess.start(environment) as process, _function(environment, shared) as handle:
        yield Targets(process, handle)


@contextmanager
def _function(environment: dict[str, str], shared: LambdaClient) -> Iterator[Callable[..., object]]:
    from handler.aws_lambda import LambdaFunction

    settings = Settings.from_environ(environment)
    with closing(build_core(replace(settings, database_pool_size=1))) as core:
        function = LambdaFunction(core, create_app(core))
        yield function.handle
        # The shared handler puts its own event loop in the place of this one.
        shared.request("GET", "/health")
        function.close()
