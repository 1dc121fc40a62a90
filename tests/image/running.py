"""What a container is relied on for: who it is, what it may write, how it answers and ends."""

from __future__ import annotations

import base64
import http.client
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from handler.local.postgres import LocalPostgres
from tests.image.sandbox import SECONDS, Sandbox
from tests.support.server import free_port

HOST = "127.0.0.1"
BODY = b'{"identifier":"nobody@example.com","password":"a password of nobody"}'
LIST = (
    "from importlib.metadata import distributions;"
    "print(*sorted(f'{each.name} {each.version}' for each in distributions()), sep='\\n')"
)
# Prints the folders in which a file can be made.
WRITE = """
import os, pathlib
for folder in ("/", "/etc", "/home", "/opt/user-api", "/usr/local", "/var/tmp", "/tmp"):
    try:
        pathlib.Path(folder, "written").write_text("x")
        print(folder)
    except OSError:
        pass
"""


@contextmanager
def database(folder: Path) -> Iterator[tuple[LocalPostgres, Path]]:
    """A PostgreSQL of this machine, and the folder of its socket."""
    folder.chmod(0o755)
    with LocalPostgres.start(folder / "postgres", settings={"fsync": "off"}) as started:
        shared = Path(started.app_url.partition("host=")[2].partition("&")[0])
        # The image's user is nobody whom this server knows.
        shared.chmod(0o755)
        for socket_file in shared.glob(".s.PGSQL.*[0-9]"):
            socket_file.chmod(0o777)
        yield started, shared


def check(
    sandbox: Sandbox, postgres: LocalPostgres, folder: Path, *, said: Callable[[str], None]
) -> None:
    _is_as_it_says(sandbox)
    done = sandbox.run("python", "-c", WRITE)
    assert done.stdout.split() == ["/tmp"], f"could write {done.stdout} {done.stderr}"  # noqa: S108
    listed = sandbox.run("python", "-c", LIST).stdout.splitlines()
    names = {line.split()[0] for line in listed}
    assert {"user-api", "uvicorn"} <= names, names
    assert not names & {"pip", "setuptools", "pytest"}, names
    said(f"image: {len(listed)} packages: {', '.join(listed)}")
    done = sandbox.run(
        "user-api",
        "migrate",
        ENVIRONMENT="development",
        MIGRATION_DATABASE_URL=postgres.owner_url,
    )
    assert done.returncode == 0, done.stderr
    _serves_and_drains(sandbox, postgres, folder, said)


def _is_as_it_says(sandbox: Sandbox) -> None:
    configuration = sandbox.configuration
    assert configuration["User"] == "1001:1001", configuration["User"]
    assert list(configuration["ExposedPorts"]) == ["3000/tcp"], configuration["ExposedPorts"]
    revision = configuration["Labels"]["org.opencontainers.image.revision"]
    assert len(revision) == 40, revision


def _serves_and_drains(
    sandbox: Sandbox, postgres: LocalPostgres, folder: Path, said: Callable[[str], None]
) -> None:
    port = free_port()
    settings = {
        "ENVIRONMENT": "development",
        "DATABASE_URL": postgres.app_url,
        "SECRET_KEY": base64.b64encode(os.urandom(32)).decode(),
        "MAIL_URL": "directory:///tmp/mail",
        "HOST": HOST,
        "PORT": str(port),
        "DRAIN_SECONDS": "1",
    }
    log = folder / "serve.log"
    with log.open("wb") as output:
        started = time.monotonic()
        process = sandbox.start(output, **settings)
        try:
            _wait_until_ready(port, started)
            said(f"image: ready after {time.monotonic() - started:.1f} s")
            service = _service_below(process.pid)
            _has_no_rights(service)
            health = sandbox.configuration["Healthcheck"]["Test"]
            assert health[0] == "CMD", health
            done = sandbox.run(*health[1:], **settings)
            assert done.returncode == 0, f"the health check failed: {done.stderr}"
            _answers_while_it_ends(service, port)
            assert process.wait(SECONDS) == 0, f"ended with {process.returncode}"
        finally:
            process.kill()
            process.wait(SECONDS)
            if process.returncode != 0:
                said(log.read_text()[-3000:])


def _wait_until_ready(port: int, started: float) -> None:
    while time.monotonic() - started < SECONDS:
        try:
            connection = http.client.HTTPConnection(HOST, port, timeout=2)
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == http.client.OK:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"not ready within {SECONDS:g} s")


def _service_below(pid: int) -> psutil.Process:
    (found,) = (
        each
        for each in psutil.Process(pid).children(recursive=True)
        if "user-api" in " ".join(each.cmdline()) and "bwrap" not in each.name()
    )
    return found


def _has_no_rights(service: psutil.Process) -> None:
    lines = Path(f"/proc/{service.pid}/status").read_text(encoding="ascii").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert set(status["Uid"].split() + status["Gid"].split()) == {"1001"}, status["Uid"]
    assert status["NoNewPrivs"] == "1", status["NoNewPrivs"]
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, f"{name} is {status[name]}"


def _answers_while_it_ends(service: psutil.Process, port: int) -> None:
    """A request that was on its way at SIGTERM is answered."""
    with socket.create_connection((HOST, port), timeout=SECONDS) as client:
        head = "POST /v1/auth/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
        client.sendall(head.encode() + BODY[:10])
        time.sleep(0.2)
        service.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        client.sendall(BODY[10:])
        answer = client.makefile("rb").readline()
    assert b" 401 " in answer, answer
