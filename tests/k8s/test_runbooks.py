"""Whoever follows a runbook at night types what is written there: every command has to be right."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from uuid import uuid4

import botocore.session
import click
import pytest
from botocore import xform_name
from prometheus_client.parser import text_string_to_metric_families

from core.adapters.telemetry.metrics import PrometheusMetrics
from core.config import Settings, env_name
from handler import cli
from tests.k8s.kubectl_usage import usage_error
from tests.k8s.render import Manifest, Rendered
from tests.k8s.runbook_commands import (
    Command,
    commands,
    fenced,
    wrong_names,
    wrong_rollouts_command,
)
from tests.support.storage import query

ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = sorted((ROOT / "docs/runbooks").glob("*.md"))
OTHERS = [ROOT / page for page in ("README.md", "docs/operations.md", "docs/infrastructure.md")]
COMMANDS = sorted(
    {
        command
        for page in (*RUNBOOKS, *OTHERS)
        for command in commands(page, prose=page in RUNBOOKS)
    },
    key=str,
)
KUBECTL = [each for each in COMMANDS if each.words[0] == "kubectl"]
ROLLOUTS = [each for each in KUBECTL if each.words[1] == "argo"]
PLAIN = [each for each in KUBECTL if each not in ROLLOUTS]
AWS = [each for each in COMMANDS if each.words[0] == "aws"]
OWN = [
    words[1:]
    for each in COMMANDS
    for words in (each.words, each.inner)
    if words and words[0] == "user-api"
]
AWS_CUSTOM = {
    ("eks", "update-kubeconfig"): {"--name", "--region"},
    ("logs", "tail"): {"--since", "--follow"},
}
"""Commands of the AWS command line that are no call of an API, with their flags.
https://docs.aws.amazon.com/cli/latest/reference/ has a page of each."""
AWS_GLOBAL = {"--query", "--output", "--region", "--profile"}


def command(line: str) -> Command:
    return Command("test", tuple(line.split()))


@pytest.fixture(scope="module")
def applied(rendered: Mapping[str, Rendered]) -> Mapping[str, list[Manifest]]:
    """Namespace -> everything that is ever applied to it."""
    found: dict[str, list[Manifest]] = {}
    for rendering in rendered.values():
        for each in rendering.manifests:
            found.setdefault(each["metadata"].get("namespace", ""), []).append(each)
    return found


def test_there_are_commands() -> None:
    """An empty list would pass everything below."""
    assert len(RUNBOOKS) >= 11
    assert len(PLAIN) > 40
    assert len(ROLLOUTS) > 6
    assert len(AWS) > 10
    assert len(OWN) > 8


@pytest.mark.parametrize("each", PLAIN, ids=str)
def test_kubectl_takes_it(each: Command, tmp_path: Path) -> None:
    """Subcommand, flags and form of arguments are kubectl's own."""
    assert usage_error(each, tmp_path) is None


@pytest.mark.parametrize(
    "line",
    [
        "kubectl frobnicate pods -n production",
        "kubectl get pods --namspace production",
        "kubectl rollout restart",
        "kubectl logs -n production",
        "kubectl wait job/db-migration -n production --timeout=soon",
    ],
)
def test_kubectl_refuses_what_is_wrong(line: str, tmp_path: Path) -> None:
    """The test above can fail: kubectl tells a wrong command from a cluster that is away."""
    assert usage_error(command(line), tmp_path) is not None


@pytest.mark.parametrize("each", KUBECTL, ids=str)
def test_what_it_names_is_in_the_manifests(
    each: Command, applied: Mapping[str, list[Manifest]]
) -> None:
    """Namespaces, objects, labels and containers, as they are applied to that environment."""
    assert not wrong_names(each, applied)


@pytest.mark.parametrize(
    "line",
    [
        "kubectl rollout restart deployment/user-api -n production",
        "kubectl argo rollouts undo user-api -n development",
        "kubectl argo rollouts get rollout user-api-worker -n production",
        "kubectl get pods -n prod",
        "kubectl patch hpa/user-api -n production --patch={}",
        "kubectl logs job/migration -n production",
        "kubectl logs --selector=app=user-api -n production",
        "kubectl logs deployment/user-api-worker --container=api -n production",
        "kubectl get secretstores -n production",
    ],
)
def test_a_wrong_name_is_found(line: str, applied: Mapping[str, list[Manifest]]) -> None:
    """The test above can fail: development has no Rollout, production no Deployment of the API."""
    assert wrong_names(command(line), applied)


@pytest.mark.parametrize("each", [it for it in KUBECTL if it.option("--kustomize")], ids=str)
def test_the_kustomization_is_there(each: Command) -> None:
    """What is applied by hand is a folder of this repository."""
    assert (ROOT / str(each.option("--kustomize")) / "kustomization.yaml").is_file()


@pytest.mark.parametrize("each", ROLLOUTS, ids=str)
def test_the_rollouts_plugin_takes_it(each: Command) -> None:
    """Subcommand and flags are in the plugin's reference."""
    assert not wrong_rollouts_command(each)


def test_what_the_rollouts_plugin_refuses_is_found() -> None:
    """A subcommand of `kubectl rollout` is not one of the plugin's."""
    assert wrong_rollouts_command(command("kubectl argo rollouts history user-api -n production"))
    assert wrong_rollouts_command(command("kubectl argo rollouts undo user-api --revision=3"))
    assert wrong_rollouts_command(command("kubectl argo rollouts undo user-api -w -n production"))


@pytest.mark.parametrize("words", OWN, ids=" ".join)
def test_the_command_line_takes_it(words: tuple[str, ...]) -> None:
    """What runs in a pod is a command of ours with the options that it has."""
    _parse(list(words))


@pytest.mark.parametrize("words", [("doctors",), ("doctor", "--jsn"), ("outbox", "retry", "x")])
def test_what_the_command_line_refuses_is_found(words: tuple[str, ...]) -> None:
    """The test above can fail."""
    with pytest.raises(click.UsageError):
        _parse(list(words))


def _parse(words: list[str]) -> None:
    made_up = {"ID": str(uuid4()), "ADDRESS": "ada@example.com"}
    rest = [made_up.get(word, word) for word in words]
    found: click.Command = cli.commands
    parent: click.Context | None = None
    while isinstance(found, click.Group) and rest and not rest[0].startswith("-"):
        parent = click.Context(found, parent=parent)
        _, below, rest = found.resolve_command(parent, rest)
        assert below is not None
        found = below
    # --version ends the parsing.
    with suppress(click.exceptions.Exit):
        found.make_context(found.name, rest, parent=parent)


@pytest.mark.parametrize("each", AWS, ids=str)
def test_aws_takes_it(each: Command) -> None:
    """Service, operation and parameters are in AWS's own descriptions."""
    assert not wrong_aws_command(each)


def test_what_aws_refuses_is_found() -> None:
    """The test above can fail."""
    assert wrong_aws_command(command("aws rds describe-databases"))
    assert wrong_aws_command(command("aws rds describe-events --since 60"))
    assert wrong_aws_command(command("aws logs tail group --until 1h"))


def wrong_aws_command(each: Command) -> list[str]:
    service, operation = each.words[1:3]
    flags = {word.partition("=")[0] for word in each.words[3:] if word.startswith("--")}
    allowed = AWS_CUSTOM.get((service, operation))
    if allowed is None:
        model = botocore.session.get_session().get_service_model(service)
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        if operation not in operations:
            return [f"{service} has no {operation}"]
        shape = model.operation_model(operations[operation]).input_shape
        allowed = {f"--{xform_name(name, '-')}" for name in (shape.members if shape else ())}
    return [f"no {flag}" for flag in sorted(flags - allowed - AWS_GLOBAL)]


def test_what_aws_is_asked_for_is_in_the_templates() -> None:
    """Names of parameters, secrets, log groups, the proxy and the cluster are CDK's."""
    named = {
        name
        for each in AWS
        for word in each.words
        for name in re.findall(r"/?user-api[-/]production[\w/-]*", word)
    }
    assert len(named) > 5
    templates = "\n".join(
        path.read_text() for path in (ROOT / "tests/infra/snapshots").rglob("*") if path.is_file()
    )
    assert not {name for name in named if f'{name}"' not in templates}


def test_the_sql_runs_as_the_application(database_url: str) -> None:
    """Each statement of the runbooks is one that the application's login may run."""
    statements = [
        statement.strip()
        for page in RUNBOOKS
        for block in fenced(page.read_text(), {"sql"})
        for statement in block.split(";")
        if statement.strip()
    ]
    assert len(statements) >= 3
    for statement in statements:
        query(database_url, statement)


def test_the_names_in_it_exist() -> None:
    """Metrics, checks of the doctor, fields of the log and settings, by their right names."""
    _, text = PrometheusMetrics(version="0.1.0").exposition()
    known = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(text.decode())
    }
    for schema in ("doctor-schema", "log-schema"):
        document = json.loads((ROOT / f"docs/{schema}.json").read_text())
        known |= set(document["properties"])
        known |= set(
            document["$defs"]
            .get("check", {"properties": {}})["properties"]
            .get("name", {})
            .get("enum", ())
        )
    known |= {env_name(item) for item in fields(Settings)} | {"alarm_targets"}
    known |= {"SETTINGS_SECRET_ARN", "DATABASE_SECRET_ARN", "CACHE_SECRET_ARN"}
    pattern = re.compile(r"^([a-z]+(?:_[a-z]+)+|[A-Z0-9]+(?:_[A-Z0-9]+)+)(?:\{.*\})?$")
    named = {
        found[1]
        for page in RUNBOOKS
        for each in re.findall(r"`([^`\n]+)`", page.read_text())
        if (found := pattern.match(each))
    }
    assert len(named) > 12
    assert not named - known


def test_the_log_lines_are_ours() -> None:
    """A message that leads to a runbook is one that the service writes."""
    text = (ROOT / "docs/runbooks/logs.md").read_text() + (
        ROOT / "docs/runbooks/crashloop.md"
    ).read_text()
    source = "\n".join(
        path.read_text() for part in ("core", "handler") for path in (ROOT / part).rglob("*.py")
    )
    rows = re.findall(r"^\| ((?:log: )?`.*?) \|", text, re.MULTILINE)
    pieces = {
        piece.strip(" :()`")
        for row in rows
        for quoted in re.findall(r"`([^`]+)`", row)
        if quoted not in {"message", "OOMKilled", "Unhealthy"} and " " in quoted
        for piece in re.split(r"\.\.\.|VARIABLE|production|: ", quoted)
    }
    pieces -= {"", "user-api"}
    assert len(pieces) > 8
    assert not {each for each in pieces if each not in source}


def test_links_lead_somewhere() -> None:
    """Each linked page is there, with the section that is named."""
    links = [
        (page, path, section)
        for page in RUNBOOKS
        for path, section in re.findall(r"\]\(([^)#]+)#?([^)]*)\)", page.read_text())
    ]
    assert len({page for page, _, _ in links}) > 8
    assert any(section for _, _, section in links)
    for page, path, section in links:
        target = page.parent / path
        assert target.is_file(), f"{page.name}: {path}"
        if section:
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert section in {title.lower().replace(" ", "-") for title in titles}


def test_each_runbook_has_the_five_parts() -> None:
    """When, what you see, what to do, how you know, what next, and the index names it."""
    index = (ROOT / "docs/runbooks/README.md").read_text()
    for page in RUNBOOKS:
        if page.name in {"README.md", "contacts.md", "port-forward-exec-copy.md"}:
            continue
        text = page.read_text()
        parts = ["**When.**", "**What you see.**", "**Do.**", "**It worked**", "**Next.**"]
        places = [text.find(part) for part in parts]
        assert places == sorted(places), page.name
        assert places[0] >= 0, page.name
        assert f"]({page.name})" in index


def test_the_contacts_are_placeholders() -> None:
    """Addresses and numbers that nobody can have (RFC 2606; the 555-01XX of fiction)."""
    text = (ROOT / "docs/runbooks/contacts.md").read_text()
    addresses = re.findall(r"[\w.]+@[\w.]+", text)
    assert len(addresses) >= 3
    assert all(each.endswith("@example.com") for each in addresses)
    assert set(re.findall(r"\+[\d-]+", text)) == {"+1-555-0100"}
