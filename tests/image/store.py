"""Building with buildah, in a store of the check's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.image.base import NAME, run

IMAGE = "localhost/user-api:check"
_PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
_CERTIFICATES = Path("/etc/ssl/certs")


@dataclass(frozen=True)
class Store:
    """Layers and containers below `folder`; nothing else on this machine is touched."""

    folder: Path

    def buildah(self, *arguments: str, seconds: float = 300.0) -> str:
        place = ("--root", str(self.folder / "root"), "--runroot", str(self.folder / "run"))
        return run("buildah", *place, "--storage-driver", "vfs", *arguments, seconds=seconds)

    def add_base(self, tree: Path) -> None:
        container = self.buildah("from", "scratch").strip()
        self.buildah("add", "--quiet", container, str(tree), "/")
        self.buildah(
            "config",
            "--env",
            f"PATH={_PATH}",
            container,
        )
        self.buildah("commit", "--quiet", "--rm", container, NAME)

    def build(self, context: Path, *, revision: str) -> None:
        self.buildah(
            "build",
            "--isolation=chroot",
            "--pull-never",
            # The health check is no part of OCI's format.
            "--format=docker",
            f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro",
            f"--build-arg=BASE_IMAGE={NAME}",
            f"--build-arg=REVISION={revision}",
            f"--tag={IMAGE}",
            str(context),
            seconds=600,
        )

    def configuration(self) -> dict[str, Any]:
        """What the image says of itself (`Config` of its manifest)."""
        found = json.loads(self.buildah("inspect", "--type=image", IMAGE))
        config: dict[str, Any] = found["Docker"]["config"]
        return config

    def mounted(self) -> Path:
        """The root file system of the image."""
        container = self.buildah("from", "--pull-never", IMAGE).strip()
        return Path(self.buildah("mount", container).strip())
