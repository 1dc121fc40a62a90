"""Stops of the tour: what machines ask for, pages, processes that start, and the worker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.bootstrap import Core, build_core
from tests.plans.tour import WORKER, Tour
from tests.support.people import PASSWORD
from tests.support.processes import run_command
from tests.support.server import free_port
from tests.support.storage import query

PROCESS = "a process"

_WITHOUT_DATABASE = (
    "/health",
    "/health/live",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/openapi.json",
    "/docs",
    "/account/reset",
    "/problems/not-found",
)


def starting(tour: Tour) -> None:
    """Before anything else, because these happen once."""
    first = "/health/ready as its first use of the database: makes the service's first key"
    tour.record(PROCESS, first, lambda: ready(tour))
    assert tour.core.storage.readiness().schema
    tour.record(PROCESS, "keys, read again once a minute", tour.core.keys.usable)


def ready(tour: Tour) -> None:
    assert tour.server.client().request("GET", "/health/ready").status == 200


def asking(tour: Tour) -> None:
    tour.ask("GET /health/ready", expect=200)
    for path in _WITHOUT_DATABASE:
        tour.ask(f"GET {path}", expect=200)
    tour.ask("GET /.well-known/change-password", expect=302)


def failing_mails(tour: Tour) -> None:
    """A relay that refuses connections."""
    settings = replace(tour.core.settings, mail_url=f"smtp://127.0.0.1:{free_port()}")
    core = build_core(settings)
    try:
        assert core.storage.readiness().schema
        _owe_a_mail(tour)
        tour.deliver("a mail that fails, and is tried again later", core=core)
        due = "UPDATE outbox SET due_at = now() - interval '1 second', attempts = 11"
        query(tour.superuser_url, due + " WHERE attempts = 1")
        tour.deliver("a mail that fails for the last time", core=core)
    finally:
        core.close()


def handing_back(tour: Tour) -> None:
    def stop_at_once(core: Core) -> None:
        assert core.deliveries.run_once(owner="tour", stopping=lambda: True) == 0
        core.deliveries.release(owner="tour")

    _owe_a_mail(tour)
    tour.record(WORKER, "a stop with mails at hand", lambda: stop_at_once(tour.core))
    tour.mailbox.deliver()
    idle = tour.record(WORKER, "nothing is due", lambda: tour.core.deliveries.run_once(owner="t"))
    assert idle == 0


def cleaning(tour: Tour) -> None:
    deleted = tour.record(WORKER, "housekeeping, once a minute", tour.core.housekeeping.run_once)
    assert all(deleted.values()), f"nothing to delete in some tables: {deleted}"


def creating_an_administrator(tour: Tour) -> None:
    arguments = ("admin", "create", "--email", "ops@example.org", "--username", "ops")
    done = tour.record(
        "user-api admin create",
        "",
        lambda: run_command(*arguments, settings=tour.environment, cwd=Path.cwd()),
    )
    assert done.returncode == 0, done.stderr


def _owe_a_mail(tour: Tour) -> None:
    body = {"email": "owed@example.org", "password": PASSWORD}
    answer = tour.server.client().request("POST", "/v1/auth/register", json=body)
    assert answer.status == 202
