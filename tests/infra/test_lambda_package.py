"""The zip that is deployed: built, unpacked, and run by the real `awslambdaric` on its Python."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from scripts.lambda_package import Refused, python_for_lambda
from scripts.locked_wheels import install, locked
from tests.conformance.test_targets_agree import story
from tests.support.lambda_events import EVENT_BUILDERS
from tests.support.mailbox import Mailbox
from tests.support.runtime_api import HANDLER, ROOT, RuntimeApi
from tests.support.runtime_client import RuntimeClient
from tests.support.server import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RUNTIME_CLIENT = frozenset({"awslambdaric", "simplejson", "snapshot-restore-py"})
BUILD_SECONDS = 400
MEASURE = "import time; began = time.process_time(); import {}; print(time.process_time() - began)"


def command(out: Path) -> list[str]:
    return [sys.executable, "-m", "scripts.lambda_package", "--out", str(out)]


def built(out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(out),
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
    )


@pytest.fixture(scope="module")
def python313() -> Path:
    try:
        return python_for_lambda()
    except Refused as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def package(python313: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("package") / "user-api.zip"
    done = built(out)
    assert done.returncode == 0, done.stderr
    print("\n".join(done.stdout.splitlines()[-3:]))  # noqa: T201  the sizes, with -s
    return out


@pytest.fixture(scope="module")
def task(package: Path) -> Path:
    """What Lambda makes of the zip."""
    folder = package.parent / "task"
    with zipfile.ZipFile(package) as zipped:
        zipped.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def function(
    task: Path,
    python313: Path,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RuntimeApi]:
    """On a Python that sees nothing but the package and the runtime client."""
    scratch = tmp_path_factory.mktemp("runtime")
    client = locked(ROOT / "requirements" / "dev.txt", lambda name: name in RUNTIME_CLIENT)
    install(client.values(), scratch / "client", scratch)
    with RuntimeApi(
        HANDLER,
        {**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        scratch / "function.log",
        python=(str(python313), "-S"),
        path=(task, scratch / "client"),
    ) as runtime:
        yield runtime


@pytest.mark.parametrize("form", EVENT_BUILDERS)
def test_the_package_answers_as_the_server(
    form: str, function: RuntimeApi, server: ServerProcess, mailbox: Mailbox
) -> None:
    """Health, and register to delete, on the function's Python with the package alone."""
    client = RuntimeClient(function, form)
    assert client.request("GET", "/health/ready").status == 200
    assert story(client, mailbox) == story(server.client().from_address(client.address), mailbox)


def test_a_second_build_is_the_same_file(package: Path, tmp_path: Path) -> None:
    """Neither the folder, the user's file mode nor the seed of hashes shows in the bytes."""
    earlier = os.umask(0o077)
    try:
        done = built(tmp_path / "again.zip", PYTHONHASHSEED="7", TZ="Asia/Tokyo")
    finally:
        os.umask(earlier)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again.zip").read_bytes() == package.read_bytes()


def test_the_bytecode_is_taken_as_it_is(
    task: Path, python313: Path, environment: Mapping[str, str], tmp_path: Path
) -> None:
    """Every module of ours and of others is there compiled, and is what gets imported."""
    sources = [path for path in task.rglob("*.py") if path.parent.name != "__pycache__"]
    compiled = {
        path: path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc" for path in sources
    }
    assert not [path for path, bytecode in compiled.items() if not bytecode.exists()]
    bare = tmp_path / "bare"
    shutil.copytree(task, bare, ignore=shutil.ignore_patterns("__pycache__"))
    # Bytes 4 to 8 are flags: hash-based, and not checked (PEP 552).
    flags = {bytecode.read_bytes()[4:8] for bytecode in compiled.values()}
    assert flags == {b"\x01\x00\x00\x00"}
    for kind, folder in (("with bytecode", task), ("from sources", bare)):
        seconds = subprocess.run(
            [python313, "-S", "-B", "-c", MEASURE.format(HANDLER.rpartition(".")[0])],
            cwd=folder,
            env={**os.environ, **environment, "PYTHONPATH": str(folder)},
            check=True,
            capture_output=True,
            text=True,
            timeout=300,
        )
        print(f"import {kind}: {float(seconds.stdout):.2f} s of CPU")  # noqa: T201  with -s


def test_without_a_registry_one_line_says_so(python313: Path, tmp_path: Path) -> None:
    """And an earlier package stays."""
    out = tmp_path / "user-api.zip"
    out.write_bytes(b"earlier")
    done = built(out, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path), PIP_CONFIG_FILE=os.devnull)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "pip could not fetch the locked packages: ERROR" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_bytes() == b"earlier"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_build_leaves_nothing(
    sign: signal.Signals, python313: Path, tmp_path: Path
) -> None:
    """No half zip and no scratch folder; an earlier package stays."""
    out = tmp_path / "user-api.zip"
    out.write_bytes(b"earlier")
    with subprocess.Popen(
        command(out), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as build:
        assert build.stdout is not None
        assert "collecting" in build.stdout.readline()
        build.send_signal(sign)
        _, said = build.communicate(timeout=300)
    assert build.returncode == 130
    assert said == "lambda-package: stopped, and nothing was written\n"
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_bytes() == b"earlier"
