"""One change of one file, for `scripts.mutants`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One change of one file. `start` and `end` are offsets in bytes; `before` and `after` say it.

    `lines` are the first and the last line of the statement, `text` is that of `line`; `names` are
    what else leads to it: the names that a statement outside of functions defines, empty inside.
    """

    path: str
    operator: str
    line: int
    text: str
    lines: tuple[int, int]
    start: int
    end: int
    before: str
    after: str
    names: tuple[str, ...] = ()

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.end :]

    @property
    def key(self) -> str:
        """Of this one alone: several on a line may read the same."""
        return f"{self.path}:{self.start}-{self.end}:{self.after}"

    @property
    def change(self) -> str:
        return f"{_short(self.before)} -> {_short(self.after)}"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.change}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:60]} ... {line[-35:]}"
