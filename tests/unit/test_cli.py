"""The command line's promises that need no database: exit codes, one line for an error, help."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from core.config import DEVELOPMENT_SECRET_KEY
from core.errors import ConfigurationError, InvalidInput
from handler import cli
from tests.support.environment import service_environment

COMMANDS = ("admin", "dev", "doctor", "keys", "migrate", "outbox", "serve", "worker")


@pytest.fixture
def failing() -> Iterator[list[BaseException]]:
    """A command `fail` that raises what stands in the list."""
    errors: list[BaseException] = []

    @click.command()
    def fail() -> None:
        raise errors[0]

    cli.commands.add_command(fail)
    yield errors
    del cli.commands.commands["fail"]


def test_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for expected in (*COMMANDS, "Exit codes", "Examples", "130"):
        assert expected in shown
    # However it was started: it may be `python -m handler.cli` in a container.
    assert shown.startswith("Usage: user-api ")


@pytest.mark.parametrize(
    "command",
    [
        *COMMANDS[1:],
        "admin create",
        "keys list",
        "keys discard-unreadable",
        "outbox list",
        "outbox retry",
    ],
)
def test_every_command_has_help_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command.split(), "--help"]) == 0
    assert f"user-api {command}" in capsys.readouterr().out.partition("Examples:")[2]


def test_help_imports_neither_framework_nor_driver() -> None:
    """Help is there at once, however much the service itself has to load."""
    heavy = "{'fastapi', 'uvicorn', 'sqlalchemy', 'psycopg2', 'alembic', 'prometheus_client'}"
    code = f"import sys, handler.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["launch"],
        ["serve", "--colour"],
        ["dev", "--port", "0"],
        ["dev", "--port", "70000"],
        ["migrate", "--sql", "--json"],
        ["admin", "create"],
        ["outbox", "retry"],
        ["outbox", "retry", "no-id"],
        ["outbox", "retry", "--all", "00000000-0000-0000-0000-000000000000"],
        ["outbox", "list", "--limit", "0"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_says_what_is_wrong(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    assert "Error: " in capsys.readouterr().err


def test_a_refusal_is_1_in_one_line(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(ConfigurationError("the first line\nand  the second"))
    assert cli.main(["fail"]) == 1
    captured = capsys.readouterr()
    assert captured.err == "user-api: the first line and the second\n"
    assert captured.out == ""


def test_invalid_input_names_every_field(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(InvalidInput.at("/email", "must be an email address"))
    assert cli.main(["fail"]) == 1
    assert capsys.readouterr().err == "user-api: email: must be an email address\n"


def test_an_interruption_is_130(failing: list[BaseException]) -> None:
    failing.append(KeyboardInterrupt())
    assert cli.main(["fail"]) == 130


def test_output_that_nobody_reads_is_no_traceback() -> None:
    """As in `user-api --help | head -1`."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m handler.cli --help | true"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""


def test_serve_names_every_setting_at_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DATABASE_URL", "SECRET_KEY", "MAIL_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUEST_TIMEOUT", "soon")
    assert cli.main(["serve"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    for name in ("DATABASE_URL", "SECRET_KEY", "MAIL_URL", "REQUEST_TIMEOUT"):
        assert name in line


def test_production_refuses_a_development_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("DATABASE_URL", "postgresql://user_api@localhost/user_api")
    monkeypatch.setenv("MAIL_URL", "smtps://mail.example.com")
    monkeypatch.setenv("SECRET_KEY", DEVELOPMENT_SECRET_KEY)
    assert cli.main(["serve"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "SECRET_KEY is the development key" in line
    assert "DATABASE_URL needs sslmode=verify-full" in line


@pytest.mark.parametrize("name", ["MIGRATION_DATABASE_URL", "DATABASE_URL"])
def test_migrate_refuses_a_connection_without_tls_outside_of_development(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The owner's password would be readable on its way."""
    for other in ("MIGRATION_DATABASE_URL", "DATABASE_URL", "ENVIRONMENT"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "postgresql://owner@127.0.0.1:1/user_api")
    assert cli.main(["migrate"]) == 1
    line = capsys.readouterr().err
    assert line == f"user-api: refused in production: {name} needs sslmode=verify-full\n"
    monkeypatch.setenv("ENVIRONMENT", "development")
    assert cli.main(["migrate"]) == 1
    assert "Connection refused" in capsys.readouterr().err


def test_a_database_that_is_not_there_is_one_line_without_a_log(tmp_path: Path) -> None:
    """A command that a person runs says what is wrong once, and not in the words of the log."""
    environ = service_environment("postgresql://user_api@127.0.0.1:1/user_api", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "handler.cli", "admin", "create", "--email", "ops@example.com"],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "user-api: The database does not answer; try again shortly.\n"


def test_migrate_without_a_database_url_says_which_variable_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)
    assert cli.main(["migrate"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "user-api: neither MIGRATION_DATABASE_URL nor DATABASE_URL is set"
