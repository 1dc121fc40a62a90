"""On what a figure was measured."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("user-api", "fastapi", "uvicorn", "sqlalchemy")


def circumstances(*, postgres: str) -> str:
    """Date, machine, versions and load: lines of Markdown."""
    today = datetime.now(UTC).date().isoformat()
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    load = f"load of the last minute {os.getloadavg()[0]:.1f}"
    versions = [f"{name} {version(name)}" for name in _PACKAGES]
    machine = [today, _processor(), f"{os.cpu_count()} cores", system, load]
    software = [f"Python {platform.python_version()}", f"PostgreSQL {postgres}", *versions]
    return f"- {', '.join(machine)}\n- {', '.join(software)}"


def _processor() -> str:
    """What Linux calls the processor, else what Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
