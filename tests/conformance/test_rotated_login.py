"""A server process whose settings are in Secrets Manager, while its login is rotated."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.support.clients import until_ready
from tests.support.environment import service_environment
from tests.support.processes import run_command
from tests.support.rotation import SECRET, Deployed, deployed_on
from tests.support.server import ServerProcess
from tests.support.storage import query
from tests.support.tls_postgres import tls_postgres

pytestmark = pytest.mark.tls

KEY = base64.b64encode(bytes(range(48))).decode()


def environment_of(deployed: Deployed, folder: Path) -> dict[str, str]:
    """As the stacks give it: no secret, only where each is."""
    named = {
        **service_environment("postgresql://", folder),
        **deployed.secrets.environ,
        "SETTINGS_SECRET_ARN": deployed.secrets.create("settings", {"SECRET_KEY": KEY}),
        "DATABASE_SECRET_ARN": SECRET,
        "DATABASE_CA_FILE": str(deployed.database.ca_file),
        "DATABASE_PRE_PING": "true",
    }
    return {k: v for k, v in named.items() if k not in {"DATABASE_URL", "SECRET_KEY"}}


def owner_secret(deployed: Deployed) -> str:
    """Of migrations, which run as the owner of the schema."""
    query(deployed.database.postgres.superuser_url, "ALTER ROLE user_api_owner PASSWORD 'own'")
    value = deployed.database.secret("user_api_owner", "own")
    return deployed.secrets.create("migrations", value)


def end_connections(deployed: Deployed) -> None:
    """As a failover of the database does."""
    query(
        deployed.database.postgres.superuser_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE starts_with(usename::text, 'user_api')",
    )


def test_a_server_process_takes_rotated_logins_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two rotations the login that it was started with has another password. Commands take
    the one in force too, and so does migrate with the owner's secret."""
    mail = tmp_path / "mail"
    mail.mkdir()
    with tls_postgres(tmp_path) as database, deployed_on(database, monkeypatch) as deployed:
        environment = environment_of(deployed, mail)
        for name in ("DATABASE_URL", "SECRET_KEY"):
            monkeypatch.delenv(name, raising=False)
        with ServerProcess.start(environment) as server:
            for login in ("user_api_b", "user_api"):
                deployed.rotate()
                end_connections(deployed)
                until_ready(lambda: server.http.get("/health/ready").status_code)
                assert deployed.secrets.value(SECRET)["username"] == login
            assert server.process.poll() is None
        done = run_command("doctor", "--json", settings=environment, cwd=tmp_path)
        assert '"name": "database", "status": "ok"' in done.stdout, done.stdout + done.stderr
        password = deployed.secrets.value(SECRET)["password"]
        assert password not in done.stdout + done.stderr + server.log.read_text()
        made = run_command(
            "admin", "create", "--email", "ops@example.com", settings=environment, cwd=tmp_path
        )
        assert made.returncode == 0, made.stderr
        owner = {**environment, "MIGRATION_DATABASE_SECRET_ARN": owner_secret(deployed)}
        migrated = run_command("migrate", settings=owner, cwd=tmp_path)
        assert "The schema is up to date." in migrated.stdout, migrated.stderr


def test_a_start_without_its_secret_is_refused_in_one_line(tmp_path: Path) -> None:
    done = run_command(
        "serve",
        settings={"SETTINGS_SECRET_ARN": "no/region", "AWS_EC2_METADATA_DISABLED": "true"},
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("user-api: no client for the secret no/region: ")
    assert done.stderr.count("\n") == 1
