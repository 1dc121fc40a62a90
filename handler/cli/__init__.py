"""`user-api`: one module a command group.

Commands import what they need when they run, so that help is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from core.errors import DomainError, InvalidInput
from handler.cli.admin import admin
from handler.cli.dev import dev
from handler.cli.doctor import doctor
from handler.cli.keys import keys
from handler.cli.migrate import migrate
from handler.cli.outbox import outbox
from handler.cli.serve import serve
from handler.cli.worker import worker

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells count."""


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  user-api dev                                  try it out: database, mail and all
  user-api migrate && user-api serve            as a service, configured by the environment
  user-api admin create --email ops@example.com
  user-api doctor                               what is wrong, and how to mend it

\b
Exit codes:
  0    done, or stopped as asked
  1    refused or failed; one line on standard error says why
  2    wrong usage
  130  interrupted before it was done
""",
)
@click.version_option(package_name="user-api", message="%(package)s %(version)s")
def commands() -> None:
    """User store and authentication service."""


for _command in (dev, serve, worker, migrate, admin, outbox, keys, doctor):
    commands.add_command(_command)


def main(args: Sequence[str] | None = None) -> int:
    """The exit code; never a traceback for anything that a user can cause."""
    try:
        code = commands.main(args, prog_name="user-api", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except DomainError as error:
        click.echo(f"user-api: {_one_line(error)}", err=True)
        return 1
    except BrokenPipeError:
        # Whoever read the output has gone; the interpreter must not complain when it flushes.
        sys.stdout = sys.stderr
        return 1
    return code if isinstance(code, int) else 0


def _one_line(error: DomainError) -> str:
    text = str(error)
    if isinstance(error, InvalidInput):
        text = "; ".join(f"{each.pointer.lstrip('/')}: {each.detail}" for each in error.errors)
    return " ".join(text.split())
