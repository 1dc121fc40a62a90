"""One interface to both targets: the server process over HTTP, and the Lambda handler."""

from __future__ import annotations

import json
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import MethodType
from typing import Any, Self, cast

import httpx

from tests.support.lambda_events import EVENT_BUILDERS, response_of

Headers = Sequence[tuple[str, str]]

READY_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; header names in lower case, repeated ones kept."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name.lower()]
        return ", ".join(values) if values else None

    @property
    def problem(self) -> str:
        """The problem type's last part, or the whole answer when it is no problem."""
        if self.header("content-type") != "application/problem+json":
            return f"{self.status} {self.body[:200]!r}"
        return str(self.json()["type"]).rpartition("/")[2]


def random_address() -> str:
    """A client of its own for each test: limits by address are about one client."""
    return ".".join(["10", *(str(secrets.randbelow(254) + 1) for _ in range(3))])


def until_ready(status: Callable[[], int | None]) -> None:
    """Asks for the status of `/health/ready` until it is 200.

    On a busy machine a probe may take longer than the 1.5 s after which the answer is 503.
    """
    ends = time.monotonic() + READY_SECONDS
    while (told := status()) != 200:
        assert time.monotonic() < ends, f"not ready: {told}"
        time.sleep(0.1)


class Client(ABC):
    """Sends requests as one client behind the load balancer, from `address`."""

    address: str
    target: str

    @abstractmethod
    def send(self, method: str, path: str, headers: Headers, body: bytes) -> Answer:
        """The request as given, nothing added but what the transport needs."""

    @abstractmethod
    def from_address(self, address: str) -> Client:
        """Another client of the same target."""

    def metrics(self) -> str:
        """What the target's process has counted, as Prometheus reads it."""
        raise NotImplementedError(f"{self.target} shows its metrics to nobody")

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = ...,
        token: str | None = None,
        headers: Headers = (),
        body: bytes | None = None,
    ) -> Answer:
        """`json` becomes the body with its content type; `body` is sent as it is."""
        given = {name.lower() for name, _ in headers}
        sent: list[tuple[str, str]] = [("x-forwarded-for", self.address)]
        if json is not ...:
            body = _encode(json)
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            if "content-type" not in given:
                sent.append(("content-type", kind))
        if token is not None:
            sent.append(("authorization", f"Bearer {token}"))
        if "user-agent" not in given:
            sent.append(("user-agent", "conformance/1"))
        return self.send(method, path, [*sent, *headers], body or b"")


def _encode(value: object) -> bytes:
    return json.dumps(value).encode()


class ServerClient(Client):
    """Over HTTP/1.1 to the server process."""

    target = "asgi"

    def __init__(
        self,
        http: httpx.Client,
        address: str | None = None,
        *,
        page: Callable[[], str] | None = None,
    ) -> None:
        self._http = http
        self._page = page
        self.address = address or random_address()

    def from_address(self, address: str) -> ServerClient:
        return ServerClient(self._http, address, page=self._page)

    def metrics(self) -> str:
        return self._page() if self._page else super().metrics()

    def send(self, method: str, path: str, headers: Headers, body: bytes) -> Answer:
        encoded = [(name.encode(), value.encode()) for name, value in headers]
        answer = self._http.request(method, path, headers=encoded, content=body or None)
        pairs = [(name.lower(), value) for name, value in answer.headers.multi_items()]
        return Answer(answer.status_code, pairs, answer.content)


@dataclass
class LambdaClient(Client):
    """The handler in this process; events and answers go through JSON, in the given `form`."""

    form: str = "alb-multi-value"
    address: str = field(default_factory=random_address)
    target: str = "lambda"

    def fresh(self) -> Self:
        """The same handler for another client."""
        return replace(self, address=random_address())

    def from_address(self, address: str) -> LambdaClient:
        return replace(self, address=address)

    def metrics(self) -> str:
        """Of the function's core: no request leads to them."""
        from handler import aws_lambda

        function = cast("MethodType", aws_lambda.lambda_handler).__self__
        assert isinstance(function, aws_lambda.LambdaFunction)
        return function._core.metrics.exposition()[1].decode()

    def send(self, method: str, path: str, headers: Headers, body: bytes) -> Answer:
        from handler.aws_lambda import lambda_handler

        if not any(name == "host" for name, _ in headers):
            headers = [*headers, ("host", "id.example.com")]
        event = EVENT_BUILDERS[self.form](method, path, headers, body)
        result = lambda_handler(json.loads(json.dumps(event)), None)
        status, pairs, content = response_of(json.loads(json.dumps(result)))
        return Answer(status, pairs, content)
