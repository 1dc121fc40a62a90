"""A visitor with a real browser, of whom everything is noted that a test has to know."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebError,
    expect,
)

from tests.support.clients import random_address
from tests.support.people import People

WAIT_MS = 10_000
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever else the browser would like to look up, it does not find.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def chromium() -> str:
    """The path of the browser; CHROMIUM names another one."""
    for name in (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name) if name else None
        if path:
            return path
    raise AssertionError("the browser tests need Chromium: install it, or name it in CHROMIUM")


@dataclass
class Visit:
    """One visitor in a context of their own, seen by the service under `address`."""

    context: BrowserContext
    page: Page
    url: str
    address: str
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def posts(self) -> list[str]:
        """The paths that the pages have posted to."""
        return [urlsplit(sent.url).path for sent in self.requests if sent.method == "POST"]

    def follow(self, link: str) -> None:
        """Opens a link of a mail on the server under test."""
        parts = urlsplit(link)
        self.page.goto(f"{self.url}{parts.path}#{parts.fragment}")

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def press(self, name: str) -> None:
        """Clicks the button of this name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def note_request(self, request: Request) -> None:
        self.requests.append(request)

    def note_message(self, message: ConsoleMessage) -> None:
        # Chromium logs each refusal of the API as an error; what the page makes of it is tested.
        refused = message.text.startswith("Failed to load resource:")
        api = urlsplit(message.location["url"]).path.startswith("/v1/")
        if message.type in {"error", "warning"} and not (refused and api):
            self.complaints.append(f"{message.type}: {message.text}")

    def note_error(self, error: WebError) -> None:
        self.complaints.append(str(error.error))


class OpenVisit(Protocol):
    """Opens a visit; `options` are those of a browser context, such as `color_scheme`."""

    def __call__(self, **options: Any) -> Visit: ...


@contextmanager
def visiting(browser: Browser, url: str, **options: Any) -> Iterator[Visit]:
    """A visit from an address of its own, because limits go by address."""
    address = random_address()
    headers = {"x-forwarded-for": address}
    context = browser.new_context(extra_http_headers=headers, **options)
    context.set_default_timeout(WAIT_MS)
    visit = Visit(context=context, page=context.new_page(), url=url, address=address)
    context.on("request", visit.note_request)
    context.on("console", visit.note_message)
    context.on("weberror", visit.note_error)
    try:
        yield visit
    finally:
        context.close()


def expect_heading(visit: Visit, name: str) -> None:
    expect(visit.page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def log_in(people: People, email: str, password: str) -> int:
    body = {"identifier": email, "password": password}
    return people.client.request("POST", "/v1/auth/login", json=body).status
