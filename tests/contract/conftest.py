"""Fixtures of the storage's and the mailers' suites."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.adapters.postgres.storage import PostgresStorage
from tests.support.clock import FixedClock
from tests.support.smtp_relay import Relay, smtp_relay
from tests.support.storage import Opened, RecordedMetrics, opened


@pytest.fixture
def opened_storage(database_url: str) -> Iterator[Opened]:
    """A storage on the worker's database with a pool of ten, closed after the test."""
    with opened(database_url) as storage:
        yield storage


@pytest.fixture
def storage(opened_storage: Opened) -> PostgresStorage:
    return opened_storage.storage


@pytest.fixture
def clock(opened_storage: Opened) -> FixedClock:
    """The clock of `storage`."""
    return opened_storage.clock


@pytest.fixture
def metrics(opened_storage: Opened) -> RecordedMetrics:
    """What `storage` has reported."""
    return opened_storage.metrics


@pytest.fixture
def relay() -> Iterator[Relay]:
    with smtp_relay() as running:
        yield running
