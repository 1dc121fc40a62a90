"""The rotation of the database's logins: Secrets Manager by moto, PostgreSQL for real."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest

from core.adapters.postgres.logins import PostgresLogins
from core.adapters.postgres.storage import PostgresStorage
from core.errors import ConfigurationError, DomainError, StorageUnavailable
from core.ports.logins import Login
from handler.aws.logins import SecretLogins
from handler.aws.rotation import lambda_handler
from handler.configuration import Configuration
from migrations import runner
from tests.support.provisioning import LIMITS
from tests.support.rotation import OWNER_SECRET, SECRET, STEPS, Deployed, deployed_on
from tests.support.storage import opened, query, sql
from tests.support.tls_postgres import ADMINISTRATOR, TlsPostgres, tls_postgres

pytestmark = pytest.mark.tls


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsPostgres]:
    with tls_postgres(tmp_path_factory.mktemp("tls")) as running:
        yield running


@pytest.fixture
def deployed(database: TlsPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    with deployed_on(database, monkeypatch) as everything:
        yield everything


def who(url: str) -> str:
    return str(query(url, "SELECT current_user")[0][0])


@dataclass
class Load:
    """Four threads whose every statement needs a connection of its own."""

    storage: PostgresStorage
    rounds: int = 0
    failures: list[Exception] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        while not self.stop.is_set():
            try:
                assert sql(self.storage, "SELECT current_user") in {"user_api", "user_api_b"}
                self.storage.close()
                self.rounds += 1
            except (AssertionError, DomainError) as error:
                self.failures.append(error)

    def go_on(self) -> None:
        """Returns after some more rounds."""
        wanted, ends = self.rounds + 40, time.monotonic() + 90
        while self.rounds < wanted and not self.failures and time.monotonic() < ends:
            time.sleep(0.01)
        assert self.failures == []
        assert self.rounds >= wanted

    @contextmanager
    def at_work(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.work) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive()
        assert self.failures == []


def test_two_rotations_under_load_fail_no_statement(deployed: Deployed) -> None:
    """A pool whose connections are opened anew all the time works on through both, and the login
    before is let in until the rotation after."""
    configuration = Configuration.of(
        {"DATABASE_SECRET_ARN": SECRET, "DATABASE_CA_FILE": str(deployed.database.ca_file)}
    )
    url, first = configuration.environ["DATABASE_URL"], deployed.url()
    with opened(url, logins=configuration.logins, database_pool_size=4) as pool:
        load = Load(pool.storage)
        with load.at_work():
            load.go_on()
            deployed.rotate()
            load.go_on()
            assert who(first) == "user_api"
            assert who(deployed.url()) == "user_api_b"
            assert deployed.url("AWSPREVIOUS") == first
            deployed.rotate()
            load.go_on()
            assert who(deployed.url()) == "user_api"
            assert who(deployed.url("AWSPREVIOUS")) == "user_api_b"
            # The login of the start has another password now: a refusal had it read again.
            with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
                who(first)


def test_the_twin_has_the_limits_and_rights_of_the_first(deployed: Deployed) -> None:
    """A session of user_api_b has the same deadlines, rights and powers, so that doctor finds no
    difference."""
    first = deployed.url()
    deployed.rotate()
    assert who(deployed.url()) == "user_api_b"
    asked = "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY (%s)"
    for url in (first, deployed.url()):
        assert dict(query(url, asked, (list(LIMITS),))) == LIMITS
    postgres = deployed.database.postgres
    foreign = dict(query(postgres.superuser_url, asked, (list(LIMITS),)))
    assert not foreign.items() & LIMITS.items()
    assert query(postgres.owner_url, "SHOW TimeZone") == [("UTC",)]
    assert query(deployed.url(), "SELECT count(*) >= 0 FROM users") == [(True,)]
    powers = """
        SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolconnlimit,
            left(rolpassword, 14), ARRAY(SELECT roleid::regrole::text FROM pg_auth_members
                WHERE member = pg_authid.oid)
        FROM pg_authid WHERE rolname IN ('user_api', 'user_api_b')"""
    one, other = query(deployed.database.postgres.superuser_url, powers)
    assert one == other
    assert one[6:] == ("SCRAM-SHA-256$", ["user_api_app"])


def test_no_password_reaches_the_servers_log(deployed: Deployed) -> None:
    """Nor what it is checked with. The server logs statements that change roles, as RDS does."""
    deployed.rotate()
    log = (deployed.database.ca_file.parent / "data.log").read_text()
    assert "ALTER ROLE" in log
    assert deployed.secrets.value(SECRET)["password"] not in log
    verifiers = "SELECT rolpassword FROM pg_authid WHERE rolname IN ('user_api', 'user_api_b')"
    for (verifier,) in query(deployed.database.postgres.superuser_url, verifiers):
        assert verifier.startswith("SCRAM-SHA-256$")
        assert verifier not in log


def test_what_only_a_superuser_gives_keeps_no_rotation_from_its_work(deployed: Deployed) -> None:
    """The server's log is quiet by the roles that provision.sql knows. A second login that the
    rotation makes, by an administrator who is no superuser, has it from provision.sql, too."""
    superuser = deployed.database.postgres.superuser_url
    twin = "SELECT setconfig FROM pg_db_role_setting WHERE setrole = to_regrole('user_api_b')"
    if query(superuser, "SELECT to_regrole('user_api_b') IS NOT NULL") == [(True,)]:
        query(superuser, "DROP ROLE user_api_b")
    deployed.rotate()
    assert who(deployed.url()) == "user_api_b"
    ((given,),) = query(superuser, twin)
    assert "statement_timeout=2s" in given
    assert "log_min_duration_statement=-1" not in given
    assert runner.provision(superuser) == []
    first = "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'user_api'::regrole"
    ((given,),) = query(superuser, twin)
    ((wanted,),) = query(superuser, first)
    assert sorted(given) == sorted(wanted)


def test_each_step_may_be_run_again(deployed: Deployed) -> None:
    """Secrets Manager repeats a step whose answer got lost; the whole rotation too."""
    version = deployed.secrets.begin_rotation(SECRET)
    pending: dict[str, object] = {}
    for name in STEPS[:3]:
        deployed.step(name, version)
        pending = deployed.secrets.value(SECRET, "AWSPENDING")
        deployed.step(name, version)
        assert deployed.secrets.value(SECRET, "AWSPENDING") == pending
    deployed.step("finishSecret", version)
    current = deployed.secrets.value(SECRET)
    for name in STEPS:
        deployed.step(name, version)
    assert deployed.secrets.value(SECRET) == current == pending
    assert who(deployed.url()) == "user_api_b"


def test_a_rotation_that_was_given_up_is_begun_anew(deployed: Deployed) -> None:
    """The database has the password of the one given up; the login in force is not touched."""
    first = deployed.url()
    given_up = deployed.secrets.begin_rotation(SECRET)
    for name in STEPS[:2]:
        deployed.step(name, given_up)
    deployed.rotate()
    assert who(deployed.url()) == "user_api_b"
    assert who(first) == "user_api"
    with pytest.raises(ConfigurationError, match="is not staged to rotate"):
        deployed.step("setSecret", given_up)


def test_an_unset_password_does_not_come_into_force(deployed: Deployed) -> None:
    version = deployed.secrets.begin_rotation(SECRET)
    deployed.step("createSecret", version)
    with pytest.raises(StorageUnavailable, match="refuses the new login"):
        deployed.step("testSecret", version)


@pytest.mark.parametrize("url", ["mysql://user_api_b@host/name", "postgresql://host/x?unknown=1"])
def test_a_url_that_is_none_is_told(url: str) -> None:
    """Before anything waits for a server; what is wrong in it is not quoted."""
    with pytest.raises(ConfigurationError, match="is not one of the form"):
        PostgresLogins().works(url)


def test_a_login_without_rights_does_not_come_into_force(deployed: Deployed) -> None:
    """It is let in, and could not read a row. Setting it again gives it the rights."""
    version = deployed.secrets.begin_rotation(SECRET)
    for name in STEPS[:3]:
        deployed.step(name, version)
    superuser = deployed.database.postgres.superuser_url
    query(superuser, "GRANT CONNECT ON DATABASE user_api TO user_api_b")
    try:
        query(superuser, "REVOKE user_api_app FROM user_api_b")
        assert who(deployed.url("AWSPENDING")) == "user_api_b"
        with pytest.raises(StorageUnavailable, match="or its rights"):
            deployed.step("testSecret", version)
        deployed.step("setSecret", version)
    finally:
        query(superuser, "REVOKE CONNECT ON DATABASE user_api FROM user_api_b")
    deployed.step("testSecret", version)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Step": "dropSecret"}, "no step of a rotation: 'dropSecret'"),
        ({"Step": None}, "no step of a rotation"),
        ({"ClientRequestToken": ""}, "no step of a rotation"),
        ({"ClientRequestToken": "0" * 36}, "is not staged to rotate"),
        ({"SecretId": OWNER_SECRET}, "is not set up for rotation"),
    ],
)
def test_a_wrong_event_is_refused_with_its_reason(
    deployed: Deployed, change: dict[str, object], reason: str
) -> None:
    version = deployed.secrets.begin_rotation(SECRET)
    event = {"Step": "createSecret", "SecretId": SECRET, "ClientRequestToken": version}
    with pytest.raises(ConfigurationError, match=reason) as refused:
        lambda_handler({**event, **change}, None)
    assert "\n" not in str(refused.value)


def test_no_other_login_is_changed(deployed: Deployed) -> None:
    """A secret that names the owner, or somebody else's pending version, changes nothing."""
    version = deployed.secrets.begin_rotation(SECRET)
    deployed.step("createSecret", version)
    pending = deployed.secrets.value(SECRET, "AWSPENDING")
    for username in ("user_api_owner", "user_api", ADMINISTRATOR):
        again = deployed.secrets.begin_rotation(SECRET)
        deployed.secrets.client.put_secret_value(
            SecretId=SECRET,
            ClientRequestToken=again,
            SecretString=str({**pending, "username": username}).replace("'", '"'),
            VersionStages=["AWSPENDING"],
        )
        with pytest.raises(ConfigurationError, match="not for the login whose turn it is"):
            deployed.step("setSecret", again)
    assert who(deployed.url()) == "user_api"
    deployed.secrets.replace(SECRET, deployed.database.secret("user_api_owner", "x"))
    with pytest.raises(ConfigurationError, match="none of user_api and user_api_b"):
        deployed.step("createSecret", deployed.secrets.begin_rotation(SECRET))


def test_a_server_with_another_certificate_gets_no_password(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The roots of Amazon's databases, which are the default, did not sign it."""
    monkeypatch.delenv("DATABASE_CA_FILE")
    version = deployed.secrets.begin_rotation(SECRET)
    deployed.step("createSecret", version)
    with pytest.raises(StorageUnavailable):
        deployed.step("setSecret", version)


def test_a_connection_after_a_minute_has_the_new_login(deployed: Deployed) -> None:
    """Without any refusal too: both logins are let in, and the older one's time runs out."""
    now = [0.0]

    def read() -> Login:
        value = deployed.secrets.value(SECRET)
        return Login(username=value["username"], password=value["password"])

    logins = SecretLogins(read=read, first=read(), clock=lambda: now[0])
    with opened(deployed.url(), logins=logins) as pool:

        def ask() -> object:
            pool.storage.close()
            return sql(pool.storage, "SELECT current_user")

        assert ask() == "user_api"
        deployed.rotate()
        assert ask() == "user_api"
        now[0] += 60
        assert ask() == "user_api_b"
