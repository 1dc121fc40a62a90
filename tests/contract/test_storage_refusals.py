"""What the storage refuses, and how it says so: bad input, defects of ours, a schema too old."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import ResourceClosedError

from core.adapters.postgres.failures import StatementFailed
from core.adapters.postgres.storage import PostgresStorage
from core.adapters.runtime import SystemClock
from core.domain.events import Event, EventType
from core.errors import InvalidInput
from tests.support.clock import START
from tests.support.storage import CONTEXT, IDS, insert_user, opened, sql, works


@pytest.mark.parametrize(
    "profile",
    [
        {"display_name": "nul \0"},
        {"display_name": "surrogate \ud800"},
        {"attributes": {"a": "nul \0"}},
        {"attributes": {"a": "surrogate \ud800"}},
        {"attributes": {"nul \0": 1}},
        {"attributes": {"a": 10**30}},
    ],
    ids=ascii,
)
def test_what_cannot_be_stored_is_bad_input(
    storage: PostgresStorage, profile: dict[str, object]
) -> None:
    """Should a check before it have a gap: an InvalidInput, never a failure of ours."""
    with pytest.raises(InvalidInput):
        insert_user(storage, profile=profile)
    assert works(storage)


def test_audited_text_that_cannot_be_stored_is_bad_input(storage: PostgresStorage) -> None:
    """The same for the trail."""
    for text in ("nul \0", "surrogate \udfff"):
        event = Event(type=EventType.USER_CREATED, actor=None, subject=None, details={"text": text})
        with pytest.raises(InvalidInput), storage.write(CONTEXT) as uow:
            uow.record(event)


def test_a_defect_of_ours_tells_no_personal_data(storage: PostgresStorage) -> None:
    """The error names code, constraint and statement; PostgreSQL's message would quote the row."""
    user = insert_user(storage, profile={"given_name": "Rumpelstiltskin"})
    wrong = {"status": "sleeping"}
    with (
        pytest.raises(StatementFailed, match="23514 ck_users_status") as failed,
        storage.write(CONTEXT) as uow,
    ):
        uow.users.update(user.id, wrong, expected_version=None, now=START)
    assert "Rumpelstiltskin" not in str(failed.value)
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__


def test_a_statement_after_the_commit_fails(storage: PostgresStorage) -> None:
    """It would be rolled back without a word otherwise."""
    with storage.write(CONTEXT) as uow:
        uow.commit()
        with pytest.raises(ResourceClosedError, match="closed"):
            uow.users.by_id(IDS.new())


def test_readiness_tells_the_schema_from_the_database(
    storage: PostgresStorage, database_url: str
) -> None:
    """A schema newer than needed fits (expand and contract); an older one does not."""
    readiness = storage.readiness()
    assert (readiness.database, readiness.schema, readiness.standby) == (True, True, False)
    for required, fits in (("0001", True), ("0099", False)):
        with opened(database_url) as crowd:
            crowd.storage._required_revision = required
            assert crowd.storage.readiness().schema is fits


@pytest.mark.parametrize("seconds", [0, 7, -7])
def test_a_look_at_the_database_compares_the_clocks(database_url: str, seconds: int) -> None:
    """By the statement that is sent anyway; ahead is positive, as the metric says."""
    with opened(database_url) as watched:
        now = SystemClock().now() + timedelta(seconds=seconds)
        watched.clock.advance(seconds=(now - watched.clock.now()).total_seconds())
        watched.storage.readiness()
        took = SystemClock().now() - (now - timedelta(seconds=seconds))
        [ahead] = watched.metrics.clocks
        # The clock of the test stands, and the database was asked at some moment meanwhile.
        assert abs(ahead - timedelta(seconds=seconds)) <= took + timedelta(milliseconds=1)
        assert watched.metrics.queries == [("select", "other"), ("select", "alembic_version")]


def test_times_are_utc_whatever_the_zone_of_the_server(storage: PostgresStorage) -> None:
    """The role's TimeZone is UTC, so that what is read is what was written, in UTC."""
    assert sql(storage, "SHOW TimeZone") == "UTC"
    user = insert_user(storage)
    with storage.read() as stores:
        found = stores.users.by_id(user.id)
    assert found is not None
    assert (found.created_at, found.created_at.utcoffset()) == (user.created_at, timedelta())
