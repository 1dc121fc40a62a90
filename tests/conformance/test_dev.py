"""`user-api dev` as somebody uses it who has just cloned the project."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.config import DEVELOPMENT_SECRET_KEY, Settings, env_name
from handler import cli
from handler.cli.dev_service import DevService
from handler.local.preparation import Preparation
from tests.support.clients import until_ready
from tests.support.processes import Command, left_over, run_command
from tests.support.server import free_port

DEMO = Path(__file__).resolve().parents[2] / "scripts" / "demo.py"
READY = re.compile(r"user-api is ready in \d+\.\d s")


@dataclass
class Developer:
    """A folder in which `user-api dev` is started, on a port of its own."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, **settings: str) -> Command:
        return Command.start("dev", "--port", str(self.port), settings=settings, cwd=self.folder)

    def fail(self, **settings: str) -> str:
        """The one line on standard error of a start that is refused."""
        done = run_command("dev", "--port", str(self.port), settings=settings, cwd=self.folder)
        assert done.returncode == 1, done.stdout
        (line,) = done.stderr.splitlines()
        assert line.startswith("user-api: ")
        return line

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=60, trust_env=False)


@pytest.fixture
def developer(tmp_path: Path) -> Developer:
    return Developer(tmp_path, free_port())


@dataclass
class FirstStart:
    developer: Developer
    command: Command
    password: str


@contextlib.contextmanager
def started(folder: Path) -> Iterator[FirstStart]:
    """A first start, ready, from an empty folder."""
    developer = Developer(folder, free_port())
    with developer.start() as command:
        command.wait_for("Ctrl-C stops everything.")
        password = re.search(r"password  (\S+)", command.output)
        assert password, command.output
        yield FirstStart(developer, command, password[1])


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstStart]:
    with started(tmp_path_factory.mktemp("dev")) as start:
        yield start


def test_the_first_start_says_what_to_open_and_try(first: FirstStart) -> None:
    shown = first.command.output
    base = f"http://localhost:{first.developer.port}"
    for expected in ("/docs", "/dev/mail", "/v1/auth/register", "/v1/auth/login"):
        assert base + expected in shown
    assert "make demo" in shown
    assert READY.search(shown)
    assert "./.user-api" in shown


def test_docs_and_mail_page_answer(first: FirstStart) -> None:
    def status(path: str) -> int:
        return httpx.get(first.developer.url + path, timeout=60, trust_env=False).status_code

    for path in ("/docs", "/dev/mail"):
        assert status(path) == 200, path
    until_ready(lambda: status("/health/ready"))


def test_the_metrics_answer_on_this_machine(first: FirstStart) -> None:
    """On a port of their own, which a second `dev` does not share."""
    found = re.search(r"Metrics   (http://127\.0\.0\.1:(\d+)/metrics)", first.command.output)
    assert found, first.command.output
    assert "user_api_build_info" in httpx.get(found[1], timeout=60, trust_env=False).text
    served = {
        (each.laddr.ip, each.laddr.port)
        for process in first.command.family()
        for each in process.net_connections("tcp")
        if each.status == "LISTEN"
    }
    assert ("127.0.0.1", int(found[2])) in served


def test_the_demo_plays_against_it(first: FirstStart) -> None:
    """The README's first story holds, mail included, with the worker inside."""
    done = subprocess.run(
        [sys.executable, str(DEMO), first.developer.url],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=first.developer.folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All answers were as expected" in done.stdout


def test_the_first_administrator_can_log_in(first: FirstStart) -> None:
    body = {"identifier": "admin@example.com", "password": first.password}
    assert first.developer.post("/v1/auth/login", body).status_code == 200


def test_a_second_start_in_the_same_folder_is_refused_while_the_first_runs(
    first: FirstStart,
) -> None:
    other = Developer(first.developer.folder, free_port())
    assert f"in use by process {first.command.process.pid}" in other.fail()


@pytest.mark.slow
def test_neither_ctrl_c_nor_a_kill_leaves_anything_and_a_second_start_keeps_the_data(
    tmp_path: Path,
) -> None:
    with started(tmp_path) as first:
        developer = first.developer
        family = first.command.family()
        assert any("postgres" in each.name() for each in family)
        assert first.command.interrupt() == 0
        assert left_over(family) == []
        assert "Traceback" not in first.command.output

    with developer.start() as second:
        second.wait_for("Ctrl-C stops everything.")
        assert "password  " not in second.output
        body = {"identifier": "admin@example.com", "password": first.password}
        assert developer.post("/v1/auth/login", body).status_code == 200
        family = second.family()
        second.process.kill()
        second.process.wait(60)
        assert left_over(family) == []

    shutil.rmtree(developer.folder / ".user-api" / "postgres")
    with developer.start() as afresh:
        # The new database has no administrator yet, so it gets one, with a password of its own.
        afresh.wait_for("Ctrl-C stops everything.")
        assert "password  " in afresh.output
        afresh.interrupt()

    line = developer.fail(SECRET_KEY=DEVELOPMENT_SECRET_KEY)
    assert "made with another SECRET_KEY" in line


def test_the_log_holds_json_lines_and_no_one_time_password(first: FirstStart) -> None:
    lines = [line for line in first.command.output.splitlines() if line.startswith("{")]
    assert lines
    for line in lines:
        assert {"timestamp", "level", "message"} <= json.loads(line).keys()
        assert first.password not in line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_start_that_is_cut_off_leaves_nothing_running(
    developer: Developer, number: signal.Signals
) -> None:
    with developer.start() as command:
        command.wait_for("Making a PostgreSQL database")
        command.wait_until(lambda: len(command.family()) > 1, what="child")
        family = command.family()
        assert command.end(number) == 0
        assert left_over(family) == []
        assert "Traceback" not in command.output


def test_a_signal_that_got_lost_while_starting_still_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python swallows what a signal raises in a callback of an import or a collection."""
    started = Preparation.__enter__

    def interrupted_unseen(preparation: Preparation) -> Preparation:
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGINT)
        return started(preparation)

    monkeypatch.setattr(Preparation, "__enter__", interrupted_unseen)
    monkeypatch.setattr(DevService, "serve", lambda *_, **__: pytest.fail("it serves"))
    monkeypatch.chdir(tmp_path)
    for field in fields(Settings):
        monkeypatch.delenv(env_name(field), raising=False)
    assert cli.main(["dev", "--port", str(free_port())]) == 0


class Refusal:
    """A start in this process, which ends before there is anything to serve."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def line(self, *, port: int | None = None, database_url: str | None = None) -> str:
        """What stands on standard error."""
        for field in fields(Settings):
            self._monkeypatch.delenv(env_name(field), raising=False)
        if database_url is not None:
            self._monkeypatch.setenv("DATABASE_URL", database_url)
        self._monkeypatch.chdir(self.folder)
        assert cli.main(["dev", "--port", str(port or free_port())]) == 1
        (line,) = self._capsys.readouterr().err.splitlines()
        assert line.startswith("user-api: ")
        return line


@pytest.fixture
def refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Refusal:
    return Refusal(tmp_path, monkeypatch, capsys)


def test_a_taken_port_is_told_before_anything_is_started(refusal: Refusal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal.line(port=port)
    assert f"127.0.0.1 port {port}: the port is taken" in line
    assert not (refusal.folder / ".user-api").exists()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://user_api@127.0.0.1:{port}/user_api", "Connection refused"),
        ("mysql://root@127.0.0.1/user_api", "DATABASE_URL must be a postgresql:// URL"),
        ("postgresql://127.0.0.1:port/user_api", "the database URL is not one of the form"),
    ],
)
def test_a_wrong_database_url_is_told(refusal: Refusal, url: str, expected: str) -> None:
    # Bound, and so nobody else's, and not listened on.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        line = refusal.line(database_url=url.format(port=silent.getsockname()[1]))
    assert expected in line


def test_a_database_that_is_not_there_is_told(refusal: Refusal, superuser_url: str) -> None:
    url = superuser_url.replace("/user_api?", "/no_such_database?")
    assert 'database "no_such_database" does not exist' in refusal.line(database_url=url)


def test_a_role_that_may_not_migrate_is_told(refusal: Refusal, database_url: str) -> None:
    """The application's role cannot change the schema, so it is no use for a first start."""
    line = refusal.line(database_url=database_url)
    assert "not provisioned for migrations by user_api: run migrations/provision.sql" in line


def test_a_data_folder_that_is_a_file_is_told(refusal: Refusal) -> None:
    (refusal.folder / ".user-api").write_text("a file")
    assert "data folder" in refusal.line()


def test_a_data_folder_that_holds_something_else_is_told(refusal: Refusal) -> None:
    strange = refusal.folder / ".user-api" / "postgres"
    strange.mkdir(parents=True)
    (strange / "holiday.jpg").write_text("not a database")
    assert "choose another data folder" in refusal.line()
