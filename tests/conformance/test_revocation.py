"""After logout, deactivation, suspension or a new password no token works any more, at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg2
import pytest

from tests.support.clients import Client
from tests.support.people import PASSWORD, LoggedIn, People
from tests.support.server import ServerProcess

NEW_PASSWORD = "an entirely different sentence"


def logout(client: Client, people: People, session: LoggedIn, url: str) -> None:
    assert client.request("POST", "/v1/auth/logout", token=session.access).status == 204


def logout_all_elsewhere(client: Client, people: People, session: LoggedIn, url: str) -> None:
    other = people.log_in(session.person)
    assert client.request("POST", "/v1/auth/logout-all", token=other.access).status == 204


def revoke_elsewhere(client: Client, people: People, session: LoggedIn, url: str) -> None:
    other = people.log_in(session.person)
    path = f"/v1/users/me/sessions/{session.session_id}"
    assert client.request("DELETE", path, token=other.access).status == 204


def change_password(client: Client, people: People, session: LoggedIn, url: str) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    answer = client.request("POST", "/v1/users/me/password", json=body, token=session.access)
    assert answer.status == 204, answer.body


def reset_password(client: Client, people: People, session: LoggedIn, url: str) -> None:
    email = session.person.email
    client.request("POST", "/v1/auth/password/forgot", json={"email": email})
    body = {"token": people.mailbox.last(email).token, "password": NEW_PASSWORD}
    assert client.request("POST", "/v1/auth/password/reset", json=body).status == 204


def deactivate(client: Client, people: People, session: LoggedIn, url: str) -> None:
    answer = client.request("DELETE", "/v1/users/me", token=session.access)
    assert answer.status == 202, answer.body


def suspend(client: Client, people: People, session: LoggedIn, url: str) -> None:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE users SET status = 'suspended' WHERE id = %s", (session.person.user_id,)
        )
    connection.close()


@pytest.fixture(scope="module")
def elsewhere(environment: dict[str, str]) -> Iterator[ServerProcess]:
    """Another process on the same database, which does nothing of what ends sessions."""
    with ServerProcess.start(environment) as process:
        yield process


@pytest.mark.parametrize(
    "end",
    [
        logout,
        logout_all_elsewhere,
        revoke_elsewhere,
        change_password,
        reset_password,
        deactivate,
        suspend,
    ],
)
def test_no_token_works_afterwards(
    people: People,
    client: Client,
    superuser_url: str,
    elsewhere: ServerProcess,
    end: Callable[[Client, People, LoggedIn, str], None],
) -> None:
    """Neither token works on any route, here or in another process that has let it in before."""
    session = people.logged_in()
    targets = (client, elsewhere.client())
    for target in targets:
        assert target.request("GET", "/v1/users/me", token=session.access).status == 200
    end(client, people, session, superuser_url)
    for target in targets:
        for method, path in [
            ("GET", "/v1/users/me"),
            ("PATCH", "/v1/users/me"),
            ("DELETE", "/v1/users/me"),
            ("GET", "/v1/users/me/sessions"),
            ("POST", "/v1/auth/logout-all"),
        ]:
            body = {"display_name": "X"} if method == "PATCH" else ...
            answer = target.request(method, path, token=session.access, json=body)
            assert (answer.status, answer.problem) == (401, "unauthenticated"), path
        body = {"refresh_token": session.refresh}
        assert target.request("POST", "/v1/auth/refresh", json=body).status == 401


def test_a_withdrawn_permission_counts_at_once(
    people: People, superuser_url: str, core: object
) -> None:
    """Permissions are read with each request; the token's own scope opens nothing here."""
    from core.bootstrap import Core
    from core.domain.access import Permission

    assert isinstance(core, Core)
    session = people.logged_in()
    connection = psycopg2.connect(superuser_url)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(
        "INSERT INTO user_roles (user_id, role, granted_at) VALUES (%s, 'auditor', now())",
        (session.person.user_id,),
    )
    granted = people.log_in(session.person)
    assert Permission.AUDIT_READ in core.authentication.authenticate(granted.access).permissions
    cursor.execute("DELETE FROM user_roles WHERE user_id = %s", (session.person.user_id,))
    assert core.authentication.authenticate(granted.access).permissions == frozenset()
    connection.close()
