"""The documents name what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLES = [
    *re.findall(r"^\|.*\|$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE),
    *re.findall(
        r"^\|.*\|$",
        (ROOT / "docs/source-design.md").read_text().partition("\n---\n")[0],
        re.MULTILINE,
    ),
]
PATHS = sorted({
    path
    for row in TABLES
    for path in re.findall(r"`((?:core|handler|migrations|tests|scripts|docs)(?:/[\w./-]+)?)`", row)
})  # fmt: skip


def test_the_tables_name_paths() -> None:
    assert len(PATHS) > 30


@pytest.mark.parametrize("path", PATHS)
def test_every_path_in_the_tables_exists(path: str) -> None:
    """A newcomer who follows a table arrives somewhere."""
    assert (ROOT / path).exists()


def test_decisions_are_listed() -> None:
    """The index and the folder agree."""
    folder = ROOT / "docs/decisions"
    files = {path.name for path in folder.glob("[0-9]*.md")}
    assert len(files) > 20
    assert set(re.findall(r"\]\((\d[\w-]+\.md)\)", (folder / "README.md").read_text())) == files


def test_the_security_page_names_tests_that_exist() -> None:
    """A promise without a test is none."""
    page = (ROOT / "docs/security.md").read_text()
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", page)
    assert len(named) > 20
    assert [name for name in named if f"def {name}(" not in sources] == []
    files = re.findall(r"`(tests/[\w/.]+)`", page)
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []
