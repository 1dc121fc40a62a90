"""The review at the end of a session finds what a log must not hold."""

from __future__ import annotations

import json

import pytest

from tests.support.clients import random_address
from tests.support.log_review import faults, server_faults
from tests.support.people import PASSWORD, random_email

GOOD = {
    "timestamp": "2030-01-02T03:04:05.678Z",
    "level": "INFO",
    "service": "user-api",
    "pod": "local",
    "trace_id": None,
    "message": "request",
}


def line(**changes: object) -> str:
    return json.dumps({**GOOD, **changes}) + "\n"


def test_good_lines_are_left_alone() -> None:
    """With a refused start, the mails of development, and a line that a kill has cut."""
    mail = line(message=f"mail to {random_email()}: Confirm: https://x/account/verify#token=1")
    assert not list(faults(line() + "user-api: PORT must be a number\n" + mail + '{"times'))


@pytest.mark.parametrize(
    "bad",
    [
        "Traceback (most recent call last):\n",
        "\n",
        line(level="LOUD"),
        line(address="x"),
        line(message=f"the password was {PASSWORD}"),
        line(message=f"request of {random_email().upper()}"),
        line(path=f"/v1/users/{random_email()}"),
        line(message=f"from {random_address()}"),
        line(message="eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"),  # pragma: allowlist secret
        line(request_id="rt1.c2VjcmV0"),
    ],
)
def test_a_bad_line_is_found_wherever_it_stands(bad: str) -> None:
    """No JSON, another form than the schema's, or words that the suites send as secrets."""
    assert len(list(faults(line() + bad + line()))) == 1


# --- PostgreSQL's -------------------------------------------------------------------------------


def entry(user: str, text: str) -> str:
    return f"2030-01-02 03:04:05 UTC:[local]:{user}@user_api:[7]:{text}\n"


QUIET = (
    "2030-01-02 03:04:05 UTC::@:[1]:LOG:  checkpoint complete\n"
    + entry("user_api", 'ERROR:  duplicate key value violates unique constraint "users_pkey"')
    + entry("postgres", f"LOG:  duration: 1 ms  statement: SELECT '{random_email()}'")
)


def test_what_names_nobody_and_the_tests_own_superuser_are_left_alone() -> None:
    assert not list(server_faults(QUIET))


@pytest.mark.parametrize(
    "bad",
    [
        f"STATEMENT:  UPDATE users SET email = '{random_email()}'",
        "DETAIL:  Key (email_normalised)=(ada@mail.example.com) already exists.",
        "LOG:  statement: INSERT\n\tINTO x VALUES (\n\t'$argon2id$v=19$m=7168')",
        "LOG:  statement: ALTER ROLE x PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$x:y'",
        "DETAIL:  Failing row contains (canarytext0123456789abcdef).",
        f"ERROR:  invalid input syntax for type inet: {random_address()!r}",
    ],
    ids=["email", "key", "hash", "verifier", "row", "address"],
)
@pytest.mark.parametrize("user", ["user_api", "user_api_owner", "", "[unknown]"])
def test_peoples_data_is_found_in_every_line_of_an_entry(user: str, bad: str) -> None:
    """Also of a process that is nobody's session."""
    assert len(list(server_faults(QUIET + entry(user, bad) + QUIET))) == 1
