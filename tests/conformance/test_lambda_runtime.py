"""The deployed shape of the function: the real `awslambdaric` around the handler."""

from __future__ import annotations

import pytest

from tests.conformance.test_targets_agree import masked, story
from tests.support.lambda_events import EVENT_BUILDERS
from tests.support.mailbox import Mailbox
from tests.support.people import People
from tests.support.runtime_api import RuntimeApi, lambda_runtime
from tests.support.runtime_client import RuntimeClient
from tests.support.server import ServerProcess
from tests.support.storage import query

__all__ = ["lambda_runtime"]


@pytest.fixture(params=EVENT_BUILDERS)
def function(request: pytest.FixtureRequest, lambda_runtime: RuntimeApi) -> RuntimeClient:
    return RuntimeClient(lambda_runtime, request.param)


def test_the_first_story_is_the_servers(
    function: RuntimeClient, server: ServerProcess, mailbox: Mailbox
) -> None:
    """Register, verify, log in, refresh, me and delete answer as the server process does."""
    here = server.client().from_address(function.address)
    assert story(function, mailbox) == story(here, mailbox)


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b'{"a": "\xc3\xa9\xf0\x9f\x98\x80"}', b" " * 16_384, b" " * 16_385]
)
@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream"])
def test_a_body_is_judged_as_on_the_server(
    function: RuntimeClient, server: ServerProcess, body: bytes, kind: str
) -> None:
    """Binary bodies and the limit of 16 KiB survive base64 and the runtime's JSON."""
    headers = [("content-type", kind)]
    expected = server.client().request("POST", "/v1/auth/login", body=body, headers=headers)
    answer = function.request("POST", "/v1/auth/login", body=body, headers=headers)
    assert masked(answer) == masked(expected)


def test_a_job_empties_the_outbox(
    function: RuntimeClient, mailbox: Mailbox, superuser_url: str
) -> None:
    """The scheduled job sends what requests have left, and says how much it was."""
    function.runtime.invoke({"job": "outbox"})
    email, answer = People(function, mailbox).register()
    assert answer.status == 202
    assert function.runtime.invoke({"job": "outbox"}) == {"handled": 1}
    assert mailbox.last(email).token
    assert function.runtime.invoke({"job": "outbox"}) == {"handled": 0}
    query(
        superuser_url,
        "UPDATE one_time_codes SET expires_at = '2020-01-01' WHERE email_normalised = %s",
        (email,),
    )
    assert function.runtime.invoke({"job": "housekeeping"})["one_time_codes"] >= 1
    codes = "SELECT count(*) FROM one_time_codes WHERE email_normalised = %s"
    assert query(superuser_url, codes, (email,)) == [(0,)]
