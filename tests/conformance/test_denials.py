"""Requests without the permission for it: refused, written down, and no way to fill the disk."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest

from core.bootstrap import Core, build_core
from core.config import Settings
from core.domain.requests import RequestContext
from core.errors import PermissionDenied
from handler.local.postgres import LocalPostgres
from tests.support.clients import Client
from tests.support.databases import migrated
from tests.support.log_lines import parsed
from tests.support.metric_pages import risen, series
from tests.support.runtime_api import HANDLER, RuntimeApi
from tests.support.runtime_client import RuntimeClient
from tests.support.server import ServerProcess
from tests.support.staff import Member, Staff
from tests.support.storage import query

NOTED = 10
"""Of one kind, by one caller, in an hour."""

DENIED = (
    "SELECT payload->>'permission', payload->>'problem', count(*) FROM audit_events"
    " JOIN audit_payloads ON event_id = id WHERE type = 'access.denied' AND actor = %s"
    " GROUP BY 1, 2 ORDER BY 1, 2"
)


def test_a_flood_of_refusals_hides_nothing_and_fills_nothing(
    client: Client, staff: Staff, superuser_url: str
) -> None:
    """So many of each kind are written, the first ones; all are counted."""
    caller, admin = staff.holding("users:suspend"), staff.admin
    before = series(client.metrics())
    for _ in range(2 * NOTED):
        for path in ("/v1/users", f"/v1/users/{admin.id}", "/v1/roles"):
            assert client.request("GET", path, token=caller.token).status == 403
    reset = f"/v1/users/{admin.id}/suspend"
    assert client.request("POST", reset, token=caller.token).problem == "privilege-escalation"
    assert query(superuser_url, DENIED, (caller.id,)) == [
        ("roles:read", "permission-denied", NOTED),
        ("users:read", "permission-denied", NOTED),
        ("users:suspend", "privilege-escalation", 1),
    ]
    counted = risen(before, series(client.metrics()), "access_denied_total")
    assert counted == {(): 3 * 2 * NOTED + 1}


@pytest.mark.parametrize(
    ("method", "action"),
    [("GET", ""), ("POST", "/suspend"), ("POST", "/force-password-reset"), ("DELETE", "")],
)
def test_whom_it_was_about_is_told_and_believed_only_where_it_was_looked_up(
    client: Client, staff: Staff, superuser_url: str, method: str, action: str
) -> None:
    """An id that the caller made up stands in the payload, which can be erased."""
    caller, made_up = staff.auditor, "0190b2c2-0000-7000-8000-0000000000ff"
    path = f"/v1/users/{made_up}{action}"
    assert client.request(method, path, token=caller.token).problem == "permission-denied"
    told = "SELECT subject, payload->>'user_id' FROM audit_events JOIN audit_payloads"
    told += " ON event_id = id WHERE type = 'access.denied' AND actor = %s"
    assert query(superuser_url, told, (caller.id,)) == [(None, made_up)]


def test_whom_somebody_made_up_is_no_subject_after_a_permission_is_gone_either(
    core: Core, staff: Staff, superuser_url: str
) -> None:
    """It is missed in the unit of work, before the user is looked up there."""
    caller, made_up = staff.auditor, UUID("ffffffff-0000-7000-8000-0000000000ff")
    known = core.authentication.authenticate(caller.token)
    stale = replace(known, permissions=frozenset({*known.permissions, "users:suspend"}))
    context = RequestContext(request_id="test")
    with pytest.raises(PermissionDenied):
        core.lifecycle.suspend(context, stale, made_up, precondition=str)
    told = "SELECT subject, payload->>'user_id' FROM audit_events JOIN audit_payloads"
    told += " ON event_id = id WHERE type = 'access.denied' AND actor = %s"
    assert query(superuser_url, told, (caller.id,)) == [(None, str(made_up))]


def test_what_an_action_takes_besides_is_the_permission_that_is_named(
    client: Client, staff: Staff, superuser_url: str
) -> None:
    """To take a deletion back, who may suspend has to be allowed to delete."""
    caller, person = staff.holding("users:suspend"), staff.member()
    path = f"/v1/users/{person.id}"
    assert client.request("DELETE", path, token=staff.admin.token).status == 202
    answer = client.request("POST", f"{path}/reactivate", token=caller.token)
    assert answer.problem == "permission-denied"
    denied = [("users:delete", "permission-denied", 1)]
    assert query(superuser_url, DENIED, (caller.id,)) == denied


def test_a_password_that_has_to_be_changed_first_is_no_denial(
    client: Client, staff: Staff, superuser_url: str
) -> None:
    """No permission is missing."""
    caller = staff.admin
    temporary = "UPDATE password_credentials SET temporary = true WHERE user_id = %s"
    query(superuser_url, temporary, (caller.id,))
    answer = client.request("GET", "/v1/users", token=caller.token)
    assert answer.problem == "password-change-required"
    assert query(superuser_url, DENIED, (caller.id,)) == []


@dataclass
class ReadOnly:
    """A target whose database takes no writes, as a standby, and somebody logged in before."""

    client: Client
    caller: Member
    log: Path


@pytest.fixture(params=["asgi", "lambda"])
def read_only(
    request: pytest.FixtureRequest,
    postgres: LocalPostgres,
    environment: dict[str, str],
    tmp_path: Path,
) -> Iterator[ReadOnly]:
    name = f"denials_{secrets.token_hex(4)}"
    settings = {**environment, "DATABASE_URL": postgres.url(role="user_api", database=name)}
    superuser_url = postgres.url(role="postgres", database=name)
    with migrated(postgres, name):
        with closing(build_core(Settings.from_environ(settings))) as core:
            caller = Staff(core, superuser_url).holding("users:read", "roles:write")
        query(superuser_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        if request.param == "lambda":
            log = tmp_path / "function.log"
            with RuntimeApi(HANDLER, settings, log) as runtime:
                yield ReadOnly(RuntimeClient(runtime, "alb-multi-value"), caller, log)
        else:
            with ServerProcess.start(settings) as server:
                yield ReadOnly(server.client(), caller, server.log)


def test_a_refusal_stays_one_where_nothing_can_be_written(read_only: ReadOnly) -> None:
    """It is in the log then; 503 is for those who may."""
    client, token = read_only.client, read_only.caller.token
    assert client.request("GET", "/v1/users", token=token).status == 200
    role = {"name": "none-such", "permissions": ["users:read"]}
    assert client.request("POST", "/v1/roles", json=role, token=token).status == 503
    for method, path in (("GET", "/v1/audit-events"), ("POST", "/v1/users/search")):
        answer = client.request(method, path, json={} if method == "POST" else ..., token=token)
        assert answer.status == (403 if "audit" in path else 200), answer.body
    path = f"/v1/users/{read_only.caller.id}/suspend"
    assert client.request("POST", path, token=token).problem == "permission-denied"
    lines = parsed(read_only.log.read_text(encoding="utf-8"))
    told = [line["message"] for line in lines if line["level"] == "WARNING"]
    for permission in ("audit:read", "users:suspend"):
        assert f"access denied to {permission}, and not in the trail" in told
