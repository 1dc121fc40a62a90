"""The review at the end of a session finds what a log must not hold."""

from __future__ import annotations

import json

import pytest

from tests.support.clients import random_address
from tests.support.log_review import faults
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
