"""The table of limits by address, and the limit of a session's changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from core.bootstrap import Core, build_core
from handler.http.app import Application, create_app
from handler.http.limits import BY_ADDRESS, CREDENTIALS, READING, REFRESHES
from tests.support.http_accounts import (
    bearer,
    log_in,
    new_account,
    operations,
    unlimited_app,
)
from tests.support.http_probe import answer, answer_json
from tests.support.mailbox import Mailbox

ME = "/v1/users/me"

BEHIND_THE_BULKHEAD = {("GET", "/v1/users"), ("POST", "/v1/users/search")}


@contextmanager
def limited(core: Core, **settings: Any) -> Iterator[Application]:
    strict = build_core(replace(core.settings, **settings))
    try:
        yield create_app(strict)
    finally:
        strict.close()


def test_whatever_changes_something_without_a_token_is_in_the_table(core: Core) -> None:
    """A new route without a row would be where the guessing goes on."""
    document = unlimited_app(core).openapi()
    known = {(method, path) for method, path, _ in operations(document)}
    anonymous = {
        (method, path)
        for method, path, operation in operations(document)
        if method not in READING and not operation.get("security")
    }
    assert anonymous <= BY_ADDRESS.keys() <= known


@pytest.mark.parametrize(("method", "path"), BY_ADDRESS)
def test_each_row_of_the_table_is_kept(
    core: Core, mailbox: Mailbox, method: str, path: str
) -> None:
    """The second request is refused, whatever it holds, and says which limit it was."""
    account = new_account(unlimited_app(core), mailbox)
    strict = {
        "limit_address_per_minute": 1,
        "limit_refreshes_per_minute": 1,
        "limit_changes_per_minute": 0,
    }
    limit = BY_ADDRESS[method, path]
    with limited(core, **strict) as app:
        replies = [answer_json(app, method, path, {}, headers=account.bearer) for _ in range(2)]
    assert replies[0].status == 422
    assert replies[0].header("ratelimit") == f'"{limit.policy}";r=0'
    assert (replies[1].status, replies[1].problem) == (429, "too-many-requests")
    assert {reply.header("ratelimit-policy") for reply in replies} == {f'"{limit.policy}";q=1;w=60'}
    wait = replies[1].header("retry-after")
    assert 0 < int(wait or 0) <= 60
    assert replies[1].header("ratelimit") == f'"{limit.policy}";r=0;t={wait}'


def test_routes_with_one_policy_share_one_count(core: Core, mailbox: Mailbox) -> None:
    """Else each of them would give an address as many requests again."""
    account = new_account(unlimited_app(core), mailbox)
    policies = {limit.policy for limit in BY_ADDRESS.values()}
    assert policies == {CREDENTIALS.policy, REFRESHES.policy}
    with limited(core, limit_address_per_minute=1) as app:
        answer_json(app, "POST", "/v1/auth/login", {})
        refused = {
            path
            for method, path in BY_ADDRESS
            if answer_json(app, method, path, {}, headers=account.bearer).status == 429
        }
    assert refused == {path for (_, path), limit in BY_ADDRESS.items() if limit is CREDENTIALS}


def test_an_office_that_refreshes_keeps_its_logins(core: Core) -> None:
    """Hundreds of people behind one address refresh all day."""
    with limited(core, limit_address_per_minute=1, limit_refreshes_per_minute=3) as app:
        body = {"refresh_token": "rt1.none"}
        statuses = [answer_json(app, "POST", "/v1/auth/refresh", body).status for _ in range(4)]
        assert statuses == [401, 401, 401, 429]
        assert answer_json(app, "POST", "/v1/auth/login", {}).status == 422


def test_a_session_that_changes_without_end_is_stopped_and_reads_on(
    core: Core, mailbox: Mailbox
) -> None:
    """Each change is a row in the audit trail for ever; whoever signs up could fill the disk."""
    account = new_account(unlimited_app(core), mailbox)
    with limited(core, limit_changes_per_minute=2) as app:
        replies = [
            answer_json(app, "PATCH", ME, {"given_name": name}, headers=account.bearer)
            for name in ("Ada", "Grace", "Mary")
        ]
        assert [reply.status for reply in replies] == [200, 200, 429]
        assert re.fullmatch(r'"changes";r=0;t=\d+', replies[2].header("ratelimit") or "")
        me = answer(app, "GET", ME, headers=account.bearer)
        assert (me.status, me.json()["given_name"]) == (200, "Grace")


def test_a_thief_cannot_use_up_the_owners_changes(core: Core, mailbox: Mailbox) -> None:
    """Else a flood with a stolen token would keep the owner from ending its session."""
    account = new_account(unlimited_app(core), mailbox)
    stolen = account.bearer
    owner = bearer(log_in(unlimited_app(core), account.email))
    with limited(core, limit_changes_per_minute=1) as app:
        replies = [answer_json(app, "PATCH", ME, {}, headers=stolen) for _ in range(2)]
        assert [reply.status for reply in replies] == [200, 429]
        assert answer_json(app, "POST", "/v1/auth/logout-all", b"", headers=owner).status == 204
        assert answer_json(app, "PATCH", ME, {}, headers=stolen).status == 401


@pytest.mark.parametrize(("method", "path"), BY_ADDRESS)
def test_each_limit_by_address_holds_for_an_ipv6_site(
    core: Core, mailbox: Mailbox, method: str, path: str
) -> None:
    """A share of two: the third of three /64 in a /48 is refused, and told which limit it was."""
    account = new_account(unlimited_app(core), mailbox)
    strict: dict[str, Any] = {
        "limit_changes_per_minute": 0,
        "limit_address_per_minute": 1,
        "limit_refreshes_per_minute": 1,
        "limit_site_share": 2,
        "trusted_proxy_hops": 1,
    }
    with limited(core, **strict) as app:
        replies = [
            answer_json(
                app,
                method,
                path,
                {},
                headers=[*account.bearer, ("x-forwarded-for", f"2001:db8:7:{net}::1")],
            )
            for net in range(3)
        ]
    limit = BY_ADDRESS[method, path]
    policies = [reply.header("ratelimit-policy") for reply in replies]
    narrow, wide = f'"{limit.policy}";q=1;w=60', f'"{limit.policy}-site";q=2;w=60'
    assert [reply.status for reply in replies][2] == 429
    assert policies == [narrow, narrow, wide]


def test_what_may_be_refused_for_its_number_says_so(core: Core) -> None:
    """Generated clients know of 429 wherever it can come."""
    for method, path, operation in operations(unlimited_app(core).openapi()):
        counted = (method, path) in BY_ADDRESS or bool(operation.get("security"))
        assert ("429" in operation["responses"]) == counted, (method, path)


def test_without_limits_nothing_is_told(core: Core, mailbox: Mailbox) -> None:
    app = unlimited_app(core)
    account = new_account(app, mailbox)
    for method, path in [*BY_ADDRESS, ("PATCH", ME)]:
        assert (
            answer_json(app, method, path, {}, headers=account.bearer).header("ratelimit") is None
        )


def test_nobody_without_the_permission_waits_for_a_turn(core: Core, mailbox: Mailbox) -> None:
    """Else members could keep support from searching."""
    account = new_account(unlimited_app(core), mailbox)
    with limited(core, search_concurrency=0, search_queue_timeout=0.0) as app:
        reply = answer_json(
            app, "POST", "/v1/users/search", {"q": "anybody"}, headers=account.bearer
        )
    assert (reply.status, reply.problem) == (403, "permission-denied")
