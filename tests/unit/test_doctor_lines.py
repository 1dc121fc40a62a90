"""How `user-api doctor` writes its checks for people."""

from __future__ import annotations

import click
import pytest

from core.domain.diagnosis import Check, CheckStatus
from handler.cli.doctor import _told

CHECKS = [
    Check(name="database", status=CheckStatus.OK, detail="answers", remedy=None),
    Check(name="mail", status=CheckStatus.WARN, detail="in clear", remedy="use smtps"),
    Check(name="schema", status=CheckStatus.FAIL, detail="is old", remedy="run migrate"),
    Check(name="redis", status=CheckStatus.SKIP, detail="none", remedy=None),
]


@pytest.mark.parametrize("colour", [False, True])
def test_a_line_each_and_what_to_do(capsys: pytest.CaptureFixture[str], colour: bool) -> None:
    """In colour on a terminal alone."""
    with click.Context(click.Command("doctor"), color=colour):
        assert list(_told(iter(CHECKS))) == CHECKS
    out = capsys.readouterr().out
    assert click.unstyle(out).splitlines() == [
        "ok   database           answers",
        "warn mail               in clear",
        "                        -> use smtps",
        "fail schema             is old",
        "                        -> run migrate",
        "skip redis              none",
    ]
    shown = {code for code in (31, 32, 33) if f"\x1b[{code}m" in out}
    assert shown == ({31, 32, 33} if colour else set())
