"""A search that the first users of its order do not answer, with a bound on what it looks at.

An index of trigrams finds who may fit, and each of them has to be read. Where every trigram is
common those are everybody. So a sample of the table tells first how many users have the rarest
piece of what is searched for, and how many meet the other conditions: the rarer of the two leads to
the candidates, and where both are common nothing is looked through (docs/decisions/0020).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import (
    ARRAY,
    Connection,
    Float,
    Integer,
    Text,
    bindparam,
    func,
    literal_column,
    select,
)

from core.adapters.postgres.lookups import Lookup, array
from core.adapters.postgres.tables import users
from core.adapters.postgres.user_pages import (
    Shape,
    among_candidates,
    behind_window,
    candidate_columns,
    conditions_on,
    within_window,
)
from core.domain.user import User
from core.errors import SearchTooBroad
from core.ports.account_stores import Effort

# What pg_trgm keeps of a word, besides its first and last letters.
PIECE = 3
_WORD = re.compile(r"[^\W_]+")
_MOST_PIECES = 12
_SEARCH = frozenset({"search"})
_OF_TIME = frozenset({"created_after", "created_before"})

# Some thousand users, in a few milliseconds.
_BLOCKS = 40
# A sample errs: to twice the bound, the candidates themselves are counted.
_MARGIN = 2
# Of the rows of an effort: passed in the order, when what is searched for is not rare in it.
_WIDE = 1 / 2

_BLOCKS_IN_ALL: Lookup[int] = Lookup(
    select(
        literal_column(
            "pg_relation_size('users'::regclass) / current_setting('block_size')::int", Integer
        )
    ),
    lambda row: int(row[0]),
)


def pieces_of(text: str) -> list[str]:
    """What everybody has who has `text`: pieces of its words, each once, spread over it."""
    found = list(
        dict.fromkeys(
            word[at : at + PIECE]
            for word in _WORD.findall(text)
            for at in range(len(word) - PIECE + 1)
        )
    )
    step = -(-len(found) // _MOST_PIECES) or 1
    return found[::step]


@lru_cache(maxsize=32)
def _sample(others: frozenset[str]) -> Lookup[tuple[int, int]]:
    """Of the users in `percent` of the table's blocks, always the same ones: how many have the
    rarest of `pieces`, and meet the rarest of the `others`; all of them, where none is given."""
    blocks = users.tablesample(
        func.system(bindparam("percent", type_=Float)), seed=literal_column("0")
    )
    sampled = select(*candidate_columns(blocks)).cte("sampled").prefix_with("MATERIALIZED")
    counted = select(func.count()).select_from(sampled)
    unnested = func.unnest(bindparam("pieces", type_=ARRAY(Text)))
    wanted = unnested.table_valued("piece").render_derived(name="wanted")
    having = sampled.c.searched.like(func.lower("%" + wanted.c.piece + "%"))
    each = counted.where(having).correlate(wanted).scalar_subquery()
    counts = array(select(each).select_from(wanted))
    # Both ends of a time bound one part of one index.
    time, single = others & _OF_TIME, others - _OF_TIME
    parts = [{name} for name in sorted(single)] + ([time] if time else [])
    meeting = [counted.where(*conditions_on(sampled, part)).scalar_subquery() for part in parts]
    statement = select(counted.scalar_subquery(), counts, *meeting)
    return Lookup(statement, lambda row: (min([row[0], *row[1]]), min([row[0], *row[2:]])))


@dataclass(frozen=True)
class Search:
    """One page of a search for `text`; `parameters` are those of all statements of the shape."""

    connection: Connection
    text: str
    shape: Shape
    parameters: dict[str, object]
    limit: int
    effort: Effort

    def behind_window(self, window: int, found: list[User]) -> list[User]:
        """The page, when the next `window` users of the order held no more than `found`.

        Raises:
            SearchTooBroad
        """
        if self._ends_within(window):
            return found
        wide = round(self.effort.rows * _WIDE)
        likely = len(found) * wide >= self.limit * window
        page = self._in_window(wide) if likely else None
        if page is not None:
            return page
        leading = self._rarest()
        page = self._among(leading) if leading else None
        if page is None:
            self.effort.costly()
            # Those who have it are too many to be gathered: so many are found in any order.
            page = self._in_window(wide) if leading == _SEARCH and not likely else None
        if page is None:
            raise SearchTooBroad
        return page

    def _rarest(self) -> frozenset[str]:
        """The conditions that few users meet: the search, or the others. None, where many do."""
        others = self.shape.conditions - _SEARCH
        blocks = _BLOCKS_IN_ALL.one(self.connection)
        share = min(1.0, _BLOCKS / blocks) if blocks else 1.0
        sampled = _sample(others).one(
            self.connection, percent=100 * share, pieces=pieces_of(self.text), **self.parameters
        )
        having, meeting = sampled or (0, 0)
        if min(having, meeting) > _MARGIN * self.effort.rows * share:
            return frozenset()
        return _SEARCH if having <= meeting else others

    def _among(self, leading: frozenset[str]) -> list[User] | None:
        """None when there are more candidates than may be looked at."""
        rows = among_candidates(self.shape, leading).all(
            self.connection, most=self.effort.rows + 1, **self.parameters
        )
        if rows[0][1] > self.effort.rows:
            return None
        return [user for user, _ in rows if user is not None]

    def _in_window(self, window: int) -> list[User] | None:
        """None when it does not fill the page, and is not the rest of the order."""
        found = within_window(self.shape).all(self.connection, window=window, **self.parameters)
        return found if len(found) == self.limit or self._ends_within(window) else None

    def _ends_within(self, window: int) -> bool:
        """Whether that was all. The window was another statement's, and users may have gone since:
        not so many."""
        least = window - window // 10
        behind = behind_window(self.shape).one(self.connection, window=least, **self.parameters)
        return behind is None
