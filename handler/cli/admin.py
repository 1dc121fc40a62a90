"""`user-api admin`: what has to work before there is an administrator to ask."""

from __future__ import annotations

import json
import sys

import click

from handler.cli.opening import opened_core


@click.group()
def admin() -> None:
    """Create administrators."""


@admin.command(
    epilog="""\b
Examples:
  user-api admin create --email ops@example.com
  user-api admin create --email ops@example.com --username ops --json
  printf %s "$PASSWORD" | user-api admin create --email ops@example.com --password-stdin
"""
)
@click.option("--email", required=True, help="Address; it counts as verified.")
@click.option("--username", help="A second name to log in with.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create(email: str, username: str | None, password_stdin: bool, as_json: bool) -> None:
    """Create an active user with the role admin.

    Without --password-stdin a one-time password is made up and printed; it has to be changed at
    the first login.
    """
    from core.domain.requests import RequestContext

    password = _password() if password_stdin else None
    with opened_core() as core:
        user_id, temporary = core.access.create_admin(
            RequestContext(request_id="admin-create"),
            email=email,
            username=username,
            password=password,
        )
    if as_json:
        answer = {"id": str(user_id), "email": email, "one_time_password": temporary}
        click.echo(json.dumps({key: value for key, value in answer.items() if value is not None}))
        return
    click.echo(f"Created the administrator {email} ({user_id}).")
    if temporary:
        click.echo(f"One-time password, shown once: {temporary}")


def _password() -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError("--password-stdin was given, and standard input holds no password")
    return password
