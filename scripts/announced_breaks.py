"""The list of breaking changes that are announced: docs/api-breaks.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PATH = re.compile(r"/[^\s:]*")


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """`breaks` is the line of a comparison that it allows; `changelog` words of CHANGELOG.md."""

    breaks: str
    reason: str
    changelog: str


def announcements(text: str) -> list[Announcement]:
    """The list, from its TOML.

    Raises:
        ValueError: it is not as its own head says.
    """
    found = []
    for entry in tomllib.loads(text).pop("break", []):
        if set(entry) != {"break", "reason", "changelog"} or not all(
            isinstance(value, str) and value.strip() for value in entry.values()
        ):
            raise ValueError(f"each break has a break, a reason and a changelog, not {entry}")
        found.append(
            Announcement(
                breaks=entry["break"], reason=entry["reason"], changelog=entry["changelog"]
            )
        )
    return found


def faults(
    found: Sequence[str], announced: Sequence[Announcement], *, changelog: str, since: str
) -> Iterator[str]:
    """What is wrong with the breaks `found`, a line each: those that nobody announced, and entries
    that announce nothing, or that the sections of `changelog` above the release `since` lack."""
    allowed = [each.breaks for each in announced]
    yield from (line for line in found if line not in allowed)
    yield from (f"announced twice: {line}" for line in set(allowed) if allowed.count(line) > 1)
    news = _above(changelog, since)
    for each in announced:
        if each.breaks not in found:
            yield f"announced, but nothing breaks: {each.breaks}"
        elif _words(each.changelog) not in news:
            yield f"not in CHANGELOG.md above {since}: {each.changelog}"
        elif (path := _PATH.search(each.breaks)) and path[0] not in each.changelog:
            yield f"its words in CHANGELOG.md do not name {path[0]}: {each.changelog}"


def _above(changelog: str, since: str) -> str:
    news, heading, _ = changelog.partition(f"\n## {since} - ")
    if not heading:
        raise ValueError(f"CHANGELOG.md has no section {since}")
    return _words(news)


def _words(text: str) -> str:
    """With one space between two words, wherever lines were broken."""
    return " ".join(text.split())
