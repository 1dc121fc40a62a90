"""The data folder of the embedded PostgreSQL: whose it is, what it holds, how it is made."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import ConfigurationError
from handler.local.postgres_account import Account
from handler.local.postgres_binaries import Binaries

# initdb's own messages come first; the fallback is for systems without a UTF-8 locale in C order.
_LOCALES = ("C.UTF-8", "C")
_POLL_SECONDS = 0.05
# A server whose owner was killed needs a moment to go; any longer and somebody else owns it.
_ORPHAN_SECONDS = 5.0
_OWNER_ALONE = 0o700


def take_lock(data_dir: Path) -> int:
    """An open file that no other start on `data_dir` can hold; closed by the kernel on any death.

    Raises:
        ConfigurationError: another process holds it, or the parent folder cannot be written.
    """
    lock = data_dir.with_name(data_dir.name + ".lock")
    try:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"cannot keep a database in {data_dir.parent}: {error.strerror}"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(handle, 20).decode("ascii", "replace") or "unknown"
        os.close(handle)
        raise ConfigurationError(f"{data_dir} is in use by process {holder}") from error
    os.truncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle


def existing_major(data_dir: Path) -> int | None:
    """The major version that made `data_dir`; None when it is still to be made.

    Raises:
        ConfigurationError: it holds something else, is half made, or cannot be read.
    """
    with _readable(data_dir):
        if not data_dir.exists() or (data_dir.is_dir() and not any(data_dir.iterdir())):
            return None
        version = data_dir / "PG_VERSION"
        if not data_dir.is_dir() or not version.is_file():
            raise ConfigurationError(
                f"{data_dir} holds something other than a PostgreSQL database: "
                "choose another data folder"
            )
        if not (data_dir / "global" / "pg_control").is_file():
            raise ConfigurationError(
                f"{data_dir} is only half a PostgreSQL database: remove it to start afresh"
            )
        if os.geteuid() == 0 and data_dir.stat().st_uid == 0:
            raise ConfigurationError(
                f"{data_dir} belongs to root, as whom PostgreSQL cannot run: "
                "chown -R it to an ordinary user"
            )
        text = version.read_text(encoding="ascii", errors="replace").strip()
    if not text.isdecimal():
        raise ConfigurationError(f"{version} holds no version: choose another data folder")
    return int(text)


def close_to_others(data_dir: Path) -> None:
    """Nobody but its owner enters `data_dir`, whatever was allowed before.

    Raises:
        ConfigurationError: its rights cannot be changed.
    """
    with _readable(data_dir):
        if stat.S_IMODE(data_dir.stat().st_mode) != _OWNER_ALONE:
            data_dir.chmod(_OWNER_ALONE)


def wait_until_free(data_dir: Path) -> None:
    """Return once no server works in `data_dir`, and forget the process id of one that died.

    Raises:
        ConfigurationError: a server still runs there, with its process id.
    """
    ends = time.monotonic() + _ORPHAN_SECONDS
    while (pid := _server_at_work(data_dir)) is not None:
        if time.monotonic() > ends:
            raise ConfigurationError(
                f"{data_dir} is in use by a PostgreSQL server (process {pid}): stop it first"
            )
        time.sleep(_POLL_SECONDS)


def initialise(
    data_dir: Path, *, binaries: Binaries, account: Account, sync: bool, timeout: float
) -> None:
    """Make `data_dir` in one step: it appears whole, or not at all.

    Raises:
        ConfigurationError: initdb failed, with its own words.
    """
    unfinished = data_dir.name + ".unfinished-"
    # The caller holds the lock, so these were left by a start that was killed.
    for left in data_dir.parent.glob(unfinished + "*"):
        _remove(left)
    try:
        fresh = Path(tempfile.mkdtemp(prefix=unfinished, dir=data_dir.parent))
        try:
            account.own(fresh)
            _initdb(fresh, binaries=binaries, account=account, sync=sync, timeout=timeout)
            fresh.rename(data_dir)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise ConfigurationError(f"cannot make {data_dir}: {error.strerror}") from error


def _remove(left: Path) -> None:
    """An initdb that outlived its start may go on writing for a moment, until it misses a file."""
    ends = time.monotonic() + _ORPHAN_SECONDS
    while left.exists() and time.monotonic() < ends:
        shutil.rmtree(left, ignore_errors=True)
        time.sleep(0.02)


def _initdb(
    folder: Path, *, binaries: Binaries, account: Account, sync: bool, timeout: float
) -> None:
    command = [binaries.program("initdb"), "--pgdata", str(folder), "--username=postgres"]
    command += ["--encoding=UTF8", "--auth-local=trust", "--auth-host=reject", "--no-instructions"]
    command += [] if sync else ["--no-sync"]
    words = ""
    for locale in _LOCALES:
        try:
            done = account.run([*command, f"--locale={locale}"], timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise ConfigurationError(
                f"initdb did not finish within {timeout:.0f} s in {folder.parent}"
            ) from error
        if done.returncode == 0:
            return
        words = reason(done.stderr)
        if "invalid locale" not in words:
            break
    raise ConfigurationError(f"initdb could not make a database in {folder.parent}: {words}")


def reason(output: str) -> str:
    """The one line of a PostgreSQL program's output that says why it stopped."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for mark in ("FATAL:", "PANIC:", "ERROR:", "error:"):
        for line in lines:
            if mark in line:
                return line.partition(mark)[2].strip()
    return lines[-1] if lines else "it said nothing"


def _server_at_work(data_dir: Path) -> int | None:
    note = data_dir / "postmaster.pid"
    with _readable(data_dir):
        if not note.exists():
            return None
        first = note.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    if not first.isdecimal() or not _alive(int(first)):
        return None
    try:
        works_in = Path(f"/proc/{first}/cwd").readlink()
    except FileNotFoundError:
        # A zombie, or a system without /proc, where the process id is all there is.
        return None if Path("/proc/self").exists() else int(first)
    except PermissionError:
        return int(first)
    if works_in == data_dir:
        return int(first)
    # After a crash another program may have got the number, as in a restarted container;
    # PostgreSQL itself would then refuse to start.
    note.unlink(missing_ok=True)
    return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _readable(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"cannot use {data_dir}: {error.strerror}") from error
