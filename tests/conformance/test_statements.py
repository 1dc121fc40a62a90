"""Round trips of the hottest read; docs/statements.md has those of all requests."""

from __future__ import annotations

import re

from tests.support.mailbox import Mailbox
from tests.support.people import People
from tests.support.server import ServerProcess

# The keys that verify tokens are read once a minute, at whatever request comes next.
_COUNT = re.compile(r'db_queries_total\{(?!.*table="signing_keys").*\} (\d+)')


def statements(server: ServerProcess) -> int:
    """What the server has run until now, by its own count."""
    return sum(int(count) for count in _COUNT.findall(server.metrics()))


def test_reading_oneself_is_one_statement(server: ServerProcess, mailbox: Mailbox) -> None:
    """Who asks, whether they may, and the account itself."""
    client = server.client()
    token = People(client, mailbox).logged_in().access
    before = statements(server)
    assert client.request("GET", "/v1/users/me", token=token).status == 200
    assert statements(server) == before + 1
