"""Running the image by bubblewrap: what a restricted pod may do, and no more."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

SECONDS = 30.0


@dataclass(frozen=True)
class Sandbox:
    """A root file system that nobody may write, with /tmp in memory.

    `shared` is a folder of this machine that is seen in there under its own name, read-only.
    """

    tree: Path
    configuration: Mapping[str, Any]
    shared: Path

    def command(self, words: Sequence[str], settings: Mapping[str, str]) -> list[str]:
        user, _, group = self.configuration["User"].partition(":")
        own = dict(each.split("=", 1) for each in self.configuration["Env"])
        environment = {**own, **settings}
        place = ["bwrap", "--ro-bind", str(self.tree), "/", "--proc", "/proc", "--dev", "/dev"]
        place += ["--tmpfs", "/tmp", "--chmod", "1777", "/tmp"]  # noqa: S108 - the image's own
        place += ["--ro-bind", str(self.shared), str(self.shared)]
        place += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
        place += ["--clearenv", "--chdir", self.configuration["WorkingDir"] or "/"]
        for name, value in environment.items():
            place += ["--setenv", name, value]
        less = ["setpriv", "--reuid", user, "--regid", group or user, "--clear-groups"]
        less += ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
        return [*place, "--", *less, *words]

    def run(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """To its end. Raises TimeoutExpired."""
        return subprocess.run(
            self.command(words, settings),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def start(self, log: IO[bytes], **settings: str) -> subprocess.Popen[bytes]:
        """What the image runs by itself."""
        words = [*self.configuration["Entrypoint"], *self.configuration["Cmd"]]
        return subprocess.Popen(
            self.command(words, settings), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
