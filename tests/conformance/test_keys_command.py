"""`user-api keys`: a database whose first process had the wrong SECRET_KEY begins anew."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.bootstrap import Core, build_core
from core.config import Settings
from handler.local.postgres import LocalPostgres
from tests.support.clients import Client, until_ready
from tests.support.databases import migrated
from tests.support.people import PASSWORD
from tests.support.processes import run_command
from tests.support.runtime_api import HANDLER, RuntimeApi
from tests.support.runtime_client import RuntimeClient
from tests.support.server import ServerProcess
from tests.support.staff import Staff
from tests.support.storage import query

WRONG = {"SECRET_KEY": base64.b64encode(b"set by mistake, of thirty-two bytes").decode()}
DISCARDED = (
    "SELECT actor, subject, payload FROM audit_events JOIN audit_payloads ON event_id = id"
    " WHERE type = 'signing_keys.discarded'"
)


@dataclass
class Place:
    """A database of its own, empty but for its schema."""

    settings: dict[str, str]
    superuser_url: str
    folder: Path

    def core(self, **changes: str) -> closing[Core]:
        return closing(build_core(Settings.from_environ(self.settings | changes)))

    def run(self, *arguments: str, **changes: str) -> tuple[int, str, str]:
        done = run_command(*arguments, settings=self.settings | changes, cwd=self.folder)
        return done.returncode, done.stdout, done.stderr

    def listed(self, **changes: str) -> dict[str, bool]:
        code, text, error = self.run("keys", "list", "--json", **changes)
        assert (code, error) == (0, "")
        keys = json.loads(text)["keys"]
        told = {"kid", "opens", "created_at", "active_from", "retired_at"}
        assert all(key.keys() == told for key in keys)
        return {key["kid"]: key["opens"] for key in keys}

    def check(self) -> dict[str, str]:
        """What the doctor says of the keys."""
        _, text, _ = self.run("doctor", "--json")
        checks = json.loads(text)["checks"]
        return next(check for check in checks if check["name"] == "signing_keys")


@pytest.fixture
def place(postgres: LocalPostgres, environment: dict[str, str], tmp_path: Path) -> Iterator[Place]:
    name = f"keys_{secrets.token_hex(4)}"
    settings = {
        **environment,
        "DATABASE_URL": postgres.url(role="user_api", database=name),
        "MAIL_URL": f"directory://{tmp_path / 'mail'}",
    }
    with migrated(postgres, name):
        yield Place(settings, postgres.url(role="postgres", database=name), tmp_path)


@pytest.fixture(params=["asgi", "lambda"])
def target(request: pytest.FixtureRequest, place: Place) -> Iterator[Client]:
    """With the right key, where a first process with a wrong one has already been."""
    with ServerProcess.start(place.settings | WRONG) as first:
        until_ready(lambda: ready(first.client()))
    if request.param == "lambda":
        with RuntimeApi(HANDLER, place.settings, place.folder / "function.log") as runtime:
            yield RuntimeClient(runtime, "alb-multi-value")
    else:
        with ServerProcess.start(place.settings) as server:
            yield server.client()


def ready(client: Client) -> int:
    return client.request("GET", "/health/ready").status


@pytest.mark.slow
def test_a_first_start_with_a_wrong_key_is_mended_by_one_command(
    target: Client, place: Place
) -> None:
    """Without a restart, and without anybody touching the table."""
    assert ready(target) == 503
    found = place.check()
    assert found["status"] == "fail"
    assert "user-api keys discard-unreadable" in found["remedy"]
    ((wrong, opens),) = place.listed().items()
    assert not opens

    code, text, error = place.run("keys", "discard-unreadable")
    assert (code, error) == (0, "")
    assert f"{wrong}  would be retired" in text
    assert place.listed() == {wrong: False}
    assert query(place.superuser_url, DISCARDED) == []

    code, text, error = place.run("keys", "discard-unreadable", "--yes")
    assert (code, error) == (0, "")
    assert f"{wrong}  retired" in text
    ((made, opens),) = place.listed().items()
    assert opens
    assert f"{made}  made" in text
    told = {"retired": [wrong], "made": made}
    assert query(place.superuser_url, DISCARDED) == [(None, None, told)]
    kept = "SELECT count(*) FROM signing_keys"
    assert query(place.superuser_url, kept) == [(2,)]

    until_ready(lambda: ready(target))
    assert place.check()["status"] == "ok"
    with place.core() as core:
        admin = Staff(core, place.superuser_url).person("admin")
    body = {"identifier": admin.email, "password": PASSWORD}
    answer = target.request("POST", "/v1/auth/login", json=body)
    assert answer.status == 200, answer.body
    token = answer.json()["access_token"]
    assert target.request("GET", "/v1/users/me", token=token).status == 200
    nothing = (0, "Every key opens: there is nothing to discard.\n", "")
    assert place.run("keys", "discard-unreadable", "--yes") == nothing


@pytest.mark.slow
def test_a_wrong_key_does_not_discard_those_that_people_use(place: Place) -> None:
    """It is what a wrong SECRET_KEY sees of a healthy database: somebody is logged in there."""
    with place.core() as core:
        Staff(core, place.superuser_url).member()
    before = place.listed()
    for arguments in ((), ("--yes",)):
        code, text, error = place.run("keys", "discard-unreadable", *arguments, **WRONG)
        assert (code, text) == (1, "")
        assert error.startswith("user-api: somebody is logged in")
        assert error.count("\n") == 1
    assert place.listed() == before
    code, _, _ = place.run("keys", "discard-unreadable", "--yes", "--force", **WRONG)
    assert code == 0
    assert list(place.listed(**WRONG).values()) == [True]


@pytest.mark.slow
def test_keys_are_not_discarded_beside_one_that_opens(place: Place) -> None:
    """A process with another SECRET_KEY may be signing with them; told to, only they are
    retired."""
    with place.core(**WRONG) as core:
        core.keys.ensure_signing_key()
    right = "UPDATE signing_keys SET retired_at = now() - interval '1 second'"
    query(place.superuser_url, right)
    with place.core() as core:
        core.keys.ensure_signing_key()
    query(place.superuser_url, "UPDATE signing_keys SET retired_at = NULL")
    opens = {open_: kid for kid, open_ in place.listed().items()}
    assert opens.keys() == {True, False}
    code, text, error = place.run("keys", "discard-unreadable", "--yes")
    assert (code, text, error.count("\n")) == (1, "", 1)
    assert error.startswith(f"user-api: {opens[True]} opens")
    code, text, _ = place.run("keys", "discard-unreadable", "--yes", "--force", "--json")
    assert (code, json.loads(text)) == (0, {"done": True, "retired": [opens[False]], "made": None})
    assert place.listed() == {opens[True]: True}


def test_what_cannot_be_asked_is_told_in_one_line(place: Place) -> None:
    """No database, and none that is migrated."""
    query(place.superuser_url, "UPDATE alembic_version SET version_num = '0001'")
    for command in ("list", "discard-unreadable"):
        code, text, error = place.run("keys", command)
        assert (code, text, error.count("\n")) == (1, "", 1)
        assert "run user-api migrate" in error
    nowhere = {"DATABASE_URL": "postgresql://user_api@127.0.0.1:1/none"}
    code, text, error = place.run("keys", "list", **nowhere)
    assert (code, text, error.count("\n")) == (1, "", 1)
