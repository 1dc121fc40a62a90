"""Searches of everybody's letters: every match page by page, or the problem that says so."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.bootstrap import Core, build_core
from core.config import Settings
from core.domain.user import UserStatus
from handler.local.postgres import APPLICATION, SUPERUSER, LocalPostgres
from tests.support.clients import Answer, Client, LambdaClient
from tests.support.databases import migrated
from tests.support.people import Person
from tests.support.staff import Staff
from tests.support.targets import Targets, targets_with
from tests.support.user_lists import USERS, ids, listed, searched

SORTS = ["created_at", "email", "last_login_at"]
ORDERS = [*SORTS, *(f"-{name}" for name in SORTS)]
NOBODY = "@example.com@"
# The first window has one user, the second ten; more than twice 20 are in the database.
ROWS = 20
DATABASE = "searches"
ASKING = [listed, searched]


@pytest.fixture(scope="module")
def superuser_url(postgres: LocalPostgres) -> Iterator[str]:
    """Of a database for this module alone: how many users have which letters decides here."""
    with migrated(postgres, DATABASE):
        yield postgres.url(role=SUPERUSER, database=DATABASE)


@pytest.fixture(scope="module")
def bounded(
    postgres: LocalPostgres, superuser_url: str, environment: dict[str, str]
) -> dict[str, str]:
    """Settings of a service whose searches may look at few users; a turn comes however busy the
    machine is."""
    url = postgres.url(role=APPLICATION, database=DATABASE)
    searches = {"SEARCH_ROWS": str(ROWS), "SEARCH_QUEUE_TIMEOUT": "10"}
    return {**environment, "DATABASE_URL": url, **searches}


@pytest.fixture(scope="module")
def core(bounded: dict[str, str]) -> Iterator[Core]:
    built = build_core(Settings.from_environ(bounded))
    yield built
    built.close()


@pytest.fixture(scope="module")
def targets(bounded: dict[str, str], lambda_client: LambdaClient) -> Iterator[Targets]:
    with targets_with(bounded, lambda_client) as targets:
        yield targets


@pytest.fixture(params=["asgi", "lambda"])
def client(
    request: pytest.FixtureRequest, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> Client:
    return targets.client(request.param, monkeypatch)


@pytest.fixture
def marker() -> str:
    return f"m{secrets.token_hex(8)}"


@pytest.fixture
def crowd(staff: Staff, marker: str) -> list[Person]:
    """Fifty pending ones of whom fifteen, here and there, are called by the marker."""
    return [
        person
        for number in range(50)
        for person in [
            staff.pending(
                profile={"display_name": f"{marker if number % 10 < 3 else 'x'} {number}"}
            )
        ]
        if number % 10 < 3
    ]


def walked(ask: Callable[..., Answer], client: Client, staff: Staff, **wanted: Any) -> list[Answer]:
    """Page behind page, up to the last one or a problem."""
    answers = [ask(client, staff, **wanted)]
    while answers[-1].status == 200 and (cursor := answers[-1].json()["next_cursor"]):
        answers.append(ask(client, staff, **wanted, cursor=cursor))
        assert len(answers) < 500, "the list does not end"
    return answers


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.usefixtures("crowd")
def test_letters_of_everybody_that_nobody_has_are_too_broad(
    client: Client, staff: Staff, ask: Callable[..., Answer]
) -> None:
    """In each order, and with filters that many meet; nothing says that waiting would help."""
    for sort in ORDERS:
        for filters in ({}, {"created_after": "2001-01-01T00:00:00Z"}, {"status": "pending"}):
            answer = ask(client, staff, q=NOBODY, sort=sort, **filters)
            assert (answer.status, answer.problem) == (422, "search-too-broad"), answer.body
            assert answer.header("retry-after") is None
            assert NOBODY not in answer.body.decode()
    page = client.request("GET", "/problems/search-too-broad")
    assert page.status == 200


@pytest.mark.parametrize("sort", ORDERS)
@pytest.mark.parametrize("ask", ASKING)
def test_every_match_is_on_a_page(
    client: Client,
    staff: Staff,
    crowd: list[Person],
    marker: str,
    sort: str,
    ask: Callable[..., Answer],
) -> None:
    """Whatever the limit divides them into; no page but the last is short."""
    for limit in (2, 7, 15, 50):
        answers = walked(ask, client, staff, q=marker, sort=sort, limit=limit)
        shown = [user for answer in answers for user in ids(answer)]
        assert [len(ids(answer)) for answer in answers[:-1]] == [limit] * (len(answers) - 1)
        assert sorted(shown) == sorted(person.user_id for person in crowd)
        if sort == "-created_at":
            assert shown == [person.user_id for person in reversed(crowd)]


@pytest.mark.parametrize("sort", ORDERS)
def test_a_list_that_cannot_go_on_says_so(
    client: Client, staff: Staff, crowd: list[Person], sort: str
) -> None:
    """What is shown up to the problem is what a service without the bound shows first."""
    path = f"/v1/users/{crowd[0].user_id}"
    first = client.request("GET", path, token=staff.admin.token).json()["created_at"]
    wanted = {"sort": sort, "created_after": first, "limit": 3}
    answers = walked(listed, client, staff, q="person", status="pending", **wanted)
    shown = [user for answer in answers if answer.status == 200 for user in ids(answer)]
    everybody = walked(listed, client, staff, **wanted)
    pending = [
        user
        for answer in everybody
        for user in answer.json()["data"]
        if user["status"] == UserStatus.PENDING and "person" in _searched(user)
    ]
    fit = [user["id"] for user in pending]
    assert len(fit) > ROWS
    assert shown == fit[: len(shown)]
    if answers[-1].status == 200:
        assert len(shown) == len(fit)
    else:
        assert answers[-1].problem == "search-too-broad"


def _searched(user: dict[str, Any]) -> str:
    names = ("email", "username", "display_name", "given_name", "family_name")
    return "\n".join(user[name] or "" for name in names).lower()


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.usefixtures("crowd")
def test_a_filter_that_few_meet_makes_any_search_narrow(
    client: Client, staff: Staff, ask: Callable[..., Answer]
) -> None:
    one = staff.person(status=UserStatus.DEACTIVATED, profile={"display_name": "Ada"})
    named = one.email.removesuffix("@example.com")
    for sort in ORDERS:
        bounds = {"created_after": "2001-01-01T00:00:00Z", "sort": sort}
        found = ask(client, staff, q=named, status="deactivated", **bounds)
        assert ids(found) == [one.user_id]


@pytest.mark.parametrize("member", ["admin", "stranger"])
def test_one_account_takes_its_own_turns_only(
    targets: Targets, staff: Staff, crowd: list[Person], member: str
) -> None:
    """Forty searches at once: what finds no turn is 429 and says when to come again. Meanwhile
    others read themselves and search. Nobody without the permission takes a turn."""
    busy = staff.admin if member == "admin" else staff.member()
    other = staff.support

    def search(number: int) -> Answer:
        sort = ORDERS[number % len(ORDERS)]
        body = {"q": NOBODY, "sort": sort}
        client = targets.process.client()
        return client.request("POST", f"{USERS}/search", json=body, token=busy.token)

    with ThreadPoolExecutor(41) as pool:
        searches = [pool.submit(search, number) for number in range(120)]
        for _ in range(5):
            client = targets.process.client()
            assert client.request("GET", f"{USERS}/me", token=other.token).status == 200
            found = client.request("GET", f"{USERS}?q={crowd[0].email}", token=other.token)
            assert [user["id"] for user in found.json()["data"]] == [crowd[0].user_id]
        answers = [each.result() for each in searches]
    seen = Counter(answer.problem for answer in answers)
    if member == "stranger":
        assert seen == {"permission-denied": 120}
        return
    assert set(seen) <= {"search-too-broad", "too-many-requests"}
    assert seen["search-too-broad"] > 0
    for answer in answers:
        if answer.problem == "too-many-requests":
            assert answer.status == 429
            assert int(answer.header("retry-after") or 0) >= 1
            assert '"searches"' in (answer.header("ratelimit-policy") or "")
