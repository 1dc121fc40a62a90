"""A real browser, and visits that fail the test when the browser complains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.mailbox import Mailbox
from tests.support.people import People
from tests.support.server import ServerProcess
from tests.support.visit import FLAGS, OpenVisit, Visit, chromium, visiting


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Gone before tests of other modules, which run loops of their own: its loop runs meanwhile."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def open_visit(browser: Browser, server: ServerProcess) -> Iterator[OpenVisit]:
    """At the end of the test no visit may have met an error, a violation of the content security
    policy, or another host."""
    visits: list[Visit] = []
    with ExitStack() as stack:

        def opened(**options: Any) -> Visit:
            visits.append(stack.enter_context(visiting(browser, server.url, **options)))
            return visits[-1]

        yield opened
    for visit in visits:
        assert visit.complaints == []
        assert {urlsplit(sent.url).hostname for sent in visit.requests} <= {"127.0.0.1"}


@pytest.fixture
def visit(open_visit: OpenVisit) -> Visit:
    return open_visit()


@pytest.fixture
def people(server: ServerProcess, mailbox: Mailbox) -> People:
    """Makes accounts through the server that the browser visits."""
    return People(server.client(), mailbox)
