"""Sessions and their rotation in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from core.adapters.postgres.storage import PostgresStorage
from core.domain.session import MOST_SESSIONS, RevokeReason, Session
from core.domain.user import UserStatus
from tests.support.clock import START
from tests.support.row_locks import held
from tests.support.storage import (
    CONTEXT,
    IDS,
    insert_session,
    insert_user,
    new_session,
    opened,
    query,
)

SECOND = timedelta(seconds=1)
CLIENT = b"client"


def rotate(
    storage: PostgresStorage, session: Session, generation: int, **changes: object
) -> Session | None:
    """A refresh a second after the login, committed."""
    arguments = {
        "client_key": CLIENT,
        "sliding_until": START + timedelta(hours=2),
        "now": START + SECOND,
        **changes,
    }
    with storage.write(CONTEXT) as uow:
        rotated = uow.sessions.rotate(session.id, generation, **arguments)  # type: ignore[arg-type]
        uow.commit()
    return rotated


@pytest.fixture
def session(storage: PostgresStorage) -> Session:
    return insert_session(storage, insert_user(storage).id)


@pytest.fixture
def later_epoch(database_url: str, owner_url: str) -> Iterator[None]:
    """Epoch 2, raised for a window that began half a second after START."""
    query(
        owner_url,
        "INSERT INTO recovery_epochs VALUES (2, 'window', %s, %s)",
        (START + SECOND / 2, START + SECOND),
    )
    yield
    query(owner_url, "DELETE FROM recovery_epochs WHERE epoch = 2")


def test_a_session_is_read_back_as_written(storage: PostgresStorage, session: Session) -> None:
    """Every field survives the way through the database; an unknown id gives None."""
    with storage.read() as stores:
        assert stores.sessions.get(session.id) == session
        assert stores.sessions.rotated_by(session.id) is None
        assert stores.sessions.get(IDS.new()) is None


def test_a_rotation_makes_the_next_generation(storage: PostgresStorage, session: Session) -> None:
    """The successor has slid on, knows who asked, and is what is read from then on."""
    rotated = rotate(storage, session, 0)
    assert rotated is not None
    assert (rotated.generation, rotated.rotated_at) == (1, START + SECOND)
    assert rotated.last_used_at == START + SECOND
    assert rotated.expires_at == START + timedelta(hours=2)
    with storage.read() as stores:
        assert stores.sessions.get(session.id) == rotated
        assert stores.sessions.rotated_by(session.id) == CLIENT


def test_a_session_never_slides_past_its_absolute_end(
    storage: PostgresStorage, session: Session
) -> None:
    """`expires_at` becomes the lesser of the two."""
    rotated = rotate(storage, session, 0, sliding_until=START + timedelta(days=9))
    assert rotated is not None
    assert rotated.expires_at == session.absolute_expires_at


def test_fifty_rotations_at_once_have_one_winner(
    storage: PostgresStorage, database_url: str, superuser_url: str, session: Session
) -> None:
    """However many present one refresh token together, there is exactly one successor."""

    def attempt(_: int) -> bool:
        return rotate(crowd.storage, session, 0) is not None

    lock = "SELECT FROM sessions WHERE id = %(id)s FOR UPDATE"
    with (
        opened(database_url, database_pool_size=10, database_pool_timeout=60.0) as crowd,
        ThreadPoolExecutor(50) as pool,
    ):
        # Held until all connections wait for it: what is read before the update is read by all.
        with held(superuser_url, lock, of=str(session.id)) as holding:
            winners = pool.map(attempt, range(50))
            holding.until(10)
        assert sum(winners) == 1
    with storage.read() as stores:
        found = stores.sessions.get(session.id)
    assert found is not None
    assert found.generation == 1


def test_a_dead_session_does_not_rotate(storage: PostgresStorage, session: Session) -> None:
    """Another generation, an expired or a revoked session give None."""
    assert rotate(storage, session, 1) is None
    assert rotate(storage, session, 0, now=session.expires_at) is None
    with storage.write(CONTEXT) as uow:
        reason = RevokeReason.LOGOUT
        assert uow.sessions.revoke(session.id, user_id=session.user_id, reason=reason, now=START)
        uow.commit()
    assert rotate(storage, session, 0) is None


def test_a_suspended_user_does_not_rotate(storage: PostgresStorage, session: Session) -> None:
    """Suspension ends refreshing at once, without touching the session."""
    with storage.write(CONTEXT) as uow:
        status = {"status": UserStatus.SUSPENDED}
        uow.users.update(session.user_id, status, expected_version=None, now=START)
        uow.commit()
    assert rotate(storage, session, 0) is None


@pytest.mark.usefixtures("later_epoch")
def test_a_recovery_epoch_refuses_the_sessions_of_its_window(storage: PostgresStorage) -> None:
    """What was issued in the window that may be lost does not rotate; what is older does."""
    user = insert_user(storage)
    before = insert_session(storage, user.id, started=START)
    within = insert_session(storage, user.id, started=START + SECOND)
    assert rotate(storage, within, 0, now=START + 2 * SECOND) is None
    rotated = rotate(storage, before, 0, now=START + 2 * SECOND)
    assert rotated is not None
    assert rotated.epoch == 2


@pytest.mark.usefixtures("later_epoch")
def test_what_an_old_session_is_given_after_an_epoch_is_good(storage: PostgresStorage) -> None:
    """The successor belongs to the new epoch, so that its access token and next refresh pass."""
    session = insert_session(storage, insert_user(storage).id)
    now = START + 2 * SECOND
    rotated = rotate(storage, session, 0, now=now)
    assert rotated is not None
    with storage.read() as stores:
        assert stores.principals.principal(
            session.id, user_id=session.user_id, epoch=rotated.epoch, issued_at=now, now=now
        )
    assert rotate(storage, session, 1, now=now + SECOND) is not None


def test_only_the_owner_revokes_and_only_once(storage: PostgresStorage, session: Session) -> None:
    """Somebody else's, a revoked and an expired session all give False."""

    def revoke(user_id: object, now: object = START) -> bool:
        with storage.write(CONTEXT) as uow:
            done = uow.sessions.revoke(
                session.id,
                user_id=user_id,  # type: ignore[arg-type]
                reason=RevokeReason.USER_REVOKED,
                now=now,  # type: ignore[arg-type]
            )
            uow.commit()
        return done

    assert not revoke(IDS.new())
    assert not revoke(session.user_id, session.expires_at)
    assert revoke(session.user_id)
    assert not revoke(session.user_id)


def test_revoking_all_names_what_was_alive(storage: PostgresStorage, session: Session) -> None:
    """Ids of living sessions of that user; others go on."""
    second = insert_session(storage, session.user_id)
    insert_session(storage, session.user_id, expires_at=START)
    stranger = insert_session(storage, insert_user(storage).id)
    with storage.write(CONTEXT) as uow:
        reason = RevokeReason.LOGOUT_ALL
        ended = uow.sessions.revoke_all(session.user_id, reason=reason, now=START)
        uow.commit()
    assert ended == sorted([session.id, second.id])
    with storage.read() as stores:
        alive = stores.sessions.of_user(session.user_id, now=START, after=None, limit=9)
        assert list(alive) == []
        left = stores.sessions.of_user(stranger.user_id, now=START, after=None, limit=9)
        assert [found.id for found in left] == [stranger.id]


def test_pages_show_each_living_session_once(storage: PostgresStorage) -> None:
    """Newest first by time and id, also where many share one moment; dead ones are left out."""
    user = insert_user(storage)
    with storage.write(CONTEXT) as uow:
        moments = [START, START, START, START + SECOND, START + SECOND, START - SECOND]
        made = [new_session(user.id, started=moment) for moment in moments]
        for session in [*made, new_session(user.id, expires_at=START)]:
            uow.sessions.insert(session)
        uow.commit()
    seen: list[Session] = []
    with storage.read() as stores:
        while page := stores.sessions.of_user(
            user.id,
            now=START,
            after=(seen[-1].created_at, seen[-1].id) if seen else None,
            limit=2,
        ):
            assert len(page) <= 2
            seen += page
    assert seen == sorted(made, key=lambda each: (each.created_at, each.id), reverse=True)


def test_rotations_stay_in_their_page(storage: PostgresStorage, session: Session) -> None:
    """A refresh touches no index: PostgreSQL counts it as a heap-only update."""
    count = (
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'sessions'"
    )
    with storage.write(CONTEXT) as uow:
        connection = uow.sessions._connection
        before = connection.exec_driver_sql(count).one()
        for generation in range(3):
            assert uow.sessions.rotate(
                session.id,
                generation,
                client_key=CLIENT,
                sliding_until=START + timedelta(hours=2),
                now=START + SECOND,
            )
        after = connection.exec_driver_sql(count).one()
    assert (after[0] - before[0], after[1] - before[1]) == (3, 3)


def test_the_oldest_sessions_of_too_many_end(storage: PostgresStorage, owner_url: str) -> None:
    """So that ending all of them fits into the time of one statement: else whoever knows the
    password could make an account that nobody can suspend."""
    user, stranger = insert_user(storage), insert_user(storage)
    query(
        owner_url,
        "INSERT INTO sessions (id, user_id, client_id, amr, epoch, generation, authenticated_at,"
        " created_at, last_used_at, expires_at, absolute_expires_at)"
        " SELECT gen_random_uuid(), owner, 'x', '{pwd}', 1, 0, now(),"
        " %s - number * interval '1 ms', now(), %s, %s"
        " FROM generate_series(1, %s) AS numbers (number), unnest(%s::uuid[]) AS owners (owner)",
        (
            START,
            START + SECOND,
            START + SECOND,
            MOST_SESSIONS + 149,
            [str(user.id), str(stranger.id)],
        ),
    )
    alive = (
        "SELECT count(*), min(created_at) FROM sessions WHERE revoked_at IS NULL AND user_id = %s"
    )
    for left, ended in ((MOST_SESSIONS + 50, 100), (MOST_SESSIONS, 51), (MOST_SESSIONS, 1)):
        with storage.write(CONTEXT) as uow:
            assert len(uow.sessions.insert(new_session(user.id))) == ended
            uow.commit()
        assert query(owner_url, alive, (str(user.id),))[0][0] == left
    oldest = query(owner_url, alive, (str(user.id),))[0][1]
    assert oldest == START - (MOST_SESSIONS - 3) * timedelta(milliseconds=1)
    assert query(owner_url, alive, (str(stranger.id),))[0][0] == MOST_SESSIONS + 149


def test_a_login_waits_for_nobody_who_ends_its_surplus(
    storage: PostgresStorage, owner_url: str
) -> None:
    """Two that end many sessions in different orders would lock each other."""
    user = insert_user(storage)
    made = [
        insert_session(storage, user.id, started=START + number * SECOND)
        for number in range(MOST_SESSIONS)
    ]
    with storage.write(CONTEXT) as other:
        assert other.sessions.revoke(
            made[0].id, user_id=user.id, reason=RevokeReason.LOGOUT, now=START
        )
        with storage.write(CONTEXT) as uow:
            late = START + timedelta(minutes=30)
            assert uow.sessions.insert(new_session(user.id, started=late)) == []
            uow.commit()
