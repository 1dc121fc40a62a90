"""Every environment's templates, synthesized once a session."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cdk.assembly import synthesize
from cdk.config.deployment import ENVIRONMENTS
from tests.infra.resolved import Resource, every

Template = dict[str, Any]
SECONDS = 600
"""Of a test: the first one waits for every environment, on a machine that may be busy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who says a time of its own keeps it."""
    for item in items:
        here = item.path.is_relative_to(Path(__file__).parent)
        if here and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SECONDS))


class Named(NamedTuple):
    """One template, with where it belongs."""

    environment: str
    stack: str
    template: Template


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, Template]]:
    """Environment -> stack name -> template."""
    out = tmp_path_factory.mktemp("cdk")
    found: dict[str, dict[str, Template]] = {}
    for name in ENVIRONMENTS:
        stacks = synthesize(name, out / name).stacks
        found[name] = {stack.stack_name: stack.template for stack in stacks}
    return found


@pytest.fixture(scope="session")
def templates(assemblies: Mapping[str, Mapping[str, Template]]) -> list[Named]:
    """Every template of every environment."""
    return [
        Named(environment, stack, template)
        for environment, stacks in assemblies.items()
        for stack, template in stacks.items()
    ]


@pytest.fixture(scope="session")
def resolved(assemblies: Mapping[str, Mapping[str, Template]]) -> list[Resource]:
    """Every resource of every environment, with its references followed."""
    return list(every(assemblies))
