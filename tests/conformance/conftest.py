"""Fixtures of the conformance suite alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.doctor import Clinic, Patient


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    with Clinic.opened(tmp_path_factory.mktemp("clinic")) as opened:
        yield opened


@pytest.fixture
def patient(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Patient]:
    with clinic.database() as name:
        yield Patient(clinic, name, clinic.settings(name), monkeypatch, capsys)
