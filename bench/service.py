"""The service as it is delivered, and what a bench reads from it while it runs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from handler.local.postgres import LocalPostgres
from migrations.runner import upgrade
from tests.support.environment import service_environment

# The suites loosen these (tests/support/environment.py); nobody else does.
AS_DELIVERED: Mapping[str, str] = {
    "HASH_QUEUE_TIMEOUT": "1",
    "REQUEST_TIMEOUT": "5",
    "LIMIT_CHANGES_PER_MINUTE": "600",
}


@contextmanager
def delivered(name: str) -> Iterator[tuple[LocalPostgres, dict[str, str]]]:
    """A PostgreSQL of its own with the newest schema, and the settings of a server on it, behind
    one trusted proxy. Mails go to the folder `mail` beside the data."""
    with tempfile.TemporaryDirectory(prefix=f"user-api-{name}-") as temporary:
        folder = Path(temporary)
        # PostgreSQL, which does not run as root, has to reach its data.
        folder.chmod(0o755)
        mail = folder / "mail"
        mail.mkdir()
        with LocalPostgres.start(folder / "data") as postgres:
            upgrade(postgres.owner_url)
            yield postgres, {**service_environment(postgres.app_url, mail), **AS_DELIVERED}


def total(page: str, name: str) -> int:
    """The sum of a metric over all its labels; 0 when nothing has been counted."""
    lines = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE)
    return round(sum(float(each) for each in lines))
