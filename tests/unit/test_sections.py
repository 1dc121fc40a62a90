"""Documents keep what people wrote around the parts that programs write."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.sections import read_section, write_section

TEXT = "before\n<!-- begin one -->\nold\n<!-- end one -->\nafter\n"


def test_only_the_section_changes(tmp_path: Path) -> None:
    document = tmp_path / "figures.md"
    document.write_text(TEXT)
    write_section(document, "one", "new\n")
    assert document.read_text() == TEXT.replace("old", "new")
    assert read_section(document, "one") == "new\n"


@pytest.mark.parametrize("text", ["", TEXT + TEXT, TEXT.replace("end one", "end two")])
def test_unclear_markers_are_refused(tmp_path: Path, text: str) -> None:
    """Nothing is written then."""
    document = tmp_path / "figures.md"
    document.write_text(text)
    with pytest.raises(ValueError, match=r"figures\.md needs the lines"):
        write_section(document, "one", "new\n")
    assert document.read_text() == text
