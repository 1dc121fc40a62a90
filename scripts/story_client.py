"""An HTTP client that shows what it sends and gets, checks it, and never waits for ever."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

_SECRETS = frozenset({"password", "access_token", "refresh_token", "token"})
_LONGEST_ANSWER = 4 * 1024 * 1024
_LONGEST_LINE = 96
_POLL_SECONDS = 0.25


class StoryFailed(Exception):
    """The service is not there, or gave an answer that the story does not expect; one line."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    request: str
    status: int
    headers: Mapping[str, str]
    body: Any

    def expect(self, *statuses: int) -> Self:
        """Itself, if the status is one of these. Raises StoryFailed."""
        if self.status not in statuses:
            wanted = " or ".join(map(str, statuses))
            raise StoryFailed(
                f"{self.request} answered {self._status()}, and {wanted} was expected"
            )
        return self

    def expect_problem(self, status: int, name: str) -> None:
        """An RFC 9457 problem of this type. Raises StoryFailed."""
        self.expect(status)
        kind = self.headers.get("content-type", "")
        if not kind.startswith("application/problem+json"):
            raise StoryFailed(
                f"{self.request} answered {status} as {kind or 'nothing'}, no problem"
            )
        if not str(self._member("type")).endswith(f"/{name}"):
            raise StoryFailed(f"{self.request} answered {self._status()}, and {name} was expected")

    def expect_fields(self, **fields: object) -> None:
        """These members in the body, each with this value. Raises StoryFailed."""
        for name, wanted in fields.items():
            found = self._member(name)
            if found != wanted:
                raise StoryFailed(f"{self.request} answered {name} {found!r}, not {wanted!r}")

    def text(self, name: str) -> str:
        """A member that is a string and not empty. Raises StoryFailed."""
        value = self._member(name)
        if not isinstance(value, str) or not value:
            raise StoryFailed(f"{self.request} answered no {name}")
        return value

    def objects(self, name: str) -> list[dict[str, Any]]:
        """A member that is a list of objects. Raises StoryFailed."""
        value = self._member(name)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise StoryFailed(f"{self.request} answered no list {name}")
        return value

    def header(self, name: str) -> str:
        if name not in self.headers:
            raise StoryFailed(f"{self.request} answered without the header {name}")
        return self.headers[name]

    def _member(self, name: str) -> object:
        return self.body.get(name) if isinstance(self.body, dict) else None

    def _status(self) -> str:
        problem = self._member("type")
        return f"{self.status} {problem}" if problem else str(self.status)


@dataclass(frozen=True, kw_only=True)
class HttpClient:
    """A connection a request; `deadline` in seconds is for the whole of it."""

    url: str
    tell: Callable[[str], None]
    deadline: float = 10.0

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, headers: Mapping[str, str]
    ) -> Answer:
        """Shows the request and the answer. Raises StoryFailed when none comes in time."""
        self.tell(f"  {method} {path}")
        for name in ("If-Match", "Authorization"):
            if name in headers:
                self.tell(f"    {name}: {_short(headers[name])}")
        self._tell_body(body)
        started = time.monotonic()
        answer = self.fetch(method, path, body, headers=headers)
        took = (time.monotonic() - started) * 1000
        etag = f", ETag {answer.headers['etag']}" if "etag" in answer.headers else ""
        phrase = http.client.responses.get(answer.status, "")
        self.tell(f"  {answer.status} {phrase} in {took:.0f} ms{etag}")
        self._tell_body(answer.body)
        return answer

    def fetch(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Raises StoryFailed when the service is not there, too slow, or answers no JSON."""
        content = None if body is None else json.dumps(body).encode()
        sent = {"Accept": "application/json", "Content-Type": "application/json", **(headers or {})}
        if content is None:
            del sent["Content-Type"]
        request = f"{method} {path}"
        try:
            status, received, raw = self._exchange(method, path, content, sent)
            return Answer(request=request, status=status, headers=received, body=_parsed(raw))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise StoryFailed(f"{request} answered something other than JSON") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise StoryFailed(f"{self.url} does not answer {request}: {reason}") from error

    def _exchange(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        parts = urlsplit(self.url)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        connection = kind(parts.hostname or "", parts.port, timeout=self.deadline)
        connection.connect()
        # A socket's timeout starts anew with every byte; the timer bounds the request.
        ends = time.monotonic() + self.deadline
        timer = threading.Timer(self.deadline, _cut, [connection.sock])
        timer.daemon = True
        timer.start()
        try:
            connection.request(method, parts.path + path, content, dict(headers))
            response = connection.getresponse()
            raw = response.read(_LONGEST_ANSWER)
            if time.monotonic() >= ends:
                raise TimeoutError(f"no whole answer within {self.deadline:g} s")
            return response.status, {k.lower(): v for k, v in response.getheaders()}, raw
        finally:
            timer.cancel()
            connection.close()

    def mail_to(self, address: str) -> Mapping[str, Any]:
        """The newest mail to an address, as `user-api dev` shows it. Raises StoryFailed."""
        ends = time.monotonic() + self.deadline
        while time.monotonic() < ends:
            answer = self.fetch("GET", "/dev/mail.json")
            if answer.status == 404:
                raise StoryFailed(
                    f"{self.url} shows no mail; signing up needs one by `user-api dev`"
                )
            for mail in answer.expect(200).objects("data"):
                if address in str(mail.get("to")):
                    return mail
            time.sleep(_POLL_SECONDS)
        raise StoryFailed(f"no mail to {address} came within {self.deadline:g} s")

    def _tell_body(self, body: object) -> None:
        if body is None:
            return
        shown = _without_secrets(body)
        line = json.dumps(shown, ensure_ascii=False)
        lines = [line] if len(line) <= _LONGEST_LINE else json.dumps(shown, indent=2).splitlines()
        for each in lines:
            self.tell(f"    {each}")


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _parsed(raw: bytes) -> Any:
    return json.loads(raw) if raw else None


def _without_secrets(value: object) -> object:
    if isinstance(value, list):
        return [_without_secrets(each) for each in value]
    if isinstance(value, dict):
        return {
            key: _short(each)
            if key in _SECRETS and isinstance(each, str)
            else _without_secrets(each)
            for key, each in value.items()
        }
    return value


def _short(secret: str) -> str:
    """Enough to tell two apart; short values such as an ETag stay whole."""
    return secret if len(secret) <= 12 else f"{secret[:10]}... ({len(secret)} characters)"
