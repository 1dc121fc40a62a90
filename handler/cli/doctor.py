"""`user-api doctor`: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from core.domain.diagnosis import Check

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "cyan"}


@click.command(
    short_help="Say what is wrong, and how to mend it.",
    epilog="""\b
Examples:
  user-api doctor
  user-api doctor --json | jq -r '.checks[] | select(.status == "fail") | .remedy'

\b
Exit codes:
  0    every check is ok, or warns
  1    at least one check failed
  130  interrupted before it was done
""",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> int:
    """Check configuration, database, rights, keys, Redis, mail, clock and worker.

    Uses the settings of the service, changes nothing and sends no mail. No secret is printed. A
    check that fails never keeps another one from running; what cannot be looked at is skipped.
    """
    from core.bootstrap import build_diagnosis
    from core.config.examination import Examination
    from core.domain.diagnosis import CheckStatus, overall
    from handler.configuration import Configuration
    from handler.relays import open_relay

    # What fails is told by its check, and without a handler logging would print lines of its own.
    logging.getLogger().addHandler(logging.NullHandler())
    running = build_diagnosis(
        Examination.of(Configuration.of(os.environ).environ), relay=open_relay
    ).run()
    checks = list(running if as_json else _told(running))
    status = overall(checks)
    if as_json:
        click.echo(json.dumps({"status": status, "checks": [asdict(each) for each in checks]}))
    else:
        counts = Counter(check.status for check in checks)
        click.echo(", ".join(f"{counts[each]} {each}" for each in CheckStatus if counts[each]))
    return 1 if status is CheckStatus.FAIL else 0


def _told(checks: Iterator[Check]) -> Iterator[Check]:
    """Passes each on as soon as it has printed it."""
    for check in checks:
        status = click.style(f"{check.status:<5}", fg=_COLOURS[check.status])
        click.echo(f"{status}{check.name:<18} {check.detail}")
        if check.status in {"warn", "fail"}:
            click.echo(f"{'':<5}{'':<18} -> {check.remedy}")
        yield check
