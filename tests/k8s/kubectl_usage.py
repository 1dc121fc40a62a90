"""What the real kubectl says of a command, without a cluster that it could reach."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.k8s.render import kubectl
from tests.k8s.runbook_commands import Command

NOWHERE = "http://127.0.0.1:1"
CONFIGURATION = f"""\
apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{{name: nowhere, context: {{cluster: nowhere, user: nobody}}}}]
clusters: [{{name: nowhere, cluster: {{server: "{NOWHERE}"}}}}]
users: [{{name: nobody, user: {{}}}}]
"""
KUSTOMIZATION = "configMapGenerator: [{name: anything, literals: [key=value]}]\n"
SECONDS = 100


def usage_error(command: Command, folder: Path) -> str | None:
    """Why kubectl does not take it; None when it would have asked its cluster, or needs none.

    `folder` is empty: files that the command names are made there. Nothing listens on port 1, so
    that a command which kubectl understands ends with a refused connection.
    """
    configuration = folder / "kubeconfig"
    configuration.write_text(CONFIGURATION)
    _make_files(command, folder)
    finished = subprocess.run(
        [kubectl(), *command.words[1:]],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": str(configuration)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    said = [line for line in finished.stderr.splitlines() if not re.match(r"[EW]\d{4} ", line)]
    if re.search(r"127\.0\.0\.1:1\b.* refused", " ".join(said)):
        return None
    if finished.returncode == 0 and command.words[1] == "config":
        return None
    return " ".join(said) or f"exit code {finished.returncode}"


def _make_files(command: Command, folder: Path) -> None:
    kustomization = command.option("-k", "--kustomize")
    if kustomization is not None:
        (folder / kustomization).mkdir(parents=True)
        (folder / kustomization / "kustomization.yaml").write_text(KUSTOMIZATION)
    for word in command.own[2:]:
        if command.words[1] == "cp" and word.startswith("./"):
            (folder / word).write_text("")
