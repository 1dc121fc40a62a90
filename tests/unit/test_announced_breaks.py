"""A break is announced, or the release fails; and so does an announcement of nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import scripts.openapi_compat
from scripts.announced_breaks import Announcement, announcements, faults
from scripts.openapi_compat import main

CHANGELOG = """# Changelog

## Unreleased

### Removed
- `GET /things` has
  left the API.

## 1.0.0 - 2026-01-01
- `GET /others` is new.
"""
GONE = Announcement(breaks="/things: removed", reason="Why.", changelog="`GET /things` has left")


def told(found: list[str], *announced: Announcement) -> list[str]:
    return list(faults(found, announced, changelog=CHANGELOG, since="1.0.0"))


def test_an_announced_break_is_allowed() -> None:
    """Wherever the lines of the changelog are broken."""
    assert told(["/things: removed"], GONE) == []
    assert told([]) == []


@pytest.mark.parametrize(
    "line", ["/others: removed", "GET /things: removed", "GET /things 200.id: property removed"]
)
def test_another_break_is_not(line: str) -> None:
    """An announcement allows one break, and not all of a path."""
    assert told(["/things: removed", line], GONE) == [line]


def test_an_announcement_of_nothing_fails() -> None:
    """It would allow the break later, when nobody looks at it."""
    assert told([], GONE) == ["announced, but nothing breaks: /things: removed"]


def test_a_second_announcement_fails() -> None:
    assert told(["/things: removed"], GONE, GONE) == ["announced twice: /things: removed"]


@pytest.mark.parametrize(
    ("changelog", "words"),
    [
        ("`GET /things` is gone", "not in CHANGELOG.md above 1.0.0"),
        ("`GET /others` is new.", "not in CHANGELOG.md above 1.0.0"),
        ("left the API.", "do not name /things"),
    ],
)
def test_what_clients_were_not_told_fails(changelog: str, words: str) -> None:
    """The words have to stand above the last release, and to name the path."""
    entry = Announcement(breaks=GONE.breaks, reason=GONE.reason, changelog=changelog)
    (line,) = told(["/things: removed"], entry)
    assert words in line


@pytest.mark.parametrize(
    "text",
    [
        '[[break]]\nbreak = "/a: removed"\nreason = "x"',
        '[[break]]\nbreak = "/a: removed"\nreason = ""\nchangelog = "y"',
        '[[break]]\nbreak = "/a: removed"\nreason = "x"\nchangelog = "y"\npath = "/a"',
        "[[break]",
    ],
)
def test_a_list_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"break|Expected"):
        announcements(text)


def test_an_empty_list_is_one() -> None:
    """As it is after a release."""
    assert announcements("# Nothing.") == []


def test_the_command_allows_what_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --since; without it every break is one."""
    monkeypatch.setattr(scripts.openapi_compat, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    entry = 'break = "/things: removed"\nreason = "Why."\nchangelog = "`GET /things` has left"\n'
    (tmp_path / "docs/api-breaks.toml").write_text(f"[[break]]\n{entry}")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps({"paths": {"/things": {}}}))
    new.write_text(json.dumps({"paths": {}}))
    assert main([str(old), str(new)]) == 1
    assert main([str(old), str(new), "--since", "1.0.0"]) == 0
    capsys.readouterr()
    assert main([str(old), str(new), "--since", "9.9.9"]) == 2
    assert "no section 9.9.9" in capsys.readouterr().err
    assert main([str(new), str(new), "--since", "1.0.0"]) == 1
    assert capsys.readouterr().out == "announced, but nothing breaks: /things: removed\n"
