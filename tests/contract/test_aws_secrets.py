"""Settings out of AWS Secrets Manager, as moto plays it."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from core.config import Settings
from core.config.redis_address import RedisAddress
from core.errors import ConfigurationError
from core.ports.logins import Login
from handler.aws.logins import SecretLogins
from handler.configuration import Configuration
from tests.support.aws import Secrets, aws_secrets
from tests.support.log_lines import told_by

KEY = base64.b64encode(bytes(range(48))).decode()
PASSWORD = "p/ss:w@rd?#%& "
DATABASE = {
    "engine": "postgres",
    "username": "user_api",
    "password": PASSWORD,
    "host": "db.example.com",
    "port": 5433,
    "dbname": "user_api",
}
PLAIN = {
    "PUBLIC_URL": "https://id.example.com",
    "MAIL_URL": "smtps://mail.example.com",
    "MAIL_FROM": "user-api <no-reply@example.com>",
}


@pytest.fixture(scope="module")
def moto() -> Iterator[Secrets]:
    with aws_secrets() as secrets:
        yield secrets


@pytest.fixture
def secrets(moto: Secrets, monkeypatch: pytest.MonkeyPatch) -> Secrets:
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    return moto


def settings_of(environ: dict[str, str]) -> Settings:
    return Configuration.of({**PLAIN, **environ}).settings()


def test_production_starts_from_secrets_alone(secrets: Secrets) -> None:
    """No variable of the process holds a secret, and the database's certificate is checked."""
    environ = {
        "SETTINGS_SECRET_ARN": secrets.create("production/settings", {"SECRET_KEY": KEY}),
        "DATABASE_SECRET_ARN": secrets.create("production/database", DATABASE),
        "DATABASE_HOST": "proxy.example.com",
        "CACHE_SECRET_ARN": secrets.create("production/cache", {"password": PASSWORD}),
        "REDIS_URL": "rediss://cache.example.com:6380?cluster=true",
    }
    settings = settings_of(environ)
    assert settings.secret_key == base64.b64decode(KEY)
    assert "@proxy.example.com:5433/user_api?sslmode=verify-full&sslrootcert=" in (
        settings.database_url
    )
    assert settings.redis_url is not None
    redis = RedisAddress.parse(settings.redis_url)
    assert (redis.host, redis.port, redis.password) == ("cache.example.com", 6380, PASSWORD)
    assert redis.tls
    assert redis.cluster


def test_whole_urls_and_ports_as_text_are_taken_too(secrets: Secrets) -> None:
    cache = secrets.create("url/cache", {"url": "rediss://:secret@cache.example.com"})
    database = secrets.create("url/database", {**DATABASE, "port": "5432"})
    environ = {"DATABASE_SECRET_ARN": database, "CACHE_SECRET_ARN": cache, "SECRET_KEY": KEY}
    settings = settings_of({**environ, "DATABASE_CA_FILE": "/etc/rds.pem"})
    assert settings.redis_url == "rediss://:secret@cache.example.com"
    assert settings.database_url.endswith(
        "@db.example.com:5432/user_api?sslmode=verify-full&sslrootcert=%2Fetc%2Frds.pem"
    )


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SETTINGS_SECRET_ARN", {"SECRET_KEY": KEY, "SECRET_KEI": KEY}, "holds SECRET_KEI, which"),
        ("SETTINGS_SECRET_ARN", {"SETTINGS_SECRET_ARN": "x"}, "holds SETTINGS_SECRET_ARN, which"),
        ("SETTINGS_SECRET_ARN", {"SECRET_KEY": None}, "lacks SECRET_KEY"),
        ("SETTINGS_SECRET_ARN", "not-json", "holds no JSON object"),
        ("SETTINGS_SECRET_ARN", ["not-an-object"], "holds no JSON object"),
        ("DATABASE_SECRET_ARN", {"username": "user_api", "password": ""}, "lacks password"),
        ("DATABASE_SECRET_ARN", {"username": "a", "password": "not-told"}, "lacks dbname"),
        ("CACHE_SECRET_ARN", {"token": "not-told"}, "lacks password"),
        ("CACHE_SECRET_ARN", {"password": "not-told"}, "REDIS_URL names no host"),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_and_not_told(
    secrets: Secrets, name: str, value: object, reason: str
) -> None:
    secret = secrets.create(f"unusable/{time.monotonic_ns()}", value)
    with pytest.raises(ConfigurationError, match=reason) as refused:
        Configuration.of({name: secret})
    said = str(refused.value)
    assert secret in said
    assert "\n" not in said
    assert KEY not in said
    assert "not-" not in said


def test_a_migration_reads_the_owners_secret_alone(secrets: Secrets) -> None:
    """And the service never reads the owner's; either may have no right to the other's."""
    owner = secrets.create("owner/database", {**DATABASE, "username": "user_api_owner"})
    both = {
        "MIGRATION_DATABASE_SECRET_ARN": owner,
        "DATABASE_SECRET_ARN": "not/mine",
        "SETTINGS_SECRET_ARN": "not/mine",
        "DATABASE_HOST": "proxy.example.com",
    }
    url = Configuration.of_migration(both).environ["MIGRATION_DATABASE_URL"]
    assert url.startswith("postgresql://user_api_owner:")
    assert "@db.example.com:5433/user_api?sslmode=verify-full" in url
    mine = {"MIGRATION_DATABASE_SECRET_ARN": "not/mine", "DATABASE_SECRET_ARN": owner}
    assert "MIGRATION_DATABASE_URL" not in Configuration.of(mine).environ


def test_a_missing_secret_is_named(secrets: Secrets) -> None:
    with pytest.raises(ConfigurationError, match="secret no/such cannot be read: ResourceNotFound"):
        Configuration.of({"SETTINGS_SECRET_ARN": "no/such"})


def test_a_silent_secrets_manager_is_not_waited_for(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts connections and never answers: the start is refused, with a reason."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(ConfigurationError, match="secret some/secret cannot be read: Read"):
            Configuration.of({"SETTINGS_SECRET_ARN": "some/secret"})
    assert time.monotonic() - started < 60


def test_without_secrets_the_environment_is_taken_as_it_is() -> None:
    environ = {"SECRET_KEY": KEY}
    assert Configuration.of(environ) == Configuration(environ=environ, logins=None)


def test_a_login_is_read_again_by_the_minute_and_after_a_refusal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Refusals in plenty ask Secrets Manager once in two seconds; while it fails, the login that
    was known is used."""
    caplog.set_level("INFO", logger="handler.aws.logins")
    now, reads = [1000.0], [0]
    answers: list[Login | None] = []

    def read() -> Login:
        reads[0] += 1
        if (answer := answers.pop(0)) is None:
            raise ConfigurationError("silent")
        return answer

    first, second, third = (Login(username=name, password="x") for name in "abc")
    logins = SecretLogins(read=read, first=first, clock=lambda: now[0])
    assert logins.current() == first
    answers += [first, second]
    assert [logins.after_refusal(first) for _ in range(3)] == [None, None, None]
    assert reads == [1]
    now[0] += 2
    assert [logins.after_refusal(first) for _ in range(3)] == [second, second, second]
    assert logins.after_refusal(second) is None
    assert reads == [2]
    now[0] += 60
    answers += [None]
    assert logins.current() == second
    now[0] += 60
    answers += [third]
    assert (logins.current(), logins.current()) == (third, third)
    assert reads == [4]
    assert told_by("handler.aws.logins", caplog) == [
        "new connections to the database log in as b",
        "the database's login stays as it was: silent",
        "new connections to the database log in as c",
    ]
