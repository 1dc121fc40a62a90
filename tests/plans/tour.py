"""A tour of the service that notes what each request sends to the database."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from core.bootstrap import Core
from tests.support.clients import Answer
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD
from tests.support.server import ServerProcess
from tests.support.storage import query
from tests.support.wire import Wire

WORKER = "the worker"

_T = TypeVar("_T")
_CONTROL = re.compile(r"(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b")
# Once a minute, whatever is asked for at that moment: not part of the request it falls on.
_READ_OF_KEYS = re.compile(r"SELECT signing_keys\.kid\b")


@dataclass(frozen=True)
class Run:
    """What was asked for, in which case, and what it sent."""

    what: str
    case: str
    sent: list[str]

    @property
    def statements(self) -> list[str]:
        return [sql for sql in self.sent if not _CONTROL.match(sql)]

    @property
    def control(self) -> int:
        return len(self.sent) - len(self.statements)


@dataclass
class Tour:
    """Works on the server process and, for the worker's part, on a core in this process; the
    statements of both go through `wire`."""

    server: ServerProcess
    core: Core
    mailbox: Mailbox
    wire: Wire
    environment: dict[str, str]
    superuser_url: str
    runs: list[Run] = field(default_factory=list)

    def record(self, what: str, case: str, work: Callable[[], _T]) -> _T:
        """Does the work, and keeps what it sent."""
        before = len(self.wire.queries)
        result = work()
        self.runs.append(Run(what, case, self.wire.queries[before:]))
        return result

    def ask(
        self, route: str, case: str = "", *, expect: int, path: str | None = None, **sent: Any
    ) -> Answer:
        """One request, recorded; `sent` is as for Client.request, `path` fills in the route's."""
        method, template = route.split()
        client = sent.pop("client", None) or self.server.client()
        answer: Answer = self.record(
            route, case, lambda: client.request(method, path or template, **sent)
        )
        assert answer.status == expect, f"{route}, {case}: {answer.status} {answer.body!r}"
        run = self.runs.pop()
        kept = [sql for sql in run.sent if not _READ_OF_KEYS.match(sql)]
        self.runs.append(Run(route, case, kept))
        return answer

    def deliver(self, case: str, *, core: Core | None = None) -> None:
        """The one mail that is due, recorded."""
        deliveries = (core or self.core).deliveries
        handled = self.record(WORKER, case, lambda: deliveries.run_once(owner="tour"))
        assert handled == 1, f"{handled} mails, not one, for: {case}"

    def log_in(self, identifier: str, **sent: Any) -> dict[str, Any]:
        """A session of its own, not recorded."""
        body = {"identifier": identifier, "password": PASSWORD}
        client = self.server.client()
        answer = client.request("POST", "/v1/auth/login", json=body, **sent)
        assert answer.status == 200, answer.body
        tokens: dict[str, Any] = answer.json()
        return tokens

    def set_credential(self, number: int, column: str, value: object) -> None:
        """Changes the stored password of a person, past the service."""
        change = f"UPDATE password_credentials SET {column} = %s FROM users"
        person = " WHERE id = user_id AND email_normalised = %s"
        query(self.superuser_url, change + person, (value, email(number)))


def email(number: int) -> str:
    """The address of one of the people in population.sql."""
    return f"person-{number}@example.com"
