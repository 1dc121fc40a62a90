"""What the doctor makes of the parameters by which a server logs."""

from __future__ import annotations

import pytest

from core.domain.server_log import QUIET
from core.services.diagnosis import database

READ = {**QUIET, "log_destination": "stderr", "log_min_messages": "warning"}


@pytest.mark.parametrize(
    "found",
    [
        READ,
        {name: value for name, value in READ.items() if "." not in name},
        READ | {"log_statement": "none"},
        READ | {"log_destination": "csvlog", "log_min_messages": "fatal"},
    ],
)
def test_a_quiet_log_is_ok(found: dict[str, str]) -> None:
    """Also without libraries, whose parameters there are not then."""
    assert database.server_log(found).status == "ok"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [({name: "another"}, f"{name} = {value}") for name, value in QUIET.items()]
    + [
        ({"log_destination": "stderr,jsonlog"}, "log_destination = stderr"),
        ({"log_destination": "csvlog", "log_min_messages": "error"}, "log_destination = stderr"),
    ],
)
def test_a_log_of_values_is_a_warning(changes: dict[str, str], wanted: str) -> None:
    """Parameter by parameter, with what to set."""
    found = database.server_log(READ | changes)
    assert found.status == "warn"
    assert found.remedy is not None
    assert found.remedy.startswith(f"set for the server {wanted};")


def test_what_may_not_be_read_of_the_log_is_said() -> None:
    """Servers of some providers hide parameters."""
    found = database.server_log({k: v for k, v in READ.items() if k != "log_error_verbosity"})
    assert found.status == "warn"
    assert found.detail.endswith("this login may not read log_error_verbosity")
    assert found.remedy == "look at what it may not read as a superuser"


RUN_AGAIN = "run migrations/provision.sql again as the owner of "
REVOKE = "REVOKE CONNECT ON DATABASE shop FROM PUBLIC, and grant it to those who need it"


@pytest.mark.parametrize(
    ("found", "remedy"),
    [
        (["postgres"], f"{RUN_AGAIN}postgres"),
        (["shop"], REVOKE),
        (["postgres", "shop", "template1"], f"{RUN_AGAIN}postgres and template1; {REVOKE}"),
    ],
)
def test_open_databases_get_what_closes_each(found: list[str], remedy: str) -> None:
    """What every server has is provision.sql's to close, and what is somebody's is not."""
    finding = database.other_databases(found)
    assert (finding.status, finding.remedy) == ("warn", remedy)
    assert database.other_databases([]).status == "ok"
