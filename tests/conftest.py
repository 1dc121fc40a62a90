"""Fixtures of every suite: one real PostgreSQL and one migrated database a test worker."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from core.bootstrap import Core, build_core, configure_logging
from core.config import Settings
from handler.local.postgres import LocalPostgres
from migrations.runner import upgrade
from tests.support.clients import Client, LambdaClient
from tests.support.databases import give_time
from tests.support.environment import service_environment
from tests.support.log_review import logs_are_reviewed, review_server, review_this_process
from tests.support.mailbox import Mailbox
from tests.support.people import People
from tests.support.redis_kinds import redis_kinds
from tests.support.server import ServerProcess
from tests.support.server_log import AS_RDS
from tests.support.staff import Staff

__all__ = ["logs_are_reviewed"]

# Who starts a shell's command in the background has it ignore Ctrl-C, and what a test starts too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nothing here has to survive a power cut.
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-tables",
        action="store_true",
        help="write the documents, snapshots and drawings that are compared otherwise",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker of xdist, files with slow tests come first, then those with most tests, so that
    no long file starts last.

    RECORDED_TESTS is a folder that gets what each run has selected (scripts/complete.py).
    """
    if hasattr(config, "workerinput"):
        tests = Counter(item.path for item in items)
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: (item.path not in slow, -tests[item.path]))
    if folder := os.environ.get("RECORDED_TESTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        names = "".join(f"{item.nodeid}\n" for item in items)
        Path(folder, f"{os.getpid()}-{time.time_ns()}").write_text(names, encoding="utf-8")


@pytest.fixture(scope="session")
def write_tables(request: pytest.FixtureRequest) -> bool:
    """Whether what is compared with a committed file shall be written into it first. An option:
    a variable that a shell still holds would turn every comparison into a write."""
    return bool(request.config.getoption("--write-tables"))


@pytest.fixture(scope="session")
def server_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of this worker's cluster."""
    log = tmp_path_factory.mktemp("cluster") / "data.log"
    review_server(log)
    return log


@pytest.fixture(scope="session")
def postgres(server_log: Path) -> Iterator[LocalPostgres]:
    """A cluster of this worker's own; USER_API_PG_BIN chooses the binaries.

    It logs as RDS does, and besides every statement of a login that is not told otherwise, as an
    administrator in search of a slow one may have it.
    """
    settings = {**FAST, **AS_RDS, "log_min_duration_statement": "0"}
    with LocalPostgres.start(server_log.with_suffix(""), settings=settings) as server:
        yield server


@pytest.fixture(scope="session")
def superuser_url(postgres: LocalPostgres) -> str:
    return postgres.superuser_url


@pytest.fixture(scope="session")
def owner_url(postgres: LocalPostgres) -> str:
    """The schema's owner, for a database that is not migrated yet or already."""
    return postgres.owner_url


@pytest.fixture(scope="session")
def database_url(postgres: LocalPostgres, owner_url: str) -> str:
    """The application's role on a migrated database."""
    upgrade(owner_url)
    give_time(postgres, "user_api")
    return postgres.app_url


@pytest.fixture(scope="session")
def mail_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mail")


@pytest.fixture(scope="session")
def environment(database_url: str, mail_folder: Path) -> dict[str, str]:
    """The settings that the server process, the handler and the in-process core share."""
    return service_environment(database_url, mail_folder)


@pytest.fixture(scope="session")
def core(environment: dict[str, str]) -> Iterator[Core]:
    """The core in this process, on the same database as the server."""
    built = build_core(Settings.from_environ(environment))
    yield built
    built.close()


@pytest.fixture
def mailbox(core: Core, mail_folder: Path) -> Mailbox:
    """What the worker has sent, after it has sent everything."""
    return Mailbox(core, mail_folder)


@pytest.fixture(scope="session")
def server(environment: dict[str, str]) -> Iterator[ServerProcess]:
    """The real server process over loopback."""
    with ServerProcess.start(environment) as process:
        yield process


@pytest.fixture(scope="session")
def lambda_client(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> LambdaClient:
    """The real handler in this process, called with events that went through JSON."""
    os.environ.update(environment)
    from handler.aws_lambda import lambda_settings

    # Again, because others may have taken its place since the handler was imported.
    configure_logging(lambda_settings())
    review_this_process(tmp_path_factory.mktemp("function") / "function.log")
    return LambdaClient()


@pytest.fixture(params=["asgi", "lambda"])
def client(request: pytest.FixtureRequest) -> Client:
    """Every API test runs against the server process and against the Lambda handler."""
    if request.param == "lambda":
        handler: LambdaClient = request.getfixturevalue("lambda_client")
        return handler.fresh()
    server: ServerProcess = request.getfixturevalue("server")
    return server.client()


@pytest.fixture(scope="session")
def redis_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """URLs of Redis in every mode, by kind."""
    with redis_kinds(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def people(client: Client, mailbox: Mailbox) -> People:
    """Makes accounts through the API of the target under test."""
    return People(client, mailbox)


@pytest.fixture
def staff(core: Core, superuser_url: str) -> Staff:
    """People with roles; their tokens work on both targets."""
    return Staff(core, superuser_url)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A lone surrogate that a test logged would end the worker: xdist cannot carry it."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report
