"""Refresh tokens: one successor, a grace period for retries, and the end of a stolen family."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from core.bootstrap import Core
from tests.support.clients import Answer, Client
from tests.support.people import People
from tests.support.server import ServerProcess
from tests.support.storage import query


def refresh(client: Client, token: str, user_agent: str = "conformance/1") -> Answer:
    body = {"refresh_token": token}
    headers = [("user-agent", user_agent)]
    return client.request("POST", "/v1/auth/refresh", json=body, headers=headers)


def age_last_rotation(superuser_url: str, session_id: str) -> None:
    """As if the last rotation had been two minutes ago."""
    connection = psycopg2.connect(superuser_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sessions SET rotated_at = rotated_at - interval '2 minutes' WHERE id = %s",
            (session_id,),
        )
    connection.close()


def test_a_refresh_gives_working_tokens(people: People, client: Client) -> None:
    first = people.logged_in()
    answer = refresh(client, first.refresh)
    assert answer.status == 200
    body = answer.json()
    assert body["session_id"] == first.session_id
    assert body["refresh_token"] != first.refresh
    assert client.request("GET", "/v1/users/me", token=body["access_token"]).status == 200


def test_fifty_at_once_get_one_successor(people: People, client: Client) -> None:
    """One rotation happens, whoever asks how often; all retries of one client see its result."""
    token = people.logged_in().refresh
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: refresh(client, token), range(50)))
    successors = {answer.json()["refresh_token"] for answer in answers if answer.status == 200}
    assert {answer.status for answer in answers} <= {200, 503}
    assert len(successors) == 1
    assert refresh(client, successors.pop()).status == 200


def test_fifty_thieves_get_one_successor_and_no_session(people: People, client: Client) -> None:
    """Different user agents are different holders: one wins, and then the family ends for all."""
    token = people.logged_in().refresh
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: refresh(client, token, f"agent/{n}"), range(50)))
    winners = [answer for answer in answers if answer.status == 200]
    assert len(winners) == 1
    assert refresh(client, winners[0].json()["refresh_token"]).status == 401


def test_a_retry_in_the_grace_period_gets_the_same_successor(
    people: People, client: Client
) -> None:
    """A client that lost the answer is not logged out, whatever its address is now."""
    token = people.logged_in().refresh
    first = refresh(client, token)
    elsewhere = client.from_address("203.0.113.77")
    second = refresh(elsewhere, token)
    assert first.json()["refresh_token"] == second.json()["refresh_token"]


def test_a_retry_in_the_grace_period_gives_a_suspended_user_nothing(
    people: People, client: Client, superuser_url: str
) -> None:
    session = people.logged_in()
    assert refresh(client, session.refresh).status == 200
    suspend = "UPDATE users SET status = 'suspended' WHERE id = %s"
    query(superuser_url, suspend, (session.person.user_id,))
    answer = refresh(client, session.refresh)
    assert (answer.status, answer.problem) == (401, "invalid-refresh-token")


def test_another_client_in_the_grace_period_is_a_thief(people: People, client: Client) -> None:
    token = people.logged_in().refresh
    successor = refresh(client, token).json()["refresh_token"]
    answer = refresh(client, token, "somebody-else/2")
    assert (answer.status, answer.problem) == (401, "invalid-refresh-token")
    assert refresh(client, successor).status == 401


def test_reuse_after_the_grace_period_ends_the_family(
    people: People, client: Client, superuser_url: str
) -> None:
    """Both holders are out: refresh and access token, and it is audited."""
    session = people.logged_in()
    newer = refresh(client, session.refresh).json()
    age_last_rotation(superuser_url, session.session_id)
    assert refresh(client, session.refresh).status == 401
    assert refresh(client, newer["refresh_token"]).status == 401
    assert client.request("GET", "/v1/users/me", token=newer["access_token"]).status == 401
    connection = psycopg2.connect(superuser_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM audit_events WHERE type = 'session.reuse_detected'"
            " AND subject = %s",
            (session.person.user_id,),
        )
        assert cursor.fetchone() == (1,)
    connection.close()


def test_a_token_older_than_the_last_but_one_has_no_grace(people: People, client: Client) -> None:
    token = people.logged_in().refresh
    second = refresh(client, token).json()["refresh_token"]
    assert refresh(client, second).status == 200
    assert refresh(client, token).status == 401
    assert refresh(client, second).status == 401


def test_a_revoked_family_stays_revoked_after_a_restart(
    people: People, client: Client, environment: dict[str, str]
) -> None:
    """Regression of Keycloak CVE-2026-9802: the truth is in the database, not in a process."""
    session = people.logged_in()
    assert client.request("POST", "/v1/auth/logout", token=session.access).status == 204
    with ServerProcess.start(environment) as restarted:
        fresh = restarted.client()
        assert refresh(fresh, session.refresh).status == 401
        assert fresh.request("GET", "/v1/users/me", token=session.access).status == 401


def test_an_expired_session_is_over(people: People, client: Client, superuser_url: str) -> None:
    session = people.logged_in()
    connection = psycopg2.connect(superuser_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sessions SET expires_at = now() - interval '1 second' WHERE id = %s",
            (session.session_id,),
        )
    connection.close()
    assert refresh(client, session.refresh).status == 401
    assert client.request("GET", "/v1/users/me", token=session.access).status == 401


def test_a_recovery_epoch_ends_what_was_given_before(
    people: People, client: Client, superuser_url: str
) -> None:
    """After a restore, tokens of the possible loss window are refused; the rest work on."""
    session = people.logged_in()
    connection = psycopg2.connect(superuser_url)
    connection.autocommit = True
    cursor = connection.cursor()
    raise_epoch = (
        "INSERT INTO recovery_epochs (epoch, mode, window_started_at, raised_at)"
        " VALUES ((SELECT max(epoch) + 1 FROM recovery_epochs), 'window', %s, now())"
        " RETURNING epoch"
    )
    try:
        cursor.execute(raise_epoch, ("2100-01-01",))
        assert client.request("GET", "/v1/users/me", token=session.access).status == 200
        cursor.execute(raise_epoch, ("2020-01-01",))
        assert client.request("GET", "/v1/users/me", token=session.access).status == 401
        assert refresh(client, session.refresh).status == 401
        again = people.log_in(session.person)
        assert client.request("GET", "/v1/users/me", token=again.access).status == 200
    finally:
        cursor.execute("DELETE FROM recovery_epochs WHERE epoch > 1")
        connection.close()


@pytest.mark.parametrize(("later", "status"), [("0.999999 s", 401), ("1 s", 200)])
def test_a_recovery_window_has_no_gap_in_its_first_second(
    people: People, client: Client, superuser_url: str, later: str, status: int
) -> None:
    """Tokens tell whole seconds: one of the window's second is refused, one of before is not."""
    session = people.logged_in()
    raise_epoch = (
        "INSERT INTO recovery_epochs (epoch, mode, window_started_at, raised_at)"
        " SELECT (SELECT max(epoch) + 1 FROM recovery_epochs), 'window',"
        " date_trunc('second', created_at) + %s::interval, now() FROM sessions WHERE id = %s"
    )
    query(superuser_url, raise_epoch, (later, session.session_id))
    try:
        assert client.request("GET", "/v1/users/me", token=session.access).status == status
        assert refresh(client, session.refresh).status == status
    finally:
        query(superuser_url, "DELETE FROM recovery_epochs WHERE epoch > 1")


@pytest.mark.parametrize("change", ["truncated", "flipped", "access", "empty", "spaces", "long"])
def test_what_is_no_refresh_token_is_refused(people: People, client: Client, change: str) -> None:
    session = people.logged_in()
    token = session.refresh
    changed = {
        "truncated": token[:-1],
        "flipped": token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:],
        "access": session.access,
        "empty": "",
        "spaces": f" {token} ",
        "long": token + "A" * 9000,
    }[change]
    assert refresh(client, changed).status in {401, 422}
    assert refresh(client, token).status == 200


def test_a_generation_that_was_never_given_out_is_refused(
    people: People, client: Client, core: Core
) -> None:
    """Even with the right key a token of the future neither works nor harms the family."""
    session = people.logged_in()
    session_id, generation = core.sessions.refresh_tokens.decode(session.refresh)
    future = core.sessions.refresh_tokens.encode(session_id, generation + 5)
    assert refresh(client, future).status == 401
    assert refresh(client, session.refresh).status == 200
