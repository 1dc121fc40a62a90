"""The Lambda face answers every event that is a request, and never in plain text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.environment import service_environment
from tests.support.lambda_events import EVENT_BUILDERS, response_of
from tests.support.runtime_api import HANDLER, InitFailed, InvocationFailed, RuntimeApi

each_form = pytest.mark.parametrize("form", EVENT_BUILDERS)

NO_DATABASE = "postgresql://app:secret@127.0.0.1:1/none"
ECHO = "tests.support.echo_function.lambda_handler"
FAILING = "tests.support.failing_function.lambda_handler"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lambda")


@pytest.fixture(scope="module")
def function(folder: Path) -> Iterator[RuntimeApi]:
    """The real handler, without a database."""
    with RuntimeApi(HANDLER, service_environment(NO_DATABASE, folder), folder / "log") as runtime:
        yield runtime


@pytest.fixture(scope="module")
def failing(folder: Path) -> Iterator[RuntimeApi]:
    log = folder / "failing.log"
    with RuntimeApi(FAILING, service_environment(NO_DATABASE, folder), log) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def echo(folder: Path) -> Iterator[RuntimeApi]:
    log = folder / "echo.log"
    with RuntimeApi(ECHO, service_environment(NO_DATABASE, folder), log) as runtime:
        yield runtime


Answer = tuple[int, dict[str, str], bytes]


def ask(
    function: RuntimeApi, form: str, path: str, *, method: str = "GET",
    headers: list[tuple[str, str]] | None = None, **spoiled: Any,
) -> Answer:  # fmt: skip
    event = EVENT_BUILDERS[form](method, path, [("Host", "id"), *(headers or [])], b"")
    status, pairs, body = response_of(function.invoke(event | spoiled))
    return status, dict(pairs), body


def problem_of(answer: Answer) -> tuple[int, str]:
    """Status and type of a problem whose request id stands in the header too."""
    status, headers, body = answer
    problem = json.loads(body)
    assert headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["request_id"]) == (status, headers["x-request-id"])
    return status, problem["type"].rpartition("/")[2]


@each_form
def test_a_request_is_answered(function: RuntimeApi, form: str) -> None:
    """A request of each form reaches the application, and HEAD has no body."""
    status, headers, body = ask(function, form, "/health/live")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)
    assert ask(function, form, "/health/live", method="HEAD")[0::2] == (200, b"")


@each_form
def test_refusals_are_the_applications(function: RuntimeApi, form: str) -> None:
    """Unknown paths, second credentials and names with an underscore are refused as on a server."""
    assert problem_of(ask(function, form, "/nowhere")) == (404, "not-found")
    for headers in (
        [("Authorization", "a"), ("authorization", "b")],
        [("Host", "b")],
        [("X_A", "b")],
    ):
        answer = ask(function, form, "/health/live", headers=headers)
        if form == "alb-single-value" and headers != [("X_A", "b")]:
            assert answer[0] == 200  # it shows the last of them alone
        else:
            assert problem_of(answer) == (400, "bad-request")


@each_form
@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream", "text/plain"])
@pytest.mark.parametrize("body", [b"", b"{}", "\u00e9\U0001f600".encode(), b"\x00\xff\xfe" * 1000])
def test_cookies_and_bytes_come_and_go(echo: RuntimeApi, form: str, kind: str, body: bytes) -> None:
    """Under the real runtime several cookies and binary bodies pass in both directions."""
    headers = [("Host", "id"), ("Content-Type", kind), ("Cookie", "a=1; b=2"), ("Accept", "*/*")]
    for status in (200, 404):
        event = EVENT_BUILDERS[form]("POST", f"/{status}", headers, body)
        answered, pairs, received = response_of(echo.invoke(event))
        assert (answered, received) == (status, body)
        assert [value for name, value in pairs if name == "set-cookie"] == ["a=1", "b=2"]


@each_form
def test_a_malformed_event_is_a_problem(function: RuntimeApi, form: str) -> None:
    """An event with a field of the wrong type gets a 400 in its own form."""
    for spoiled in ({"body": 5}, {"body": "!", "isBase64Encoded": True}):
        assert problem_of(ask(function, form, "/", **spoiled)) == (400, "bad-request")


@pytest.mark.parametrize("event", [None, [], "x", {}, {"Records": []}, {"requestContext": {}}])
def test_another_event_fails_by_name(function: RuntimeApi, event: Any) -> None:
    """What is no request is an error of the invocation that says what would be one."""
    with pytest.raises(InvocationFailed, match=r"alb-multi-value, .*function-url") as failure:
        function.invoke(event)
    assert failure.value.report["errorType"] == "UnknownEvent"


@pytest.mark.parametrize("job", ["seal", "", None, 5, ["outbox"], {"outbox": 1}])
def test_an_unknown_job_fails_by_name(function: RuntimeApi, job: Any) -> None:
    """A job that does not exist is an error, not a silent success."""
    with pytest.raises(InvocationFailed, match="the jobs are housekeeping and outbox") as failure:
        function.invoke({"job": job})
    assert failure.value.report["errorType"] == "ConfigurationError"


@pytest.mark.parametrize("job", ["outbox", "housekeeping"])
def test_a_job_without_its_database_fails(function: RuntimeApi, job: str) -> None:
    """The schedule sees a failed invocation, in time, when the database is away."""
    with pytest.raises(InvocationFailed) as failure:
        function.invoke({"job": job})
    assert failure.value.report["errorType"] == "StorageUnavailable"


def test_a_request_named_like_a_job_is_a_request(function: RuntimeApi) -> None:
    """Only an event without a request context starts a job: nobody starts one over HTTP."""
    assert ask(function, "alb-multi-value", "/health/live", job="outbox")[0] == 200


@each_form
@pytest.mark.parametrize(
    "path", ["/at-once", "/begun", "/half", "/silent", "/exit", "/no-status", "/no-bytes"]
)
def test_an_exception_is_a_problem(failing: RuntimeApi, form: str, path: str) -> None:
    """Whatever the application does, the answer is a 500 problem, and the log names it."""
    answer = ask(failing, form, path)
    assert problem_of(answer) == (500, "internal-error")
    assert b"secret" not in answer[2]
    lines = [line for line in failing.log.read_text().splitlines() if line.startswith("{")]
    logged = [json.loads(line) for line in lines]
    request_id = answer[1]["x-request-id"]
    assert [entry["level"] for entry in logged if entry.get("request_id") == request_id] == [
        "ERROR"
    ]


@each_form
def test_an_exception_after_the_answer_changes_nothing(failing: RuntimeApi, form: str) -> None:
    """An answer that was complete before something failed reaches the client."""
    assert ask(failing, form, "/after")[0::2] == (200, b"done")
    assert ask(failing, form, "/no-headers")[0] == 204


def test_a_setting_that_cannot_be_used_fails_the_start(tmp_path: Path) -> None:
    """A wrong environment stops the deployment, with the variable's name in the log."""
    environment = service_environment(NO_DATABASE, tmp_path) | {"DATABASE_URL": "mysql://x"}
    with pytest.raises(InitFailed, match=r"ConfigurationError.*DATABASE_URL"):
        RuntimeApi(HANDLER, environment, tmp_path / "log").__enter__()
