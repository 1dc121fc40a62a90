"""`user-api keys`: the keys that sign access tokens."""

from __future__ import annotations

import json

import click

from handler.cli.opening import opened_core


@click.group(
    epilog="""\b
Examples:
  user-api keys list                            which keys there are, and which of them open
  user-api keys discard-unreadable              what discarding would do
  user-api keys discard-unreadable --yes        a first start had the wrong SECRET_KEY: begin anew
"""
)
def keys() -> None:
    """See the keys that sign tokens, and discard those of another SECRET_KEY."""


@keys.command(
    "list",
    epilog="""\b
Examples:
  user-api keys list
  user-api keys list --json
""",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(as_json: bool) -> None:
    """List the keys that are not retired, and whether each opens with this SECRET_KEY."""
    with opened_core() as core:
        listed = core.keys.listed()
    if as_json:
        rows = [
            {
                "kid": each.key.kid,
                "opens": each.opens,
                "created_at": each.key.created_at.isoformat(),
                "active_from": each.key.active_from.isoformat(),
                "retired_at": each.key.retired_at and each.key.retired_at.isoformat(),
            }
            for each in listed
        ]
        click.echo(json.dumps({"keys": rows}))
        return
    for each in listed:
        state = "opens" if each.opens else "does not open"
        click.echo(f"{each.key.kid}  {each.key.active_from.isoformat(timespec='seconds')}  {state}")
    if not listed:
        click.echo("There is no key yet: user-api serve makes one when it needs it.")


@keys.command(
    "discard-unreadable",
    epilog="""\b
Examples:
  user-api keys discard-unreadable              shows what it would do, and does nothing
  user-api keys discard-unreadable --yes
  user-api keys discard-unreadable --yes --json

\b
Exit codes:
  0  done, shown, or there was nothing to do
  1  refused: this SECRET_KEY may be the wrong one
""",
)
@click.option("--yes", is_flag=True, help="Do it; without, it is only shown.")
@click.option("--force", is_flag=True, help="Even where a key opens, or somebody is logged in.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def discard_unreadable(yes: bool, force: bool, as_json: bool) -> None:
    """Retire the keys that do not open with this SECRET_KEY, and make a new one.

    For a database whose first process had another SECRET_KEY by mistake. What was made under that
    one is lost: sessions, links in mails, counters of limits, addresses that no mail goes to.
    Passwords, users, roles and the audit trail stay.
    """
    from core.domain.requests import RequestContext

    with opened_core() as core:
        if yes:
            done = core.keys.discard_unreadable(
                RequestContext(request_id="keys-discard-unreadable"), force=force
            )
            retired, made = list(done.retired), done.made
        else:
            retired, made = list(core.keys.unreadable(force=force)), None
    if as_json:
        click.echo(json.dumps({"done": yes, "retired": retired, "made": made}))
        return
    for kid in retired:
        click.echo(f"{kid}  {'retired' if yes else 'would be retired'}")
    if not retired:
        click.echo("Every key opens: there is nothing to discard.")
    elif made:
        click.echo(f"{made}  made; it signs from now on")
    elif not yes:
        click.echo("Nothing was changed: add --yes to do it.")
