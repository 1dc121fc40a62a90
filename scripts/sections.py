"""Parts of a document that programs write: from `<!-- begin NAME -->` to `<!-- end NAME -->`."""

from __future__ import annotations

from pathlib import Path


def read_section(document: Path, name: str) -> str:
    """What stands between the markers. Raises ValueError when they do not stand there once."""
    return _parts(document, name)[1]


def write_section(document: Path, name: str, content: str) -> None:
    """Replaces it; the rest stays. Raises ValueError when the markers do not stand there once."""
    before, _, after = _parts(document, name)
    document.write_text(before + content + after, encoding="utf-8")


def _parts(document: Path, name: str) -> tuple[str, str, str]:
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"
    text = document.read_text(encoding="utf-8")
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{document.name} needs the lines {begin.strip()} and {end.strip()}, once")
    head, rest = text.split(begin)
    content, tail = rest.split(end)
    return head + begin, content, end + tail
