"""Stops of the tour: logging in, refreshing, listing and ending sessions."""

from __future__ import annotations

import uuid

from argon2 import PasswordHasher

from core.services.refusals import ASKED_FIRST
from tests.plans.tour import Tour, email
from tests.support.people import PASSWORD

_LOGIN = "POST /v1/auth/login"
_REFRESH = "POST /v1/auth/refresh"
_LIST = "GET /v1/users/me/sessions"
_END = "DELETE /v1/users/me/sessions/{session_id}"


def logging_in(tour: Tour) -> None:
    client = tour.server.client()
    body = {"identifier": email(20), "password": PASSWORD}
    tour.ask(_LOGIN, "by address, from a new place", expect=200, json=body, client=client)
    tour.ask(_LOGIN, "by address, from a known place", expect=200, json=body, client=client)
    body["identifier"] = "Name_20"
    tour.ask(_LOGIN, "by username, from a known place", expect=200, json=body, client=client)
    older = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    tour.set_credential(21, "password_hash", older)
    body["identifier"] = email(21)
    tour.ask(_LOGIN, "with a hash of older settings", expect=200, json=body)


def refusing_log_ins(tour: Tour) -> None:
    sign_up = {"email": "unverified@example.org", "password": PASSWORD}
    tour.server.client().request("POST", "/v1/auth/register", json=sign_up)
    tour.mailbox.deliver()
    for case, status, identifier, password in (
        ("the wrong password", 401, email(22), "wrong"),
        ("an unknown address", 401, "nobody@example.org", PASSWORD),
        ("an unknown username", 401, "nobody", PASSWORD),
        ("a suspended user", 401, email(98), PASSWORD),
        ("an unverified sign-up", 403, "unverified@example.org", PASSWORD),
    ):
        body = {"identifier": identifier, "password": password}
        tour.ask(_LOGIN, case, expect=status, json=body)
    body = {"identifier": email(23), "password": "wrong"}
    client = tour.server.client()
    for _ in range(10):
        client.request("POST", "/v1/auth/login", json=body)
    tour.ask(_LOGIN, "the first guess too many", expect=429, json=body, client=client)
    tour.ask(_LOGIN, "the second", expect=429, json=body, client=client)
    for _ in range(ASKED_FIRST - 2):
        client.request("POST", "/v1/auth/login", json=body)
    tour.ask(_LOGIN, "one more, refused from memory", expect=429, json=body, client=client)


def refreshing(tour: Tour) -> None:
    body = {"refresh_token": tour.log_in(email(24))["refresh_token"]}
    tour.ask(_REFRESH, expect=200, json=body)
    tour.ask(_REFRESH, "a retry", expect=200, json=body)
    thief = [("user-agent", "another/1")]
    tour.ask(_REFRESH, "a stolen token", expect=401, json=body, headers=thief)
    tour.ask(_REFRESH, "of an ended session", expect=401, json=body)
    tour.ask(_REFRESH, "no refresh token", expect=401, json={"refresh_token": "rt_nothing"})


def sessions(tour: Tour) -> None:
    # One of the people whom population.sql gives 200 sessions.
    tokens = tour.log_in(email(3))
    token = tokens["access_token"]
    first = tour.ask(_LIST, "the first page", expect=200, token=token)
    page = first.json()
    cursor = f"{_LIST.split()[1]}?cursor={page['next_cursor']}"
    tour.ask(_LIST, "the next page", expect=200, token=token, path=cursor)
    own = f"/v1/users/me/sessions/{page['data'][1]['id']}"
    tour.ask(_END, expect=204, token=token, path=own)
    other = f"/v1/users/me/sessions/{uuid.uuid4()}"
    tour.ask(_END, "no such session", expect=404, token=token, path=other)
    tour.ask("POST /v1/auth/logout", expect=204, token=token)
    tour.ask("GET /v1/users/me", "an ended session", expect=401, token=token)
    token = tour.log_in(email(3))["access_token"]
    tour.ask("POST /v1/auth/logout-all", "about 130 sessions", expect=204, token=token)
