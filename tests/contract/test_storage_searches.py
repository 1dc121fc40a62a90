"""Searches that may look at few users only: all pages, or the problem, and never a short answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, product

import pytest

from core.adapters.postgres.searches import pieces_of
from core.adapters.postgres.storage import PostgresStorage
from core.domain.directory import UserQuery, UserSort
from core.domain.user import User, UserStatus
from core.errors import SearchTooBroad
from core.ports.account_stores import Effort
from handler.local.postgres import APPLICATION, LocalPostgres
from tests.support.crowd import expected, gather, ids_of, walk
from tests.support.databases import migrated
from tests.support.storage import Opened, RecordedMetrics, insert_user, opened

ORDERS = [(sort, descending) for sort in UserSort for descending in (False, True)]
NOBODY = "@example.com@"
DATABASE = "searched"
# A window of 2 users and one of 20; more than twice 40 are in the database.
FEW = 40
_BEFORE = datetime(1979, 1, 1, tzinfo=UTC)
_ERAS = (datetime(1980, 1, 1, tzinfo=UTC) + timedelta(days=number) for number in count())


@pytest.fixture(scope="module")
def own_url(postgres: LocalPostgres) -> Iterator[str]:
    """Of a database in which 141 users are, every second one called Ann."""
    url = postgres.url(role=APPLICATION, database=DATABASE)
    with migrated(postgres, DATABASE):
        with opened(url) as own:
            gather(own.storage, size=140, begin=next(_ERAS))
            insert_user(own.storage, created_at=next(_ERAS), status=UserStatus.DEACTIVATED)
        yield url


@pytest.fixture
def opened_storage(own_url: str) -> Iterator[Opened]:
    with opened(own_url) as storage:
        yield storage


@pytest.fixture
def everybody(storage: PostgresStorage) -> list[User]:
    return [user for page in walk(storage, UserQuery(), limit=200) for user in page]


def pages(
    storage: PostgresStorage, query: UserQuery, *, limit: int, rows: int
) -> Iterator[list[User] | None]:
    """To the end, or to a None for a page that is too broad."""
    after = None
    while True:
        page = found(storage, query, after=after, limit=limit, effort=Effort(rows=rows))
        yield page
        if page is None or len(page) < limit:
            return
        after = query.position(page[-1])


def found(
    storage: PostgresStorage,
    query: UserQuery,
    *,
    after: tuple[str, str] | None = None,
    limit: int = 10,
    effort: Effort,
) -> list[User] | None:
    with storage.read() as stores:
        try:
            return list(stores.users.page(query, after=after, limit=limit, effort=effort))
        except SearchTooBroad:
            return None


@pytest.mark.parametrize(("sort", "descending"), ORDERS)
def test_what_a_search_shows_is_all_up_to_there(
    storage: PostgresStorage, everybody: list[User], sort: UserSort, descending: bool
) -> None:
    """Compared with everybody looked at one by one: full pages, and then the end or the problem."""
    ended: dict[int, set[bool]] = {}
    for wanted, status, role, rows in product(
        ("ann", "example", NOBODY, "nnö", "0-0", everybody[3].email[9:]),
        (None, UserStatus.SUSPENDED, UserStatus.DEACTIVATED),
        (None, "support"),
        (20, FEW, 20_000),
    ):
        query = UserQuery(search=wanted, status=status, role=role, sort=sort, descending=descending)
        limit = 3 if wanted == "ann" else 11
        shown = list(pages(storage, query, limit=limit, rows=rows))
        ended.setdefault(rows, set()).add(shown[-1] is not None)
        seen = [user.id for page in shown if page is not None for user in page]
        assert seen == expected(everybody, query)[: len(seen)], query
        if shown[-1] is not None:
            assert seen == expected(everybody, query), query
    assert ended[20_000] == {True}
    assert ended[20] == ended[FEW] == {True, False}


@pytest.mark.parametrize(("sort", "descending"), ORDERS)
def test_letters_of_everybody_that_nobody_has_are_too_broad(
    storage: PostgresStorage, sort: UserSort, descending: bool, metrics: RecordedMetrics
) -> None:
    """Alone, and with filters that many meet; few statements find that out."""
    for filters in ({}, {"status": UserStatus.ACTIVE}, {"created_after": _BEFORE}):
        query = UserQuery(search=NOBODY, sort=sort, descending=descending, **filters)
        told: list[bool] = []
        metrics.queries.clear()
        effort = Effort(rows=FEW, costly=partial(told.append, True))
        assert found(storage, query, effort=effort) is None
        assert told == [True]
        assert len(metrics.queries) <= 5


@pytest.mark.parametrize(("sort", "descending"), ORDERS)
def test_few_who_meet_another_filter_are_looked_through(
    storage: PostgresStorage, everybody: list[User], sort: UserSort, descending: bool
) -> None:
    """However common the letters are, and whoever asks is not told to be costly."""
    told: list[bool] = []
    effort = Effort(rows=FEW, costly=lambda: told.append(True))
    for wanted in (NOBODY, "example", "xmpl"):
        query = UserQuery(
            search=wanted, status=UserStatus.DEACTIVATED, sort=sort, descending=descending
        )
        page = found(storage, query, effort=effort)
        assert page is not None
        assert [user.id for user in page] == expected(everybody, query)
    assert told == []


@pytest.mark.parametrize(("sort", "descending"), ORDERS)
def test_few_who_were_made_between_two_times_are_looked_through(
    storage: PostgresStorage, everybody: list[User], sort: UserSort, descending: bool
) -> None:
    """Though many were made after the one, and many before the other."""
    begin = sorted(user.created_at for user in everybody)[60]
    for wanted in (NOBODY, "example"):
        query = UserQuery(
            search=wanted,
            created_after=begin,
            created_before=begin + timedelta(minutes=5),
            sort=sort,
            descending=descending,
        )
        page = found(storage, query, limit=50, effort=Effort(rows=FEW))
        assert page is not None
        assert [user.id for user in page] == expected(everybody, query)


@pytest.mark.usefixtures("everybody")
def test_few_who_have_what_is_searched_for_are_found(storage: PostgresStorage) -> None:
    """By pieces that are rare, beside others that everybody has."""
    email = "rare.quxly@example.com"
    user = insert_user(storage, created_at=next(_ERAS), email=email, email_normalised=email)
    for wanted in ("quxly@example.com", "RARE.QUX", "uxl"):
        for sort, descending in ORDERS:
            query = UserQuery(search=wanted, sort=sort, descending=descending)
            page = found(storage, query, effort=Effort(rows=FEW))
            assert page is not None
            assert [each.id for each in page] == [user.id]


@pytest.mark.usefixtures("everybody")
def test_the_same_search_gets_the_same_answer(storage: PostgresStorage) -> None:
    """The sample is always the same, and no clock decides."""
    for wanted, rows, too_broad in (("ann", FEW, True), ("ann", 1000, False)):
        query = UserQuery(search=wanted, sort=UserSort.EMAIL)
        answers = [found(storage, query, effort=Effort(rows=rows)) for _ in range(5)]
        assert (answers[0] is None) is too_broad
        assert too_broad or answers[0]
        assert answers == [answers[0]] * 5


def test_lists_without_a_search_are_never_too_broad(
    storage: PostgresStorage, everybody: list[User]
) -> None:
    for sort, descending in ORDERS:
        query = UserQuery(role="support", sort=sort, descending=descending)
        shown = [page or [] for page in pages(storage, query, limit=7, rows=20)]
        assert [user.id for page in shown for user in page] == expected(everybody, query)
    assert ids_of(storage, UserQuery(role="nobody's")) == []


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Ada", ["Ada"]),
        ("@example.com@", ["exa", "xam", "amp", "mpl", "ple", "com"]),
        ("ada ada", ["ada"]),
        ("a.b_cd", []),
        ("x_100%", ["100"]),
        ("НАДЯ", ["НАД", "АДЯ"]),
    ],
)
def test_pieces_are_three_letters_of_one_word(text: str, pieces: list[str]) -> None:
    assert pieces_of(text) == pieces


def test_a_long_text_has_few_pieces() -> None:
    """Counting each costs a look at all of the sample."""
    pieces = pieces_of("".join(chr(ord("a") + number % 26) * 2 for number in range(100)))
    assert 6 <= len(pieces) <= 12
