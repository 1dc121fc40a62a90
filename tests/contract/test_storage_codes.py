"""Sign-ups in waiting and the codes that prove an address."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from core.adapters.postgres.storage import PostgresStorage
from core.domain.codes import CodePurpose, OneTimeCode
from tests.contract.test_storage_credentials import pending
from tests.support.clock import START
from tests.support.storage import CONTEXT, IDS, insert_user, opened

VERIFY, RESET = CodePurpose.VERIFY_EMAIL, CodePurpose.RESET_PASSWORD


def new_code(**changes: object) -> OneTimeCode:
    code = OneTimeCode(
        id=IDS.new(),
        purpose=VERIFY,
        email_normalised="ada@example.com",
        registration_id=None,
        user_id=None,
        created_at=START,
        expires_at=START + timedelta(hours=1),
    )
    return replace(code, **changes)  # type: ignore[arg-type]


def insert_code(storage: PostgresStorage, **changes: object) -> OneTimeCode:
    """Committed, with its id as the digest."""
    code = new_code(**changes)
    with storage.write(CONTEXT) as uow:
        uow.codes.insert(code, digest=code.id.bytes)
        uow.commit()
    return code


def test_a_code_is_redeemed_once(storage: PostgresStorage) -> None:
    """What was written comes back; then the code is gone."""
    code = insert_code(storage, registration_id=IDS.new())
    with storage.write(CONTEXT) as uow:
        assert uow.codes.by_id(code.id) == code
        assert uow.codes.redeem(code.id.bytes, {VERIFY}, now=START) == code
        assert uow.codes.redeem(code.id.bytes, {VERIFY}, now=START) is None
        assert uow.codes.by_id(code.id) is None
        uow.commit()


def test_twenty_redemptions_at_once_have_one_winner(
    storage: PostgresStorage, database_url: str
) -> None:
    """However many post one code together, it acts once."""
    code = insert_code(storage)
    start = threading.Barrier(20)

    def attempt(_: int) -> bool:
        start.wait(timeout=30)
        with crowd.storage.write(CONTEXT) as uow:
            redeemed = uow.codes.redeem(code.id.bytes, {VERIFY}, now=START)
            uow.commit()
        return redeemed is not None

    with opened(database_url, database_pool_timeout=20.0) as crowd, ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(attempt, range(20))) == 1


def test_a_rolled_back_redemption_leaves_the_code_good(storage: PostgresStorage) -> None:
    """A refused password, say, costs no new mail."""
    code = insert_code(storage)
    with storage.write(CONTEXT) as uow:
        assert uow.codes.redeem(code.id.bytes, {VERIFY}, now=START)
    with storage.write(CONTEXT) as uow:
        assert uow.codes.redeem(code.id.bytes, {VERIFY}, now=START)


def test_a_code_is_good_for_its_purpose_and_until_its_end(storage: PostgresStorage) -> None:
    """Neither for something else nor at the moment it expires."""
    code = insert_code(storage)
    with storage.write(CONTEXT) as uow:
        assert uow.codes.redeem(code.id.bytes, {RESET}, now=START) is None
        assert uow.codes.redeem(code.id.bytes, {VERIFY}, now=code.expires_at) is None
        assert uow.codes.redeem(b"another digest", {VERIFY}, now=START) is None


def test_looking_at_a_code_uses_nothing_up(storage: PostgresStorage) -> None:
    """It is seen as long as it can be redeemed."""
    code, registration_id = insert_code(storage), IDS.new()
    of_sign_up = insert_code(storage, registration_id=registration_id)
    with storage.write(CONTEXT) as uow:
        for _ in range(2):
            assert uow.codes.good(code.id.bytes, {VERIFY}, now=START) == code
        assert uow.codes.good(of_sign_up.id.bytes, {VERIFY}, now=START) == of_sign_up
        assert uow.codes.good(code.id.bytes, {RESET}, now=START) is None
        assert uow.codes.good(code.id.bytes, {VERIFY}, now=code.expires_at) is None
        assert uow.codes.redeem(code.id.bytes, {VERIFY}, now=START) == code
        assert uow.codes.good(code.id.bytes, {VERIFY}, now=START) is None


def test_the_worker_binds_a_code_to_the_user_it_acts_on(storage: PostgresStorage) -> None:
    user, code = insert_user(storage), insert_code(storage)
    with storage.write(CONTEXT) as uow:
        uow.codes.bind(code.id, user_id=user.id)
        uow.commit()
    with storage.read() as stores:
        assert stores.codes.by_id(code.id) == replace(code, user_id=user.id)


def test_revoking_codes_of_a_user_spares_other_purposes(storage: PostgresStorage) -> None:
    """After a password change no reset link works, and a verification link still does."""
    user = insert_user(storage)
    reset = insert_code(storage, user_id=user.id, purpose=RESET)
    verify = insert_code(storage, user_id=user.id)
    with storage.write(CONTEXT) as uow:
        uow.codes.revoke_for_user(user.id, {RESET}, now=START)
        assert uow.codes.redeem(reset.id.bytes, {RESET}, now=START) is None
        assert uow.codes.redeem(verify.id.bytes, {VERIFY}, now=START) is not None
        uow.commit()


def test_a_sign_up_is_read_back_as_written(storage: PostgresStorage) -> None:
    """Whoever follows the link gets the account that they asked for."""
    email = f"{IDS.new()}@example.com"
    registration = pending(email, username="Ada", profile={"locale": "en", "attributes": {"a": 1}})
    with storage.write(CONTEXT) as uow:
        uow.registrations.insert(registration)
        assert uow.registrations.by_id(registration.id) == registration
        uow.registrations.discard(email)
        assert uow.registrations.by_id(registration.id) is None
        uow.commit()


def test_sign_ups_of_an_address_are_found_and_discarded(storage: PostgresStorage) -> None:
    """Unexpired ones, the newest, or the newest with a password; discarding takes all of this
    address only."""
    email, other = f"{IDS.new()}@example.com", pending(f"{IDS.new()}@example.com")
    made = [
        pending(email, created_at=START + timedelta(minutes=n), password_hash=f"hash {n % 2}")
        for n in (1, 2, 3)
    ]
    with storage.write(CONTEXT) as uow:
        for registration in [*made, pending(email, expires_at=START), other]:
            uow.registrations.insert(registration)
        assert uow.registrations.newest(email, now=START) == made[-1]
        found = [
            uow.registrations.with_password(email, password_hash, now=START)
            for password_hash in ("hash 0", "hash 1", "hash of a sign-up")
        ]
        assert found == [made[1], made[2], None]
        uow.registrations.discard(email)
        assert uow.registrations.newest(email, now=START) is None
        assert uow.registrations.with_password(email, "hash 0", now=START) is None
        assert uow.registrations.by_id(other.id) == other
        uow.commit()


def test_of_sign_ups_in_one_millisecond_the_last_is_the_newest(storage: PostgresStorage) -> None:
    """Their ids rise; the order of writing does not count."""
    email = f"{IDS.new()}@example.com"
    first, second, third = (pending(email) for _ in range(3))
    with storage.write(CONTEXT) as uow:
        for registration in (second, third, first):
            uow.registrations.insert(registration)
        assert uow.registrations.newest(email, now=START) == third
        found = uow.registrations.with_password(email, third.password_hash, now=START)
        assert found == third
        uow.commit()


def test_a_password_of_a_sign_up_is_known_until_it_ends(storage: PostgresStorage) -> None:
    """Whatever becomes of the sign-up; another one with the same password puts the end off."""
    digest, other = IDS.new().bytes, IDS.new().bytes
    with storage.write(CONTEXT) as uow:
        for minutes in (1, 2):
            uow.registrations.keep_password(digest, until=START + timedelta(minutes=minutes))
        uow.registrations.keep_password(other, until=START + timedelta(minutes=9))
        assert uow.registrations.knows_password(digest, now=START + timedelta(seconds=119))
        assert not uow.registrations.knows_password(digest, now=START + timedelta(minutes=2))
        assert not uow.registrations.knows_password(IDS.new().bytes, now=START)
        uow.registrations.forget_password(digest)
        assert not uow.registrations.knows_password(digest, now=START)
        assert uow.registrations.knows_password(other, now=START)
        uow.commit()
