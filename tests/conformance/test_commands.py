"""`migrate` and `admin create`, on a database of their own."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from core.bootstrap import build_core
from core.config import Settings
from core.domain.requests import RequestContext
from handler import cli
from handler.local.postgres import LocalPostgres
from tests.support.databases import migrated

DATABASE = "commands"
EMPTY = "commands_empty"

Captured = pytest.CaptureFixture[str]


def urls(postgres: LocalPostgres, database: str) -> dict[str, str]:
    return {
        "DATABASE_URL": postgres.url(role="user_api", database=database),
        "MIGRATION_DATABASE_URL": postgres.url(role="user_api_owner", database=database),
    }


@pytest.fixture(scope="module")
def migrated_database(postgres: LocalPostgres) -> Iterator[str]:
    with migrated(postgres, DATABASE):
        yield DATABASE


@pytest.fixture(autouse=True)
def settings(
    postgres: LocalPostgres,
    migrated_database: str,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """In the environment of this process, as an operator sets them."""
    own = {**environment, **urls(postgres, migrated_database)}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    return own


@pytest.fixture
def empty(
    postgres: LocalPostgres, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """The settings of a database that nobody has migrated."""
    postgres.create_database(EMPTY)
    own = {**settings, **urls(postgres, EMPTY)}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    yield own
    postgres.drop_database(EMPTY)


def revisions(owner_url: str) -> list[str]:
    with closing(psycopg2.connect(owner_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT version_num FROM alembic_version")
        return [revision for (revision,) in cursor.fetchall()]


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(
    "command",
    [
        ["admin", "create", "--email", "early@example.com"],
        ["outbox", "list"],
        ["outbox", "retry", "--all"],
        ["outbox", "allow", "early@example.com"],
        ["keys", "list"],
        ["keys", "discard-unreadable"],
    ],
    ids=" ".join,
)
def test_on_an_empty_database_each_command_says_in_a_line_what_to_run(
    command: list[str], capsys: Captured
) -> None:
    assert cli.main(command) == 1
    assert capsys.readouterr().err == (
        "user-api: the database is not at this version: run user-api migrate\n"
    )


def test_migrate_shows_each_revision_with_its_time_and_a_second_run_does_nothing(
    empty: dict[str, str], capsys: Captured
) -> None:
    assert cli.main(["migrate", "--revision", "0001"]) == 0
    assert re.search(r"^0001 .* in \d+\.\d\d s$", capsys.readouterr().out, re.MULTILINE)
    assert revisions(empty["MIGRATION_DATABASE_URL"]) == ["0001"]

    assert cli.main(["migrate", "--json"]) == 0
    applied = json.loads(capsys.readouterr().out)["applied"]
    assert applied[0]["migration"].startswith("0002 ")
    assert all(each["seconds"] >= 0 for each in applied)

    assert cli.main(["migrate"]) == 0
    assert capsys.readouterr().out == "The schema is up to date.\n"


def test_migrate_as_sql_needs_no_database(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("MIGRATION_DATABASE_URL")
    assert cli.main(["migrate", "--sql"]) == 0
    assert "CREATE TABLE users" in capsys.readouterr().out


def test_migrate_to_an_unknown_revision_is_refused_in_one_line(capsys: Captured) -> None:
    for arguments in (["--revision", "9999"], ["--sql", "--revision", "9999"]):
        assert cli.main(["migrate", *arguments]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        assert "9999" in line


def log_in(settings: dict[str, str], identifier: str, password: str) -> None:
    """Raises when it is refused."""
    core = build_core(Settings.from_environ(settings))
    try:
        context = RequestContext(request_id="test", address="192.0.2.1")
        core.authentication.login(context, identifier=identifier, password=password)
    finally:
        core.close()


def test_an_administrator_gets_a_one_time_password(
    settings: dict[str, str], capsys: Captured
) -> None:
    assert cli.main(["admin", "create", "--email", "one@example.com"]) == 0
    shown = re.search(r"One-time password, shown once: (\S+)", capsys.readouterr().out)
    assert shown
    log_in(settings, "one@example.com", shown[1])


def test_an_administrator_can_bring_a_password(
    settings: dict[str, str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a password from a vault\n"))
    arguments = ["--email", "two@example.com", "--username", "two", "--password-stdin", "--json"]
    assert cli.main(["admin", "create", *arguments]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer.keys() == {"id", "email"}
    log_in(settings, "two", "a password from a vault")


def test_an_address_in_use_is_refused_in_one_line(capsys: Captured) -> None:
    assert cli.main(["admin", "create", "--email", "three@example.com", "--json"]) == 0
    assert "one_time_password" in json.loads(capsys.readouterr().out)
    assert cli.main(["admin", "create", "--email", "Three@Example.com"]) == 1
    assert capsys.readouterr().err == "user-api: This email address is in use.\n"


@pytest.mark.parametrize("given", ["no address", "a@@example.com"])
def test_an_address_that_is_none_is_refused_in_one_line(given: str, capsys: Captured) -> None:
    assert cli.main(["admin", "create", "--email", given]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("user-api: email: ")


def test_a_weak_password_is_refused_in_one_line(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    assert cli.main(["admin", "create", "--email", "four@example.com", "--password-stdin"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("user-api: password: ")


def test_no_password_on_standard_input_is_wrong_usage(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert cli.main(["admin", "create", "--email", "five@example.com", "--password-stdin"]) == 2
    assert "holds no password" in capsys.readouterr().err
