"""Compare the pins in requirements/*.txt with pyproject.toml, without a registry.

Every direct requirement has a pin that satisfies it, every pin has a hash, the files agree with
one another (but for checkov's, which has an environment of its own), and none of them names an
index, a URL or a folder.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
_ENTRY = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^ \\;]+)(?P<marker> ;)?"
)
_PLACE = re.compile(
    r"://|^\s*--(?:index|extra-index|find-links|trusted-host)|\s@\s|(?:^|[\s=(])/\w"
)


def read_pins(text: str) -> tuple[dict[str, str], list[str]]:
    """The pinned version of each package, and what is wrong with the file, one line each."""
    pins: dict[str, str] = {}
    hashed: set[str] = set()
    faults: list[str] = []
    name = ""
    for line in text.splitlines():
        if _PLACE.search(line):
            faults.append(f"names a place: {line.strip()}")
        elif entry := _ENTRY.match(line):
            name = canonicalize_name(entry["name"])
            # One pin a Python version is fine, where each says which.
            if pins.setdefault(name, entry["version"]) != entry["version"] and not entry["marker"]:
                faults.append(f"pins {name} twice")
        elif "--hash=sha256:" in line:
            hashed.add(name)
    faults += [f"has no hash for {name}" for name in pins if name not in hashed]
    return pins, faults


def wanted(project: dict[str, dict[str, object]]) -> dict[str, list[str]]:
    """The direct requirements of each lock, in the words of pyproject.toml."""

    def listed(*path: str) -> list[str]:
        node: object = project
        for key in path:
            node = node.get(key) if isinstance(node, dict) else None
        return [str(item) for item in node] if isinstance(node, list) else []

    core = listed("project", "dependencies")
    image = core + listed("project", "optional-dependencies", "aws")
    run = core + listed("project", "optional-dependencies", "local")
    run += listed("dependency-groups", "build")
    dev = image + run + listed("dependency-groups", "dev") + listed("dependency-groups", "infra")
    checkov = listed("dependency-groups", "checkov")
    return {"image": image, "run": run, "dev": dev, "checkov": checkov}


def compare(requirements: list[str], pins: dict[str, str]) -> list[str]:
    faults = []
    for requirement in map(Requirement, requirements):
        version = pins.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            faults.append(f"has {version or 'nothing'} for {requirement}")
    return faults


def main() -> int:
    faults: list[str] = []
    everything: dict[str, str] = {}
    for lock, requirements in wanted(tomllib.loads((ROOT / "pyproject.toml").read_text())).items():
        pins, found = read_pins((ROOT / "requirements" / f"{lock}.txt").read_text())
        found += compare(requirements, pins)
        if lock == "checkov":
            continue
        for name, version in pins.items():
            if everything.setdefault(name, version) != version:
                found.append(f"pins {name} {version}, another file {everything[name]}")
        faults += [f"requirements/{lock}.txt {fault}" for fault in found]
    for fault in faults:
        print(f"lock: {fault}", file=sys.stderr)
    if not faults:
        print(f"lock: {len(everything)} pins satisfy pyproject.toml, each with its hashes")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
