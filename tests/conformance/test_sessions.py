"""Seeing and ending one's own sessions."""

from __future__ import annotations

import base64
import re
from uuid import uuid4

import pytest

from tests.support.clients import Client
from tests.support.people import People


def test_sessions_are_listed_newest_first_in_pages(people: People, client: Client) -> None:
    person = people.verified()
    sessions = [people.log_in(person, user_agent=f"agent/{n}") for n in range(5)]
    token = sessions[2].access
    seen: list[str] = []
    path: str | None = "/v1/users/me/sessions?limit=2"
    while path:
        answer = client.request("GET", path, token=token)
        assert answer.status == 200, answer.body
        body = answer.json()
        assert len(body["data"]) <= 2
        assert len(seen) < 6, "the pages do not end"
        seen += [session["id"] for session in body["data"]]
        for session in body["data"]:
            assert session["current"] == (session["id"] == sessions[2].session_id)
        link = re.search(r'<([^>]+)>; rel="next"', answer.header("link") or "")
        path = None
        if body["next_cursor"]:
            assert link
            path = link.group(1)
    assert seen == [session.session_id for session in reversed(sessions)]


def test_somebody_elses_session_is_not_there(people: People, client: Client) -> None:
    """Not yours is 404, like what does not exist, and nothing changes."""
    mine, theirs = people.logged_in(), people.logged_in()
    for session_id in (theirs.session_id, str(uuid4())):
        answer = client.request("DELETE", f"/v1/users/me/sessions/{session_id}", token=mine.access)
        assert (answer.status, answer.problem) == (404, "not-found")
    assert client.request("GET", "/v1/users/me", token=theirs.access).status == 200
    listed = client.request("GET", "/v1/users/me/sessions", token=mine.access).json()["data"]
    assert [session["id"] for session in listed] == [mine.session_id]


def test_a_cursor_that_was_not_given_out_is_refused(people: People, client: Client) -> None:
    """Regression of Kratos CVE-2026-33503: cursors are authenticated."""
    person = people.verified()
    sessions = [people.log_in(person) for _ in range(3)]
    token = sessions[0].access
    first = client.request("GET", "/v1/users/me/sessions?limit=1", token=token).json()
    cursor: str = first["next_cursor"]
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[-3] ^= 1
    forged = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
    for bad in (forged, cursor[:-2], "x", "%00", "A" * 3000):
        answer = client.request("GET", f"/v1/users/me/sessions?limit=1&cursor={bad}", token=token)
        assert (answer.status, answer.problem) == (400, "invalid-cursor"), bad


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=1&limit=2"]
)
def test_a_bad_limit_is_refused(people: People, client: Client, query: str) -> None:
    token = people.logged_in().access
    answer = client.request("GET", f"/v1/users/me/sessions?{query}", token=token)
    assert answer.status == 422


@pytest.mark.parametrize("session_id", ["x", "0", "..;", "%00"])
def test_a_bad_id_is_refused(people: People, client: Client, session_id: str) -> None:
    token = people.logged_in().access
    answer = client.request("DELETE", f"/v1/users/me/sessions/{session_id}", token=token)
    assert answer.status in {404, 422}
