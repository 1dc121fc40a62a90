"""One running PostgreSQL server that cannot outlive the process which started it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from core.domain.server_log import QUIET
from core.errors import ConfigurationError
from handler.local.postgres_account import Account
from handler.local.postgres_binaries import Binaries
from handler.local.postgres_folder import reason

PORT = 5432

# Of sun_path's 104 bytes on macOS (108 on Linux), less its final NUL.
_SOCKET_PATH_BYTES = 103
_POLL_SECONDS = 0.01
_FAST_SECONDS = 10.0
_IMMEDIATE_SECONDS = 10.0

# The server's parent. A line on its input asks for a fast shutdown; the end of the input, which the
# kernel brings about however the owner dies, for an immediate one (the next start recovers). It
# waits for the server, so that the process id it signals can be nobody else's. SIGTERM comes first
# because a shell's background command ignores the other two until PostgreSQL sets its handlers.
_GUARD = """
exec 3<&0 </dev/null
sockets=$1; shift
"$@" 3<&- &
server=$!
{
    read -r line <&3 && kill -TERM "$server" && kill -INT "$server" && read -r line <&3
    kill -TERM "$server" && kill -QUIT "$server"
} &
listener=$!
exec 3<&-
wait "$server"; status=$?
kill "$listener" 2>/dev/null
rm -rf "$sockets"
exit "$status"
"""

_DEFAULTS = {
    "shared_buffers": "32MB",
    "max_connections": "100",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    # Of a library that is not loaded a server takes no parameter.
    **{name: value for name, value in QUIET.items() if "." not in name},
}

_SOCKET_ONLY = {"listen_addresses": "", "port": str(PORT), "unix_socket_permissions": "0700"}


class Server:
    """A server on `data_dir`, reached only through a socket in the private folder `sockets`."""

    def __init__(
        self, data_dir: Path, *, binaries: Binaries, account: Account, settings: Mapping[str, str]
    ) -> None:
        """Start it; `wait_ready` tells when it answers.

        Raises:
            ConfigurationError: no folder for the socket or the log, or it cannot be run.
        """
        self._data_dir = data_dir
        # Beside the folder, not in it: root must not write where an ordinary user can place links.
        self._log = data_dir.with_name(data_dir.name + ".log")
        self.sockets = _private_folder(account)
        values = {**_DEFAULTS, **settings, **_SOCKET_ONLY}
        values["unix_socket_directories"] = str(self.sockets)
        command = ["/bin/sh", "-c", _GUARD, "sh", str(self.sockets)]
        command += [binaries.program("postgres"), "-D", str(data_dir)]
        command += [part for name, value in values.items() for part in ("-c", f"{name}={value}")]
        try:
            with _private_log(self._log) as log:
                self._guard = account.spawn(command, log=log)
        except OSError as error:
            shutil.rmtree(self.sockets, ignore_errors=True)
            raise ConfigurationError(f"PostgreSQL cannot be started: {error}") from error

    def wait_ready(self, *, ends: float) -> None:
        """Return when it takes connections.

        Raises:
            ConfigurationError: it stopped, or did not answer before `ends` (time.monotonic()).
        """
        while not self._says_ready():
            if self._guard.poll() is not None:
                said = reason(self._log.read_text(encoding="utf-8", errors="replace"))
                raise ConfigurationError(f"PostgreSQL did not start: {said} (log: {self._log})")
            if time.monotonic() > ends:
                raise ConfigurationError(
                    f"PostgreSQL did not answer before the deadline (log: {self._log})"
                )
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Fast shutdown, then an immediate one, then a kill; each has its deadline."""
        pipe = self._guard.stdin
        if pipe is None or pipe.closed:
            return
        with suppress(BrokenPipeError):
            pipe.write(b"stop\n")
        if not self._gone(_FAST_SECONDS):
            pipe.close()
            if not self._gone(_IMMEDIATE_SECONDS):
                with suppress(ProcessLookupError):
                    os.killpg(self._guard.pid, signal.SIGKILL)
                self._gone(_IMMEDIATE_SECONDS)
        pipe.close()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def _gone(self, seconds: float) -> bool:
        try:
            self._guard.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _says_ready(self) -> bool:
        """The file's fifth line is the socket folder and its eighth the state (miscadmin.h)."""
        try:
            note = (self._data_dir / "postmaster.pid").read_text(encoding="utf-8")
        except OSError:
            return False
        lines = [line.strip() for line in note.splitlines()]
        return len(lines) >= 8 and lines[4] == str(self.sockets) and lines[7] == "ready"


def _private_log(path: Path) -> IO[bytes]:
    """A new file for its owner alone; who has opened the one before reads nothing of this one."""
    path.unlink(missing_ok=True)
    return os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
    )


def _private_folder(account: Account) -> Path:
    for parent in (Path(tempfile.gettempdir()).resolve(), Path("/tmp")):  # noqa: S108 - mkdtemp below
        longest = parent / "user-api-12345678" / f".s.PGSQL.{PORT}"
        if len(os.fsencode(longest)) > _SOCKET_PATH_BYTES or account.closed([parent]):
            continue
        try:
            folder = Path(tempfile.mkdtemp(prefix="user-api-", dir=parent))
        except OSError:
            continue
        account.own(folder)
        return folder
    raise ConfigurationError(
        "no temporary folder with a path short enough for a socket: set TMPDIR to one"
    )
