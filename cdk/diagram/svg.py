"""A page of rectangles, lines and texts: SVG without scripts, fonts or anything from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

INK, FAINT, ARROW = "#1b2430", "#5b6675", "#8a3b12"
LINE_HEIGHT = 17
# A sans-serif face is at most this wide in the mean, in parts of its size, at names and figures.
_WIDTH = 0.56


@dataclass(frozen=True)
class Style:
    """Fill and stroke of a box."""

    fill: str
    stroke: str
    dashed: bool = False


def wrapped(text: str, width: float, size: float = 12) -> list[str]:
    """The text in lines that fit, broken at spaces, or anywhere in a word that is too long."""
    fits = max(8, int(width / (size * _WIDTH)))
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        rest = word
        if line and len(line) + 1 + len(rest) > fits:
            lines.append(line)
            line = ""
        while len(rest) > fits:
            lines.append(rest[:fits])
            rest = rest[fits:]
        line = f"{line} {rest}" if line else rest
    return [*lines, line]


@dataclass
class Page:
    """Collects elements in the order of drawing; `height` is set when all is laid out."""

    width: int
    title: str
    about: str
    height: int = 0
    _parts: list[str] = field(default_factory=list)

    def mark(self) -> int:
        """A place in the order of drawing, for a box whose height is known later."""
        return len(self._parts)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        style: Style,
        *,
        behind: int | None = None,
    ) -> None:
        """`behind`: the mark of what it goes under; on top without one."""
        dash = ' stroke-dasharray="6 4"' if style.dashed else ""
        self._parts.insert(
            len(self._parts) if behind is None else behind,
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"'
            f' fill="{style.fill}" stroke="{style.stroke}"{dash}/>',
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 12,
        bold: bool = False,
        colour: str = INK,
        middle: bool = False,
    ) -> None:
        """One line; `y` is its baseline."""
        weight = ' font-weight="bold"' if bold else ""
        anchor = ' text-anchor="middle"' if middle else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}"{weight}{anchor}>'
            f"{escape(words)}</text>"
        )

    def arrow(self, *points: tuple[float, float]) -> None:
        """A line through the points with a head at the last."""
        through = " ".join(f"{x:g},{y:g}" for x, y in points)
        self._parts.append(
            f'<polyline points="{through}" fill="none" stroke="{ARROW}" stroke-width="1.6"'
            ' marker-end="url(#head)"/>'
        )

    def card(
        self, x: float, y: float, width: float, title: str, lines: Sequence[str], style: Style
    ) -> float:
        """A box with a title and lines, as high as they need; gives its height."""
        shown = [part for line in lines for part in wrapped(line, width - 24)]
        height = 30 + LINE_HEIGHT * len(shown)
        self.box(x, y, width, height, style)
        self.text(x + 12, y + 19, title, size=13, bold=True)
        for at, line in enumerate(shown):
            self.text(x + 12, y + 37 + LINE_HEIGHT * at, line, colour=INK)
        return height

    def render(self) -> str:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}"'
            f' width="{self.width}" height="{self.height}" role="img"'
            ' aria-labelledby="title about" font-family="sans-serif">\n'
            f'<title id="title">{escape(self.title)}</title>\n'
            f'<desc id="about">{escape(self.about)}</desc>\n'
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8"'
            ' markerHeight="8" orient="auto-start-reverse">'
            f'<path d="M0 0L10 5L0 10z" fill="{ARROW}"/></marker></defs>\n'
            f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>\n'
        )
        return head + "\n".join(self._parts) + "\n</svg>\n"
