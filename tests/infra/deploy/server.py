"""moto with its extension, as a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.infra.moto_extension.guard import TEST_KEY, refuse_real

SECONDS = 30.0
_OURS = ("PATH", "HOME", "LANG", "TMPDIR")


def environment(port: int) -> dict[str, str]:
    """All that a process may know: this server, the test's keys, nothing of its caller's AWS."""
    kept = {name: os.environ[name] for name in _OURS if name in os.environ}
    ours = kept | {
        "AWS_ENDPOINT_URL": f"http://localhost:{port}",
        "AWS_ACCESS_KEY_ID": TEST_KEY,
        "AWS_SECRET_ACCESS_KEY": TEST_KEY,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_VERSION_CHECK": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    refuse_real(ours)
    return ours


@contextmanager
def running(settings: Mapping[str, str], *, port: int, stubs: Path, log: Path) -> Iterator[None]:
    """The server, from when it answers until the block ends, however it ends."""
    command = [sys.executable, "-m", "tests.infra.moto_extension", str(port), str(stubs)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=dict(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(SECONDS)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        if process.poll() is not None:
            raise RuntimeError(f"moto ended:\n{log.read_text()[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"moto did not answer within {SECONDS:g} s")
