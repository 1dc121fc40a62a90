"""The words of the mails: one text file and one HTML file for each MailTemplate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.ports.messaging import MailTemplate

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
_SUBJECT = "Subject: "


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a reader sees of a mail; `subject` is one line."""

    subject: str
    text: str
    html: str


def render(template: MailTemplate, *, service: str, to: str, variables: Mapping[str, str]) -> Words:
    """Fills in a template pair; the first line of the text file is the subject.

    Args:
        service: how the service calls itself.
        to: the address that the mail goes to.
        variables: as `MAIL_VARIABLES` lists them for the template.

    Raises:
        jinja2.UndefinedError: a template asks for a variable that it does not get.
    """
    values = {**variables, "service": service, "to": to}
    first, _, text = _templates().get_template(f"{template}.txt").render(values).partition("\n\n")
    subject = first.removeprefix(_SUBJECT)
    html = _templates().get_template(f"{template}.html").render(values, subject=subject)
    return Words(subject=subject, text=text, html=html)


def _lasting(minutes: str) -> str:
    """Whole hours from two of them on, rounded down: a promise is kept."""
    number = int(minutes)
    return _count(number, "minute") if number < 120 else _count(number // 60, "hour")


def _within_days(days: str) -> str:
    return "within a day" if days == "0" else f"in {_count(int(days), 'day')}"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


@cache
def _templates() -> Environment:
    # Only the worker renders; the API and the command line need not load the engine.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(enabled_extensions=("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["lasting"] = _lasting
    environment.filters["within_days"] = _within_days
    return environment
