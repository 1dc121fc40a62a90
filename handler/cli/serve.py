"""`user-api serve`: the HTTP service of a container."""

from __future__ import annotations

import os

import click


@click.command(
    short_help="Serve the HTTP API.",
    epilog="""\b
Examples:
  user-api serve
  LOG_LEVEL=DEBUG user-api serve --port 8080
""",
)
@click.option("--host", help="Address to listen on, in place of HOST.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port, in place of PORT.")
def serve(host: str | None, port: int | None) -> int:
    """Serve the HTTP API, configured by the environment.

    It starts without a database too: /health/ready answers 503 until there is one. At SIGTERM it
    turns unready, serves on for DRAIN_SECONDS, finishes what is at work, and ends with exit code 0;
    a Ctrl-C during that time ends it at once, with 130.
    """
    from handler.configuration import Configuration

    options = {"HOST": host or "", "PORT": str(port or "")}
    given = {name: value for name, value in options.items() if value}
    # Before the web framework is imported, so that a wrong setting is told at once.
    configuration = Configuration.of({**os.environ, **given})
    settings = configuration.settings()
    from handler import asgi

    return 0 if asgi.serve(settings, logins=configuration.logins) else 130
