"""The service as it is delivered, and what a bench reads from it while it runs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handler.local.postgres import LocalPostgres
from migrations.runner import upgrade
from tests.support.environment import delivered_environment


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
            yield postgres, delivered_environment(postgres.app_url, mail)


def total(page: str, name: str) -> int:
    """The sum of a metric over all its labels; 0 when nothing has been counted."""
    lines = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE)
    return round(sum(float(each) for each in lines))
