"""`user-api outbox`: what was given up, and another try."""

from __future__ import annotations

import json
from uuid import UUID

import click

from handler.cli.opening import opened_core

_SHOWN = 100


@click.group(
    epilog="""\b
Examples:
  user-api outbox list                          which mails were given up, and why
  user-api outbox retry --all                   the relay is mended: send them after all
"""
)
def outbox() -> None:
    """See and retry mails that were given up."""


@outbox.command(
    "list",
    epilog="""\b
Examples:
  user-api outbox list
  user-api outbox list --limit 1000 --json
""",
)
@click.option(
    "--limit",
    default=_SHOWN,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Messages at the most.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(limit: int, as_json: bool) -> None:
    """List parked messages, those given up last first: which mail, and why.

    To whom is not told: the outbox holds no addresses.
    """
    with opened_core() as core:
        messages = core.backlog.parked(limit=limit)
    if as_json:
        rows = [
            {
                "id": str(each.id),
                "template": each.template,
                "attempts": each.attempts,
                "created_at": each.created_at.isoformat(),
                "parked_at": each.parked_at.isoformat(),
                "error": each.error,
            }
            for each in messages
        ]
        click.echo(json.dumps({"parked": rows}))
        return
    for each in messages:
        parked = each.parked_at.isoformat(timespec="seconds")
        click.echo(f"{each.id}  {parked}  {each.template}  {each.attempts} tries  {each.error}")
    if not messages:
        click.echo("No message is parked.")


@outbox.command(
    epilog="""\b
Examples:
  user-api outbox retry 0190a5d0-ac96-774b-bcce-b302099a8057
  user-api outbox retry --all --json

\b
Exit codes:
  0  all of them are due again
  1  some were not parked; those that were are due again
"""
)
@click.argument("ids", nargs=-1, type=click.UUID)
@click.option("--all", "every", is_flag=True, help="Every parked message.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def retry(ids: tuple[UUID, ...], every: bool, as_json: bool) -> int:
    """Have parked messages sent by the worker after all, with all their tries before them.

    What has no use any more, such as a link that has expired, is dropped and not sent.
    """
    from core.domain.requests import RequestContext

    if every == bool(ids):
        raise click.UsageError("name messages, or --all")
    wanted = list(dict.fromkeys(ids))
    context = RequestContext(request_id="outbox-retry")
    missing: list[str] = []
    with opened_core() as core:
        if every:
            count = core.backlog.retry_all(context)
        else:
            missing = [str(each) for each in core.backlog.retry(context, wanted)]
            count = len(wanted) - len(missing)
    if as_json:
        click.echo(json.dumps({"retried": count, "not_parked": missing}))
    else:
        click.echo(f"Due again: {count}")
        for each in missing:
            click.echo(f"not parked: {each}", err=True)
    return 1 if missing else 0


@outbox.command(
    epilog="""\b
Examples:
  user-api outbox allow ada@example.com

\b
Exit codes:
  0  mails go there again
  1  they did already
"""
)
@click.argument("email")
def allow(email: str) -> int:
    """Mail an address again that bounced, or whose reader complained."""
    from core.domain.requests import RequestContext

    with opened_core() as core:
        lifted = core.suppressions.lift(RequestContext(request_id="outbox-allow"), email)
    if not lifted:
        click.echo("nothing stops mails to that address", err=True)
        return 1
    click.echo("Mails go there again.")
    return 0
