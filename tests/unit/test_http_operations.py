"""What machines and readers of the documentation ask for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import orjson
import pytest

from core.bootstrap import Core, build_core
from handler.http.app import Application, create_app
from handler.http.problem_types import PROBLEM_TYPES
from tests.support.http_accounts import operations, unlimited_app
from tests.support.http_probe import answer


@pytest.fixture(scope="module")
def app(core: Core) -> Application:
    return unlimited_app(core)


@pytest.fixture(scope="module")
def document(app: Application) -> dict[str, Any]:
    return app.openapi()


def test_the_document_is_whole(document: dict[str, Any]) -> None:
    """OpenAPI 3.1; each operation has a name, a summary, and its refusals as problems."""
    assert document["openapi"].startswith("3.1")
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) > 30
    assert len(set(names)) == len(names)
    for _, path, operation in operations(document):
        assert operation["summary"]
        assert not operation["summary"].endswith(".")
        for status, response in operation["responses"].items():
            if status >= "400" and path != "/health/ready":
                assert list(response["content"]) == ["application/problem+json"], (path, status)
    text = orjson.dumps(document).decode()
    references = set(re.findall(r'"\$ref":"#/components/([^"]+)"', text))
    assert len(references) > 30
    for reference in references:
        kind, _, name = reference.partition("/")
        assert name in document["components"][kind]
    assert "HTTPValidationError" not in text


def test_each_problem_of_the_document_has_a_page(
    app: Application, document: dict[str, Any]
) -> None:
    assert set(document["components"]["examples"]) == set(PROBLEM_TYPES)
    for code, kind in PROBLEM_TYPES.items():
        reply = answer(app, "GET", kind.uri)
        assert reply.status == 200
        assert reply.header("content-type") == "text/html; charset=utf-8"
        assert kind.title in reply.body.decode()
        assert "$" not in reply.body.decode(), code
    assert answer(app, "GET", "/problems/no-such").problem == "not-found"


def test_the_document_is_served_as_it_is_generated(
    app: Application, document: dict[str, Any]
) -> None:
    assert answer(app, "GET", "/openapi.json").json() == document


def test_the_docs_need_no_other_server(app: Application) -> None:
    """Every script and style is ours, and the policy lets none other in."""
    page = answer(app, "GET", "/docs")
    assert page.header("content-type") == "text/html; charset=utf-8"
    policy = page.header("content-security-policy") or ""
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    text = page.body.decode()
    assert "http" not in text.replace("http-equiv", "")
    assert "<script>" not in text
    paths = re.findall(r'(?:src|href)="(/docs/[^"]+)"', text)
    assert {path.rpartition(".")[2] for path in paths} >= {"js", "css"}
    for path in paths:
        asset = answer(app, "GET", path)
        assert asset.status == 200, path
        assert asset.body
    assert answer(app, "GET", "/docs/secrets.txt").problem == "not-found"


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip, br", True), ("br;q=1, gzip;q=0.5", True), ("gzip;q=0", False), ("br", False)],
)
def test_the_large_script_travels_packed(app: Application, accepted: str, packed: bool) -> None:
    """1.5 MB would not fit through a load balancer in front of Lambda."""
    headers = [("accept-encoding", accepted)]
    reply = answer(app, "GET", "/docs/swagger-ui-bundle.js", headers=headers)
    assert reply.header("content-encoding") == ("gzip" if packed else None)
    assert reply.header("vary") is not None
    assert (len(reply.body) < 700_000) == packed


def test_health_asks_nobody(core: Core) -> None:
    """Up is up, also without a database."""
    settings = replace(core.settings, database_url="postgresql://nobody@127.0.0.1:1/none")
    lonely = build_core(settings)
    app = create_app(lonely)
    assert answer(app, "GET", "/health").json() == {"status": "ok"}
    assert answer(app, "GET", "/health/live").status == 200
    ready = answer(app, "GET", "/health/ready")
    assert (ready.status, ready.json()["database"]) == (503, False)
    assert ready.json()["status"] == "not ready"
    lonely.close()


def test_ready_says_what_was_looked_at(app: Application) -> None:
    reply = answer(app, "GET", "/health/ready")
    assert (reply.status, reply.json()) == (
        200,
        {
            "status": "ready",
            "database": True,
            "schema": True,
            "keys": True,
            "standby": False,
            "redis": "off",
            "draining": False,
        },
    )


def test_a_draining_server_is_alive_but_not_ready(core: Core) -> None:
    app = create_app(core, draining=lambda: True)
    assert answer(app, "GET", "/health/live").status == 200
    reply = answer(app, "GET", "/health/ready")
    assert (reply.status, reply.json()["status"]) == (503, "draining")


def test_metrics_name_routes_by_their_templates(app: Application, core: Core) -> None:
    """The page itself is no route: it has a listener of its own."""
    answer(app, "GET", "/v1/users/me")
    answer(app, "GET", "/v1/nobody/ada")
    assert answer(app, "GET", "/metrics").problem == "not-found"
    text = core.metrics.exposition()[1].decode()
    assert 'path="/v1/users/me",status="401"' in text
    assert "__unmatched__" in text
    assert "ada" not in text


def test_keys_and_metadata_are_public(app: Application, core: Core) -> None:
    keys = answer(app, "GET", "/.well-known/jwks.json")
    assert keys.header("cache-control") == "public, max-age=300"
    assert keys.json()["keys"]
    assert all("d" not in key and key["kty"] == "EC" for key in keys.json()["keys"])
    metadata = answer(app, "GET", "/.well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == core.settings.public_url
    assert metadata["jwks_uri"] == f"{core.settings.public_url}/.well-known/jwks.json"
    assert (metadata["response_types_supported"], metadata["grant_types_supported"]) == ([], [])
    assert "token_endpoint" not in metadata


def test_password_managers_find_the_page(core: Core) -> None:
    reply = answer(create_app(core), "GET", "/.well-known/change-password")
    assert (reply.status, reply.header("location")) == (
        302,
        f"{core.settings.public_url}/account/reset",
    )
    own = build_core(replace(core.settings, account_url="https://app.example.com/me"))
    reply = answer(create_app(own), "GET", "/.well-known/change-password")
    assert reply.header("location") == "https://app.example.com/me/reset"
    own.close()
