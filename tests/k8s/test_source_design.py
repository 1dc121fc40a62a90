"""Nothing of the design document's container and Kubernetes chapters is lost without a word."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.k8s.render import Rendered
from tests.k8s.source_design import LINES, Made, holds

ROOT = Path(__file__).resolve().parents[2]
TABLE, _, DOCUMENT = (ROOT / "docs/source-design.md").read_text().partition("\n---\n")


def chapter(title: str) -> list[str]:
    """Its lines, without titles, fences and rules."""
    text = re.search(rf"^## {title}\n(.*?)^## ", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert text is not None
    lines = [line.strip() for line in text[1].splitlines()]
    return [line for line in lines if line and not re.match(r"#{2,} |```|-{3}|\|-+\|", line)]


@pytest.fixture(scope="module")
def made(rendered: Mapping[str, Rendered]) -> Made:
    return Made(
        dockerfile=(ROOT / "Dockerfile").read_text(),
        table=TABLE,
        rendered={name: list(it.manifests) for name, it in rendered.items()},
    )


def test_each_line_is_accounted_for() -> None:
    """No line of the two chapters without an entry, and no entry without a line."""
    lines = {*chapter("Container Strategy"), *chapter("Kubernetes Architecture")}
    assert len(lines) > 50
    assert lines == set(LINES)


@pytest.mark.parametrize("line", LINES)
def test_it_is_there_or_a_named_change(line: str, made: Made) -> None:
    """A number of the manifests is the document's, or the table says why not."""
    assert LINES[line](made)


@pytest.mark.parametrize(
    ("line", "kind", "path", "value"),
    [
        ("- Max Replicas: 10", "HorizontalPodAutoscaler", "spec maxReplicas", 11),
        ("- CPU Target: 70%", "HorizontalPodAutoscaler", "spec metrics", []),
        (
            "- **Pod Disruption Budget**: Minimum 2 pods available during updates",
            "PodDisruptionBudget",
            "spec minAvailable",
            1,
        ),
        (
            "| production | Production workloads | CPU: 10 cores, Memory: 20Gi |",
            "ResourceQuota",
            "spec hard requests.cpu",
            "9",
        ),
        ("port: 3000", "Service", "spec ports", [{"port": 8080, "targetPort": "http"}]),
        ("periodSeconds: 10", "Rollout", "spec template spec containers", []),
    ],
)
def test_another_number_is_noticed(
    made: Made, line: str, kind: str, path: str, value: object
) -> None:
    """The test above can fail."""
    changed = {name: copy.deepcopy(it) for name, it in made.rendered.items()}
    *way, last = path.split()
    for manifests in changed.values():
        for it in manifests:
            if it["kind"] == kind:
                place = it
                for step in way:
                    place = place[step]
                place[last] = value  # type: ignore[index]
    assert holds(LINES[line], made)
    assert not holds(LINES[line], replace(made, rendered=changed))


def test_a_changed_dockerfile_is_noticed(made: Made) -> None:
    """Its last USER counts, and its port."""
    root = replace(made, dockerfile=f"{made.dockerfile}\nUSER 0\n")
    closed = replace(made, dockerfile=made.dockerfile.replace("3000", "8000"))
    assert holds(LINES["port: 3000"], made)
    assert not holds(LINES["1. **Non-root User**: Application runs as user ID 1001"], root)
    assert not holds(LINES["port: 3000"], closed)


def test_a_change_that_is_not_told_is_noticed(made: Made) -> None:
    """A named change needs its sentence."""
    silent = replace(made, table=made.table.replace("startup probe", "probe"))
    assert not holds(LINES["initialDelaySeconds: 30"], silent)
