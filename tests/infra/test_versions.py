"""The versions in use can still be created."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace

import pytest
from aws_cdk import aws_eks_v2, aws_rds

from cdk.config.deployment import ENVIRONMENTS
from cdk.config.model import Environment
from cdk.config.production import PRODUCTION


def listed(library: type, prefix: str) -> dict[str, bool]:
    """Version -> whether the library calls it deprecated."""
    source = inspect.getsource(library)
    found: dict[str, bool] = {}
    for match in re.finditer(
        rf"def ({prefix}[0-9_]+)\(cls\).*?'''(.*?)'''", source, flags=re.DOTALL
    ):
        version = match[1].removeprefix(prefix).replace("_", ".")
        found[version] = "deprecated" in match[2].lower()
    assert len(found) > 5
    return found


def outdated(environment: Environment) -> list[str]:
    """What can no longer be created, or soon not, a line each."""
    postgres, kubernetes = postgres_versions(), kubernetes_versions()
    faults = []
    if environment.database.engine_version not in postgres:
        faults.append(f"PostgreSQL {environment.database.engine_version}")
    if environment.cluster.kubernetes_version not in kubernetes:
        faults.append(f"Kubernetes {environment.cluster.kubernetes_version}")
    return faults


def postgres_versions() -> list[str]:
    """Those that the library does not call deprecated."""
    every = listed(aws_rds.PostgresEngineVersion, "VER_")
    return [version for version, deprecated in every.items() if not deprecated]


def kubernetes_versions() -> list[str]:
    """The three newest of the library, which does not say when standard support ends."""
    every = listed(aws_eks_v2.KubernetesVersion, "V")
    return sorted(every, key=lambda version: int(version.split(".")[1]))[-3:]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_version_is_deprecated(name: str) -> None:
    """A deployment does not start with what AWS is about to switch off."""
    assert outdated(ENVIRONMENTS[name]) == []


def test_the_versions_of_the_source_design_are_noticed() -> None:
    """PostgreSQL 15.4 and Kubernetes 1.28, which it names, can no longer be created."""
    old = replace(
        PRODUCTION,
        database=replace(PRODUCTION.database, engine_version="15.4"),
        cluster=replace(PRODUCTION.cluster, kubernetes_version="1.28"),
    )
    assert outdated(old) == ["PostgreSQL 15.4", "Kubernetes 1.28"]
