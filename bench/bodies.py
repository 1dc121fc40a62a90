"""What the dearest body of each route costs: processor time, with the service in this process.

    python -m bench.bodies [--rounds N] [--write]

Sends each kind of body (bench/body_kinds.py), as large as the route takes it, to every route of the
OpenAPI document that takes one, and subtracts what a plain body costs that is answered alike: the
rest is what a client can cause by the body alone. Prints a table; `--write` puts it into
docs/body-costs.md too. Exit status 1 when a body costs more than 5 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.accounts import make_accounts
from bench.body_kinds import Kind, accepted, body_limit, refused, shape_of
from bench.body_routes import ROLE, Turn, Turns
from bench.machine import circumstances
from bench.service import delivered
from core.bootstrap import Core, build_core
from core.config import Settings
from core.domain.access import ADMIN_ROLE
from core.errors import InvalidInput
from handler.http.app import Application
from handler.http.body import MERGE_PATCH as _PATCH
from handler.http.problem_types import MALFORMED_JSON, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE
from scripts.sections import write_section
from tests.support.http_accounts import bearer, unlimited_app
from tests.support.http_probe import ask
from tests.support.people import LoggedIn

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "body-costs.md"
MOST_MILLISECONDS = 5.0
# uvicorn hands a body on in pieces of at most this size.
_CHUNK = 65536
_JSON = "application/json"
# More than there are kinds of accepted bodies on all routes together.
_ACCOUNTS_A_ROUND = 80
# Hashes take time of their own, and are no part of what a body costs.
_ENVIRONMENT = {
    "ARGON2_MEMORY_KIB": "7168",
    "ARGON2_ITERATIONS": "1",
    "LIMIT_FAILURES_PER_ADDRESS": "1000",
    "LIMIT_FAILURES_PER_ACCOUNT": "100000",
    "LIMIT_MAILS_PER_ADDRESS": "1000",
}
_ABOUT_THE_BODY = {
    InvalidInput.code,
    *(each.code for each in (MALFORMED_JSON, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)),
}
"""Problems by which a body is refused; with any other answer it was taken."""


@dataclass(frozen=True)
class Cost:
    kind: str
    milliseconds: float


@dataclass(frozen=True, kw_only=True)
class RouteCosts:
    method: str
    path: str
    limit: int
    refused: list[Cost]
    accepted: list[Cost]

    @property
    def both(self) -> tuple[list[Cost], list[Cost]]:
        return self.refused, self.accepted

    def faults(self) -> Iterator[str]:
        for verdict, costs in zip(("refused", "accepted"), self.both, strict=True):
            for cost in costs:
                if cost.milliseconds > MOST_MILLISECONDS:
                    yield (
                        f"{self.method} {self.path}, {verdict}, {cost.kind}: "
                        f"{cost.milliseconds:.1f} ms"
                    )


def routes_with_bodies(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and schema of the body, from an OpenAPI document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "requestBody" in operation:
                (content, *_) = operation["requestBody"]["content"].values()
                name = content["schema"]["$ref"].rpartition("/")[2]
                yield method.upper(), path, document["components"]["schemas"][name]


class Meter:
    """Asks the application, and says how much processor time of this process an answer took."""

    def __init__(self, app: Application, *, rounds: int) -> None:
        self._app = app
        self._rounds = rounds

    async def costs(
        self, method: str, path: str, schema: Mapping[str, Any], turns: Turns
    ) -> RouteCosts:
        """Raises RuntimeError when a body is not answered as its kind says."""
        limit = body_limit(method, path)
        # Refused bodies change nothing.
        same = turns.next()
        shape = shape_of(schema, same.plain)

        async def refusal(kind: str, make: Kind) -> float:
            body = make(shape, limit)
            return await self._least(method, lambda: (same, body), kind, taken=False)

        async def success(kind: str, make: Kind) -> float:
            def fresh() -> tuple[Turn, bytes]:
                turn = turns.next()
                return turn, make(shape_of(schema, turn.plain), limit)

            return await self._least(method, fresh, kind, taken=True)

        empty = await refusal("one unknown name", lambda _, __: b'{"aa":0}')
        plain = await success("plain", lambda each, _: json.dumps(each.plain).encode())
        return RouteCosts(
            method=method,
            path=path,
            limit=limit,
            refused=[
                Cost(kind, max(0.0, await refusal(kind, make) - empty))
                for kind, make in refused(shape).items()
            ],
            accepted=[
                Cost(kind, max(0.0, await success(kind, make) - plain))
                for kind, make in accepted(shape).items()
            ],
        )

    async def _least(
        self, method: str, make: Callable[[], tuple[Turn, bytes]], kind: str, *, taken: bool
    ) -> float:
        """Milliseconds; the first round warms up."""
        least = math.inf
        for number in range(self._rounds + 1):
            turn, body = make()
            chunks = [body[i : i + _CHUNK] for i in range(0, len(body), _CHUNK)]
            headers = [
                ("authorization", f"Bearer {turn.token}"),
                ("content-type", _PATCH if method == "PATCH" else _JSON),
                ("content-length", str(len(body))),
            ]
            began = time.process_time()
            reply = await ask(self._app, method, turn.path, headers=headers, chunks=chunks)
            spent = time.process_time() - began
            if (reply.problem not in _ABOUT_THE_BODY) != taken or reply.status >= 500:
                raise RuntimeError(f"{method} {turn.path}, {kind}: {reply.status} {reply.body!r}")
            if number:
                least = min(least, spent * 1000)
        return least


async def measure_all(core: Core, rounds: int) -> list[RouteCosts]:
    (admin,) = make_accounts(core, 1, role=ADMIN_ROLE)
    accounts = iter(make_accounts(core, _ACCOUNTS_A_ROUND * (rounds + 1)))
    app = unlimited_app(core)
    meter = Meter(app, rounds=rounds)
    await _make_role(app, admin)
    gc.collect()
    gc.freeze()
    found = []
    for method, path, schema in routes_with_bodies(app.openapi()):
        print(f"{method} {path}", file=sys.stderr, flush=True)
        turns = Turns(method, path, admin=admin, accounts=accounts)
        found.append(await meter.costs(method, path, schema, turns))
    return found


async def _make_role(app: Application, admin: LoggedIn) -> None:
    body = json.dumps({"name": ROLE, "permissions": []}).encode()
    headers = [*bearer(admin.access), ("content-type", _JSON)]
    reply = await ask(app, "POST", "/v1/roles", headers=headers, chunks=[body])
    if reply.status != 201:
        raise RuntimeError(f"the role was answered {reply.status} {reply.body!r}")


def table(costs: list[RouteCosts]) -> list[str]:
    lines = [
        "| route | limit | dearest refused body | ms | dearest accepted body | ms |",
        "|---|---:|---|---:|---|---:|",
    ]
    for each in costs:
        worst = [max(some, key=lambda cost: cost.milliseconds) for some in each.both]
        told = [f"{cost.kind} | {cost.milliseconds:.1f}" for cost in worst]
        route = f"{each.method} {each.path} | {each.limit // 1024} KiB"
        lines.append(f"| {route} | {' | '.join(told)} |")
    return lines


def measure(rounds: int) -> tuple[list[RouteCosts], str]:
    """All routes, and the version of PostgreSQL."""
    with delivered("bodies") as (postgres, environment):
        settings = Settings.from_environ({**environment, **_ENVIRONMENT})
        with closing(build_core(settings)) as core:
            return asyncio.run(measure_all(core, rounds)), postgres.version


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures what bodies cost by route.")
    parser.add_argument("--rounds", type=int, default=5, help="of each body (5); the least counts")
    parser.add_argument("--write", action="store_true", help=f"also write docs/{DOCUMENT.name}")
    arguments = parser.parse_args()
    try:
        costs, postgres = measure(arguments.rounds)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    report = "\n".join([circumstances(postgres=postgres), "", *table(costs), ""])
    print(report)
    if arguments.write:
        write_section(DOCUMENT, "bodies", report)
    faults = [fault for each in costs for fault in each.faults()]
    print(*faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
