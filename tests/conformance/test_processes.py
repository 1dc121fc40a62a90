"""The processes of a deployment: how they start, drain and end."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psycopg2
import pytest

from core.bootstrap import Core, build_core
from core.config import Settings
from core.domain.requests import RequestContext
from handler.local.postgres import LocalPostgres
from handler.worker import run_job
from migrations.runner import upgrade
from tests.support.clients import until_ready
from tests.support.people import PASSWORD, random_email
from tests.support.probes import cpu_in_a_second, drains, in_flight, status
from tests.support.processes import SECONDS, Command, run_command
from tests.support.server import free_port
from tests.support.smtp_relay import converse, scripted_relay
from tests.support.storage import query

DATABASE = "processes"


@pytest.fixture(scope="module")
def own_urls(postgres: LocalPostgres) -> Iterator[tuple[str, str]]:
    """Owner's and application's URL of an empty database that no other test delivers from."""
    postgres.create_database(DATABASE)
    yield (
        postgres.url(role="user_api_owner", database=DATABASE),
        postgres.url(role="user_api", database=DATABASE),
    )
    postgres.drop_database(DATABASE)


@pytest.fixture(scope="module")
def settings(
    own_urls: tuple[str, str], environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Of a deployment with this migrated database, and a folder for its mails."""
    upgrade(own_urls[0])
    mails = tmp_path_factory.mktemp("processes-mail")
    return {
        **environment,
        "DATABASE_URL": own_urls[1],
        "MAIL_URL": f"directory://{mails}",
        "WORKER_POLL_INTERVAL": "0.05",
    }


@pytest.fixture
def own_core(settings: dict[str, str]) -> Iterator[Core]:
    """With an empty outbox, whatever a worker that was stopped has left in it."""
    core = build_core(Settings.from_environ(settings))
    with closing(psycopg2.connect(settings["DATABASE_URL"])) as connection:
        connection.cursor().execute("DELETE FROM outbox")
        connection.commit()
    yield core
    core.close()


def register(core: Core, count: int) -> list[str]:
    """Puts as many mails into the outbox."""
    addresses = [random_email() for _ in range(count)]
    for address in addresses:
        core.sign_ups.register(
            RequestContext(request_id="test"),
            email=address,
            password=PASSWORD,
            username=None,
            profile={},
        )
    return addresses


def outbox(url: str) -> list[str | None]:
    """The lease owner of every message."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT lease_owner FROM outbox")
        return [owner for (owner,) in cursor.fetchall()]


def serve(settings: dict[str, str], cwd: Path, **more: str) -> tuple[Command, str]:
    port = str(free_port())
    command = Command.start("serve", settings={**settings, "PORT": port, **more}, cwd=cwd)
    url = f"http://127.0.0.1:{port}"
    command.wait_until(lambda: status(url, "/health/live") == 200, what="service")
    return command, url


class TestServe:
    def test_at_sigterm_it_turns_unready_and_serves_on_until_it_has_drained(
        self, settings: dict[str, str], tmp_path: Path
    ) -> None:
        """Load balancers notice by the probe, and until then their requests are answered."""
        command, url = serve(settings, tmp_path, DRAIN_SECONDS="20")
        with command:
            until_ready(lambda: status(url, "/health/ready"))
            began = time.monotonic()
            command.process.send_signal(signal.SIGTERM)
            command.wait_until(lambda: drains(url), what="drain")
            assert status(url, "/health/live") == 200
            assert status(url, "/.well-known/jwks.json") == 200
            assert command.process.wait(SECONDS) == 0
            assert time.monotonic() - began >= 20
        assert "Traceback" not in command.output

    def test_a_request_at_work_is_answered_after_sigterm(
        self, settings: dict[str, str], tmp_path: Path
    ) -> None:
        metrics = free_port()
        command, url = serve(settings, tmp_path, METRICS_PORT=str(metrics))
        body = json.dumps({"identifier": "nobody@example.com", "password": PASSWORD}).encode()
        with command, socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0), 60) as raw:
            raw.sendall(
                b"POST /v1/auth/login HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            raw.sendall(body[:10])
            command.wait_until(lambda: in_flight(metrics) == 1, what="request")
            command.process.send_signal(signal.SIGTERM)
            command.wait_until(lambda: status(url, "/health/live") is None, what="closed port")
            raw.sendall(body[10:])
            answered = raw.makefile("rb").read()
            assert answered.startswith(b"HTTP/1.1 401 "), answered
            assert command.process.wait(SECONDS) == 0

    def test_a_second_ctrl_c_ends_it_at_once(
        self, settings: dict[str, str], tmp_path: Path
    ) -> None:
        command, url = serve(settings, tmp_path, DRAIN_SECONDS="60")
        with command:
            command.process.send_signal(signal.SIGINT)
            command.wait_until(lambda: drains(url), what="drain")
            began = time.monotonic()
            assert command.end(signal.SIGINT) == 130
            assert time.monotonic() - began < 30

    def test_without_a_database_it_is_live_but_not_ready(
        self, settings: dict[str, str], tmp_path: Path
    ) -> None:
        """Kubernetes must not restart pods because the database is away."""
        away = f"postgresql://user_api@127.0.0.1:{free_port()}/user_api"
        command, url = serve(settings, tmp_path, DATABASE_URL=away)
        with command:
            assert status(url, "/health/ready") == 503
            assert command.end() == 0

    def test_too_many_connections_are_told_and_forgotten(
        self, settings: dict[str, str], tmp_path: Path
    ) -> None:
        """It never runs out of files: what the database, Redis and logs need stays free."""
        port = free_port()
        more = {**settings, "PORT": str(port)}
        url = f"http://127.0.0.1:{port}"
        with Command.start("serve", settings=more, cwd=tmp_path, files=128 + 10) as command:
            command.wait_until(lambda: status(url, "/health/live") == 200, what="service")
            idle = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(8)]
            command.wait_until(lambda: status(url, "/health/live") == 200, what="the ninth")
            # The next one is the tenth.
            idle.append(socket.create_connection(("127.0.0.1", port), 30))
            command.wait_until(lambda: status(url, "/health/live") == 503, what="503")
            refused = httpx.get(url, timeout=30, trust_env=False)
            assert refused.headers["content-type"] == "application/problem+json"
            for connection in idle:
                connection.close()
            command.wait_until(lambda: status(url, "/health/live") == 200, what="recovery")
            assert command.end() == 0

    def test_a_taken_port_is_one_line(self, settings: dict[str, str], tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = run_command("serve", "--port", str(port), settings=settings, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr == (
            f"user-api: cannot listen on 127.0.0.1 port {port}: "
            "the port is taken; choose another with --port or PORT\n"
        )

    def test_a_foreign_address_is_one_line(self, settings: dict[str, str], tmp_path: Path) -> None:
        done = run_command("serve", "--host", "192.0.2.1", settings=settings, cwd=tmp_path)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("user-api: cannot listen on 192.0.2.1 port ")


class TestWorker:
    def test_at_sigterm_it_finishes_one_mail_and_hands_back_the_others(
        self, settings: dict[str, str], own_core: Core, tmp_path: Path
    ) -> None:
        """Another worker goes on at once, and not when the lease has run out."""
        register(own_core, 4)
        heard: list[bytes] = []

        def silent(caller: socket.socket) -> None:
            converse(caller, {}, heard=heard)

        with scripted_relay(silent) as port:
            slow = {"MAIL_URL": f"smtp://127.0.0.1:{port}", "MAIL_TIMEOUT": "10"}
            with Command.start("worker", settings={**settings, **slow}, cwd=tmp_path) as command:
                url = settings["DATABASE_URL"]
                command.wait_until(lambda: sum(map(bool, outbox(url))) == 4, what="leases")
                assert command.end() == 0
                assert "Traceback" not in command.output
        assert outbox(url) == [None] * 4
        assert run_job(own_core, "outbox", 60)["handled"] == 3

    def test_it_tells_its_health_and_its_metrics(
        self, settings: dict[str, str], tmp_path: Path
    ) -> None:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        more = {"WORKER_PORT": str(port)}
        with Command.start("worker", settings={**settings, **more}, cwd=tmp_path) as command:
            command.wait_until(lambda: status(url, "/health/live") == 200, what="health")
            until_ready(lambda: status(url, "/health/ready"))
            assert status(url, "/nothing") == 404
            (process, *_) = command.family()
            # A second of little work is enough: one that spins has none.
            assert any(cpu_in_a_second(process) < 0.3 for _ in range(10)), "it spins"
            metrics = httpx.get(f"{url}/metrics", timeout=30, trust_env=False)
            assert "db_queries_total" in metrics.text
            assert command.end(signal.SIGINT) == 0

    def test_it_delivers_what_is_registered(
        self, settings: dict[str, str], own_core: Core, tmp_path: Path
    ) -> None:
        (address,) = register(own_core, 1)
        folder = Path(settings["MAIL_URL"].removeprefix("directory://"))

        def delivered() -> bool:
            return any(address in mail.read_text() for mail in folder.glob("*.eml"))

        with Command.start("worker", settings=settings, cwd=tmp_path) as command:
            command.wait_until(delivered, what="mail")
            assert command.end() == 0


class TestJobs:
    def test_the_outbox_job_works_until_nothing_is_due(
        self, settings: dict[str, str], own_core: Core
    ) -> None:
        register(own_core, 12)
        assert run_job(own_core, "outbox", 60) == {"handled": 12}
        assert outbox(settings["DATABASE_URL"]) == []

    def test_the_outbox_job_stops_at_its_deadline_and_hands_back(
        self, settings: dict[str, str], own_core: Core
    ) -> None:
        """A function that is cut off by its time-out would leave leases behind."""
        register(own_core, 2)
        assert run_job(own_core, "outbox", 0) == {"handled": 0}
        assert outbox(settings["DATABASE_URL"]) == [None, None]
        run_job(own_core, "outbox", 60)

    def test_a_message_that_cannot_be_handled_holds_up_no_other(
        self, settings: dict[str, str], own_core: Core
    ) -> None:
        """One strange row, and every mail behind it would wait for its lease to run out."""
        with closing(psycopg2.connect(settings["DATABASE_URL"])) as connection:
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO outbox (id, kind, payload, attempts, created_at, due_at)"
                    " VALUES (gen_random_uuid(), 'mail', '{\"template\": \"unknown\"}', 0,"
                    " '2020-01-01', '2020-01-01')"
                )
            connection.commit()
            register(own_core, 2)
            assert run_job(own_core, "outbox", 60) == {"handled": 3}
            with connection.cursor() as cursor:
                cursor.execute("SELECT attempts, lease_owner, due_at > now() FROM outbox")
                assert cursor.fetchall() == [(1, None, True)]
                cursor.execute("DELETE FROM outbox")
            connection.commit()

    def test_the_housekeeping_job_ends_when_nothing_is_left_to_delete(
        self, settings: dict[str, str], own_core: Core
    ) -> None:
        register(own_core, 3)
        query(settings["DATABASE_URL"], "UPDATE one_time_codes SET expires_at = '2020-01-01'")
        assert run_job(own_core, "housekeeping", 60)["one_time_codes"] >= 3
        assert sum(run_job(own_core, "housekeeping", 60).values()) == 0
