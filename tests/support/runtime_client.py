"""A client of the handler under the real `awslambdaric`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.support.clients import Answer, Client, Headers, random_address
from tests.support.lambda_events import EVENT_BUILDERS, response_of
from tests.support.runtime_api import RuntimeApi


@dataclass
class RuntimeClient(Client):
    runtime: RuntimeApi
    form: str
    address: str = field(default_factory=random_address)
    target: str = "awslambdaric"

    def from_address(self, address: str) -> RuntimeClient:
        return replace(self, address=address)

    def send(self, method: str, path: str, headers: Headers, body: bytes) -> Answer:
        if not any(name == "host" for name, _ in headers):
            headers = [*headers, ("host", "id.example.com")]
        result = self.runtime.invoke(EVENT_BUILDERS[self.form](method, path, headers, body))
        return Answer(*response_of(result))
