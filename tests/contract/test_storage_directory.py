"""Finding users in PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, count
from typing import Any

import pytest

from core.adapters.postgres import directory
from core.adapters.postgres.storage import PostgresStorage
from core.domain.directory import UserQuery, UserSort
from core.domain.user import User, UserStatus
from core.errors import InvalidCursor
from core.ports.account_stores import LISTING
from tests.support.clock import START
from tests.support.crowd import between, expected, gather, ids_of, walk
from tests.support.storage import IDS, RecordedMetrics, insert_user

DAY = timedelta(days=1)
ERAS = (datetime(1990, 1, 1, tzinfo=UTC) + timedelta(days=10 * number) for number in count())
ORDERS = [(sort, descending) for sort in UserSort for descending in (False, True)]
FILTERS: dict[str, object] = {
    "search": "aNn",
    "status": UserStatus.ACTIVE,
    "role": "support",
    "created_after": timedelta(minutes=3),
    "created_before": timedelta(minutes=16),
}


@pytest.fixture
def era() -> datetime:
    """A day that no other test has made users on."""
    return next(ERAS)


@pytest.fixture(scope="module")
def together() -> dict[str, Any]:
    """What the tests of this module share."""
    return {}


@pytest.fixture
def crowd(storage: PostgresStorage, together: dict[str, Any]) -> tuple[datetime, list[User]]:
    """Sixty users, made once, and the day they were made on."""
    if not together:
        begin = next(ERAS)
        together.update(begin=begin, users=gather(storage, size=60, begin=begin))
    return together["begin"], together["users"]


@pytest.fixture(params=[1000, 5])
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Wider than the crowd, or so narrow that few pages are found in it."""
    size: int = request.param
    monkeypatch.setattr(directory, "_WINDOW", size / LISTING.rows)
    return size


@pytest.mark.usefixtures("window")
@pytest.mark.parametrize(("sort", "descending"), ORDERS)
def test_a_list_holds_whom_it_asks_for_in_its_order(
    storage: PostgresStorage,
    crowd: tuple[datetime, list[User]],
    sort: UserSort,
    descending: bool,
) -> None:
    """With every filter alone and with every combination of them, page by page."""
    begin, users = crowd
    everybody = between(begin, begin + DAY, UserQuery(sort=sort, descending=descending))
    sizes = set()
    for size in range(len(FILTERS) + 1):
        for names in combinations(FILTERS, size):
            given = {name: FILTERS[name] for name in names}
            for name in ("created_after", "created_before"):
                if name in given:
                    given[name] = begin + FILTERS[name]  # type: ignore[operator]
            query = replace(everybody, **given)  # type: ignore[arg-type]
            found = expected(users, query)
            sizes.add(len(found))
            assert ids_of(storage, query, limit=11) == found, names
    assert max(sizes) == len(users)
    assert 0 < min(sizes) < 5


@pytest.mark.parametrize(("sort", "descending"), ORDERS)
@pytest.mark.parametrize("limit", [1, 3, 30])
def test_a_page_may_end_anywhere(
    storage: PostgresStorage,
    crowd: tuple[datetime, list[User]],
    sort: UserSort,
    descending: bool,
    limit: int,
) -> None:
    """Among users made at one moment, and between those who logged in and those who never did."""
    begin, users = crowd
    query = between(begin, begin + DAY, UserQuery(sort=sort, descending=descending))
    assert ids_of(storage, query, limit=limit) == expected(users, query)


@pytest.mark.usefixtures("window")
@pytest.mark.parametrize(("sort", "descending"), ORDERS)
def test_users_who_join_meanwhile_move_nobody(
    storage: PostgresStorage, era: datetime, sort: UserSort, descending: bool
) -> None:
    """Whoever was there before the first page stands on exactly one page."""
    users = gather(storage, size=20, begin=era)
    query = between(era, era + DAY, UserQuery(sort=sort, descending=descending))
    seen = []
    for page in walk(storage, query, limit=4):
        seen += [user.id for user in page]
        if len(seen) < 20:
            gather(storage, size=6, begin=era)
    assert len(seen) == len(set(seen))
    before = {user.id for user in users}
    assert [user_id for user_id in seen if user_id in before] == expected(users, query)


def test_a_login_moves_its_user(storage: PostgresStorage, era: datetime) -> None:
    """From among those who never logged in to the latest of all."""
    users = gather(storage, size=4, begin=era)
    query = between(era, era + DAY, UserQuery(sort=UserSort.LAST_LOGIN_AT))
    quiet = users[0]
    assert ids_of(storage, query)[0] != quiet.id
    with storage.read() as stores:
        stores.users.record_login(quiet.id, now=era + DAY)
    assert ids_of(storage, query)[0] == quiet.id


def test_the_whole_address_finds_one_user(storage: PostgresStorage, era: datetime) -> None:
    """And nobody else, not even who is called so."""
    users = gather(storage, size=3, begin=era)
    insert_user(storage, created_at=era, profile={"display_name": users[1].email})
    assert ids_of(storage, UserQuery(email=users[1].email)) == [users[1].id]
    assert ids_of(storage, UserQuery(email="nobody@example.com")) == []


@pytest.mark.parametrize(
    ("wanted", "name", "found"),
    [
        ("100%", "100% Ada", True),
        ("100%", "1000 Ada", False),
        ("a_c", "a_c", True),
        ("a_c", "abc", False),
        ("a\\b", "a\\b", True),
        ("a\\b", "ab", False),
        ("a\\%", "a\\%", True),
        ("a\\%", "a\\b", False),
        ("\\\\\\", "\\\\\\", True),
        ("___", "abc", False),
        ("%%%", "abc", False),
        ("' OR", "d' or, Count", True),
        ("LOVEL", "Lovelace", True),
        ("lovel", "LOVELACE", True),
        ("ZOË", "zoë", True),
        ("zoë", "ZOË", True),
        ("zoe", "Zoë", False),
        ("ван", "ИВАНОВ", True),
        ("ΛΌΓ", "λόγος", True),
        ("川一郎", "中川一郎", True),
        ("🦊🦊🦊", "Fox 🦊🦊🦊", True),
        ("da lo", "Ada Lovelace", True),
        ("...", "Ada", False),
        ("ace", "Ada", False),
    ],
)
@pytest.mark.parametrize("field", ["display_name", "given_name", "family_name"])
def test_a_search_finds_a_part_of_a_name(
    storage: PostgresStorage, era: datetime, field: str, wanted: str, name: str, found: bool
) -> None:
    """In any case, with every character meaning itself."""
    user = insert_user(storage, created_at=era, email=f"{era:%s}@x.example", profile={field: name})
    query = between(era, era + DAY, UserQuery(search=wanted))
    assert ids_of(storage, query) == ([user.id] if found else [])


def test_a_search_finds_a_part_of_address_and_username(
    storage: PostgresStorage, era: datetime
) -> None:
    """As they were typed, in any case."""
    mark = IDS.new().hex[-8:]
    email = f"Some.{mark}@example.com"
    user = insert_user(
        storage,
        created_at=era,
        email=email,
        email_normalised=email.lower(),
        username=f"User-{mark}",
    )
    for wanted in (f"some.{mark}@", f"E.{mark}@EXA", f"user-{mark}", f"R-{mark}"):
        assert ids_of(storage, between(era, era + DAY, UserQuery(search=wanted))) == [user.id]


@pytest.mark.parametrize("wanted", ["adalov", "ada lov", "comada"])
def test_a_search_finds_nothing_across_two_fields(
    storage: PostgresStorage, era: datetime, wanted: str
) -> None:
    """The end of one and the beginning of the next are not one text."""
    names = {"given_name": "Ada", "family_name": "Lovelace"}
    insert_user(storage, created_at=era, profile=names)
    assert ids_of(storage, between(era, era + DAY, UserQuery(search=wanted))) == []


@pytest.mark.parametrize(
    ("sort", "after"),
    [
        (UserSort.CREATED_AT, ("yesterday", str(IDS.new()))),
        (UserSort.CREATED_AT, ("2030-01-01T00:00:00", str(IDS.new()))),
        (UserSort.CREATED_AT, (START.isoformat(), "1")),
        (UserSort.CREATED_AT, ("", str(IDS.new()))),
        (UserSort.CREATED_AT, (START.isoformat(),)),
        (UserSort.CREATED_AT, (START.isoformat(), str(IDS.new()), "")),
        (UserSort.CREATED_AT, (1, 2)),
        (UserSort.LAST_LOGIN_AT, ("-infinity", str(IDS.new()))),
        (UserSort.LAST_LOGIN_AT, ("2030-01-01T00:00:00", str(IDS.new()))),
        (UserSort.LAST_LOGIN_AT, ("", "x")),
        (UserSort.EMAIL, ("a\x00b", str(IDS.new()))),
        (UserSort.EMAIL, ("\ud800", str(IDS.new()))),
        (UserSort.EMAIL, (None, str(IDS.new()))),
    ],
)
def test_a_position_of_another_list_is_refused(
    storage: PostgresStorage, sort: UserSort, after: Any
) -> None:
    """Whatever it is made of; the database is not asked."""
    with storage.read() as stores, pytest.raises(InvalidCursor):
        stores.users.page(UserQuery(sort=sort), after=after, limit=5)


def test_a_page_is_one_statement_or_two(
    storage: PostgresStorage, metrics: RecordedMetrics, era: datetime
) -> None:
    """One where an index holds just what fits, or where many fit; counted for the table that it
    goes through."""
    gather(storage, size=12, begin=era)
    users, logins = ("select", "users"), ("select", "user_logins")
    for sort, first in zip(UserSort, (users, users, logins), strict=True):
        everybody = UserQuery(sort=sort)
        for query, limit, sent in (
            (everybody, 5, [first]),
            (replace(everybody, email="a@example.com"), 5, [first]),
            (replace(everybody, search="example"), 5, [first]),
            (replace(everybody, role="nobody's"), 5, [first, users]),
        ):
            metrics.queries.clear()
            with storage.read() as stores:
                stores.users.page(query, after=None, limit=limit)
            assert metrics.queries == sent, query
