"""`user-api doctor`: what it finds of our data in the log of the server, and of other databases."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from core.domain.server_log import QUIET
from tests.support.doctor import Clinic, Patient, role


@contextlib.contextmanager
def system(clinic: Clinic, name: str, value: str) -> Iterator[None]:
    """A parameter of the whole server."""
    clinic.set_for_server(**{name: value})
    try:
        yield
    finally:
        clinic.set_for_server(**{name: "DEFAULT"})


@pytest.mark.parametrize(
    ("name", "loud"),
    [
        ("log_min_error_statement", "error"),
        ("log_error_verbosity", "default"),
        ("log_min_duration_statement", "250"),
        ("log_statement", "mod"),
        ("debug_print_plan", "on"),
    ],
)
def test_a_log_that_quotes_statements(patient: Patient, name: str, loud: str) -> None:
    """Each parameter by its name, with what it is and what it should be."""
    quiet = f"ALTER ROLE user_api SET {name} = '{QUIET[name]}'"
    with role(patient.clinic, f"ALTER ROLE user_api SET {name} = '{loud}'", quiet):
        code, checks = patient.report()
    assert code == 0
    found = checks["server_log"]
    assert found["status"] == "warn"
    assert found["detail"].endswith(f"hashes: {name} is {loud}")
    assert f"set for the server {name} = {QUIET[name]};" in found["remedy"]
    assert "provision.sql" in found["remedy"]


def test_a_log_in_a_format_that_quotes_rows(patient: Patient) -> None:
    """No role can change that; but a login whose errors are not logged has none there."""
    with system(patient.clinic, "log_destination", "csvlog"):
        code, checks = patient.report()
        silent = "ALTER ROLE user_api SET log_min_messages = 'log'"
        with role(patient.clinic, silent, "ALTER ROLE user_api RESET log_min_messages"):
            _, others = patient.report()
    assert code == 0
    found = checks["server_log"]
    assert found["detail"].endswith("hashes: log_destination is csvlog")
    assert "log_min_messages = log" in found["remedy"]
    assert "provision.sql" not in found["remedy"]
    assert others["server_log"]["status"] == "ok"


def test_databases_of_others_that_are_open(patient: Patient) -> None:
    """Those of other installations, whose logins are the same, are not meant."""
    open_, close = "GRANT CONNECT ON DATABASE postgres TO PUBLIC", "REVOKE CONNECT ON DATABASE"
    with role(patient.clinic, open_, f"{close} postgres FROM PUBLIC"):
        code, checks = patient.report()
    assert code == 0
    assert checks["other_databases"]["status"] == "warn"
    assert "connect to postgres, this login too" in checks["other_databases"]["detail"]
    remedy = "run migrations/provision.sql again as the owner of postgres"
    assert checks["other_databases"]["remedy"] == remedy
