"""Stops of the tour: what administrators ask for."""

from __future__ import annotations

import secrets
from typing import Any

from tests.plans.tour import Tour, email

_LIST = "GET /v1/users"
_SEARCH = "POST /v1/users/search"
_CREATE = "POST /v1/users"
_READ = "GET /v1/users/{user_id}"
_CHANGE = "PATCH /v1/users/{user_id}"
_DELETE = "DELETE /v1/users/{user_id}"
_GRANT = "PUT /v1/users/{user_id}/roles/{name}"
_REVOKE = "DELETE /v1/users/{user_id}/roles/{name}"
_AUDIT = "GET /v1/audit-events"
_SORTS = ("created_at", "-created_at", "email", "-email", "last_login_at", "-last_login_at")

# population.sql makes every fiftieth of the first 2,000 an administrator.
_ADMINISTRATOR = 50


def administrator(tour: Tour) -> str:
    token: str = tour.log_in(email(_ADMINISTRATOR))["access_token"]
    return token


def listing_users(tour: Tour) -> None:
    token = administrator(tour)
    for sort in _SORTS:
        _two_pages(tour, token, f"by {sort}", f"sort={sort}")
    for status in ("active", "pending", "suspended"):
        _two_pages(tour, token, status, f"status={status}")
    for case, filters in (
        ("a role of many", "role=member"),
        ("a role of few", "role=admin"),
        ("a role of nobody", "role=nothing"),
        ("of a day", "created_after=2020-01-01T00:00:00Z&created_before=2020-01-02T00:00:00Z"),
        ("an address", f"email={email(60)}"),
    ):
        for sort in _SORTS[1::2]:
            path = f"/v1/users?{filters}&sort={sort}"
            tour.ask(_LIST, f"{case}, by {sort}", expect=200, token=token, path=path)


def refusing(tour: Tour) -> None:
    token: str = tour.log_in(email(2502))["access_token"]
    tour.ask(_LIST, "without the permission", expect=403, token=token)
    for _ in range(9):
        tour.server.client().request("GET", "/v1/users", token=token)
    tour.ask(_LIST, "without the permission, the eleventh time", expect=403, token=token)


def searching_users(tour: Tour) -> None:
    token = administrator(tour)
    for case, body in (
        ("a part that many have", {"q": "example"}),
        ("a part that few have", {"q": "person-777"}),
        ("a part that nobody has", {"q": "xyz"}),
        ("suspended ones", {"q": "person", "status": "suspended"}),
        ("pending ones", {"status": "pending"}),
        ("all filters", {"q": "person", "status": "active", "role": "auditor"}),
    ):
        for sort in _SORTS[1::2]:
            sent = body | {"sort": sort}
            tour.ask(_SEARCH, f"{case}, by {sort}", expect=200, token=token, json=sent)
    for sort in _SORTS[1::2]:
        for case, filters in (("", {}), (" and status", {"status": "active"})):
            broad = {"q": "@example.com@", "sort": sort, **filters}
            tour.ask(_SEARCH, f"too broad{case}, by {sort}", expect=422, token=token, json=broad)


def changing_users(tour: Tour) -> None:
    token = administrator(tour)
    body = {"email": "invited@example.org", "username": "invited", "invite": True}
    made = tour.ask(_CREATE, "and invite them", expect=201, token=token, json=body).json()
    tour.deliver("a mail with an invitation")
    own = f"/v1/users/{made['id']}"
    tour.ask(_CREATE, "a known address", expect=409, token=token, json=body)
    key = [("idempotency-key", secrets.token_hex(8))]
    again = {"email": "once@example.org"}
    for case in ("with an Idempotency-Key", "repeated with its Idempotency-Key"):
        tour.ask(_CREATE, case, expect=201, token=token, json=again, headers=key)
    tour.ask(f"POST {_one('invite')}", expect=200, token=token, path=f"{own}/invite")
    tour.deliver("a mail with an invitation again")
    tour.ask(_READ, expect=200, token=token, path=own)
    for case, change, status in (
        ("a name", {"display_name": "Somebody"}, 200),
        ("an address", {"email": "moved@example.org"}, 200),
        ("a taken address", {"email": email(61)}, 409),
        ("a taken username", {"username": "name_5"}, 409),
    ):
        tour.ask(_CHANGE, case, expect=status, token=token, path=own, json=change)
        tour.mailbox.deliver()


def letting_users_in(tour: Tour) -> None:
    token = administrator(tour)
    for action in ("revoke-sessions", "force-password-reset", "suspend", "deactivate"):
        path = f"{_person(tour, token, 3001)}/{action}"
        tour.ask(f"POST {_one(action)}", expect=200, token=token, path=path)
        tour.mailbox.deliver()
    closed = _person(tour, token, 3002)
    tour.ask(_DELETE, expect=202, token=token, path=closed)
    tour.mailbox.deliver()
    tour.ask(f"POST {_one('reactivate')}", expect=200, token=token, path=f"{closed}/reactivate")


def changing_roles(tour: Tour) -> None:
    token = administrator(tour)
    body = {"name": "librarian", "permissions": ["users:read"]}
    tour.ask("GET /v1/roles", expect=200, token=token)
    tour.ask("POST /v1/roles", expect=201, token=token, json=body)
    tour.ask("POST /v1/roles", "a known name", expect=409, token=token, json=body)
    one, own = "/v1/roles/{name}", "/v1/roles/librarian"
    tour.ask(f"GET {one}", expect=200, token=token, path=own)
    change = {"permissions": ["users:read", "roles:read"]}
    tour.ask(f"PATCH {one}", expect=200, token=token, path=own, json=change)
    held = f"{_person(tour, token, 3003)}/roles/librarian"
    tour.ask(_GRANT, expect=200, token=token, path=held)
    tour.ask(f"DELETE {one}", "while it is held", expect=409, token=token, path=own)
    tour.ask(_REVOKE, expect=200, token=token, path=held)
    tour.ask(f"DELETE {one}", expect=204, token=token, path=own)
    other = f"{_person(tour, token, 100)}/roles/admin"
    tour.ask(_REVOKE, "of an administrator", expect=200, token=token, path=other)


def reading_the_trail(tour: Tour) -> None:
    token = administrator(tour)
    _two_pages(tour, token, "", "", route=_AUDIT)
    someone = _person(tour, token, 3004).rpartition("/")[2]
    for case, filters in (
        ("of somebody", f"subject={someone}"),
        ("by somebody", f"actor={someone}"),
        ("of a frequent type", "type=login.succeeded"),
        ("of a rare type", "type=role.granted"),
        ("of a day", "after=2026-01-01T00:00:00Z&before=2026-01-02T00:00:00Z"),
    ):
        path = f"/v1/audit-events?{filters}"
        tour.ask(_AUDIT, case, expect=200, token=token, path=path)


def _one(action: str) -> str:
    return f"/v1/users/{{user_id}}/{action}"


def _person(tour: Tour, token: str, number: int) -> str:
    """The path of one of the people in population.sql."""
    body = {"email": email(number)}
    found = tour.server.client().request("POST", "/v1/users/search", json=body, token=token)
    return f"/v1/users/{found.json()['data'][0]['id']}"


def _two_pages(tour: Tour, token: str, case: str, filters: str, *, route: str = _LIST) -> None:
    path = f"{route.split()[1]}?{filters}"
    first: Any = tour.ask(route, case, expect=200, token=token, path=path).json()
    path += f"&cursor={first['next_cursor']}"
    tour.ask(route, f"{case}, the next page".removeprefix(", "), expect=200, token=token, path=path)
