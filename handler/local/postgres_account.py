"""The operating system user who runs PostgreSQL, which refuses to run as root."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from core.errors import ConfigurationError

_ORDINARY_USERS = ("postgres", "nobody")
_CHECK_SECONDS = 10

# Prints the first argument that the user cannot enter or run.
_FIRST_CLOSED = 'for path; do [ -x "$path" ] || { printf %s "$path"; exit 1; }; done'


@dataclass(frozen=True)
class Account:
    """Whom to become: nobody else (`uid` None) unless this process is root.

    `prefix` is a command that becomes the user itself, in place of the operating system's call.
    """

    name: str = ""
    uid: int | None = None
    gid: int | None = None
    prefix: tuple[str, ...] = ()

    def own(self, folder: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)

    def run(self, command: list[str], *, timeout: float) -> subprocess.CompletedProcess[str]:
        """Run to the end; a Ctrl-C in the terminal reaches only this process.

        Raises:
            OSError: the command cannot be started.
            subprocess.TimeoutExpired: it took longer than `timeout` seconds and was killed.
        """
        return subprocess.run(  # noqa: S603 - a list of our own making
            [*self.prefix, *command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **self._process(),
        )

    def spawn(self, command: list[str], *, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start with a pipe as its input, in a session of its own, writing to `log`.

        Raises:
            OSError: the command cannot be started.
        """
        return subprocess.Popen(  # noqa: S603 - a list of our own making
            [*self.prefix, *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            bufsize=0,
            **self._process(),
        )

    def closed(self, paths: Sequence[Path]) -> str | None:
        """The first folder or program among `paths` and their parents that the user cannot pass.

        The first of `paths` when this process cannot become the user at all.
        """
        if self.uid is None:
            return None
        chain = dict.fromkeys(
            str(each) for path in paths for each in (*reversed(path.parents), path)
        )
        try:
            done = self.run(["/bin/sh", "-c", _FIRST_CLOSED, "sh", *chain], timeout=_CHECK_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return str(paths[0])
        return None if done.returncode == 0 else done.stdout or str(paths[0])

    def _process(self) -> dict[str, Any]:
        # A bare environment: this process's secrets are not for another user's processes, and
        # its language would change the messages that are looked for.
        shared: dict[str, Any] = {
            "cwd": "/",
            "env": {"PATH": f"{os.environ.get('PATH', '')}:{os.defpath}", "LC_ALL": "C"},
            "start_new_session": True,
        }
        if self.uid is None or self.prefix:
            return shared
        return {**shared, "user": self.uid, "group": self.gid, "extra_groups": ()}


def account_for(data_dir: Path, *, program: Path) -> Account:
    """Who runs `program` on `data_dir`: this process's user, or for root an ordinary one.

    Root's own folders are often closed to others (/root, mktemp -d). They are not opened: the
    user gets the one capability to pass through folders, where the system can give it.

    Raises:
        ConfigurationError: no ordinary user can reach the folder or the program.
    """
    if os.geteuid() != 0:
        return Account()
    plain = _ordinary(data_dir)
    needed = (data_dir.parent, program)
    closed = plain.closed(needed)
    if closed is None:
        return plain
    # Docker grants root dac_override by default, but not the narrower dac_read_search.
    for capability in ("dac_read_search", "dac_override"):
        able = replace(plain, prefix=_setpriv(plain, capability))
        if able.closed(needed) is None:
            return able
    raise ConfigurationError(
        f"PostgreSQL cannot run as root, and {closed} is closed to the user {plain.name}: "
        f"choose another data folder, start as an ordinary user, or chmod o+x {closed}"
    )


def _ordinary(data_dir: Path) -> Account:
    """The owner of existing data, else `postgres`, else `nobody`."""
    if data_dir.exists() and (owner := data_dir.stat()).st_uid != 0:
        return Account(name=str(owner.st_uid), uid=owner.st_uid, gid=owner.st_gid)
    for name in _ORDINARY_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise ConfigurationError(
        "PostgreSQL cannot run as root, and this system has no user postgres or nobody: "
        "start as an ordinary user"
    )


def _setpriv(user: Account, capability: str) -> tuple[str, ...]:
    """util-linux's setpriv, giving up every capability but one.

    access(2), which initdb asks, ignores the capabilities of a user other than root unless the
    secure bit no_setuid_fixup is set (capabilities(7)).
    """
    only = f"-all,+{capability}"
    return (
        "setpriv",
        f"--reuid={user.uid}",
        f"--regid={user.gid}",
        "--clear-groups",
        "--securebits=+no_setuid_fixup",
        f"--bounding-set={only}",
        f"--inh-caps={only}",
        f"--ambient-caps={only}",
    )
