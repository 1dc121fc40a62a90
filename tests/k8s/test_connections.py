"""Pods, their pools and the database's max_connections, which are set in three places."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from cdk.config.deployment import ENVIRONMENTS
from tests.k8s.policies.availability import most
from tests.k8s.render import Rendered

# The rest is for Lambda, which takes over when EKS fails, and for people.
SHARE = 2 / 3


def connections(manifests: list[Any]) -> int:
    """At the height of a release, autoscaled to the maximum; the migration needs one."""
    sizes = {
        it["metadata"]["name"]: int(it["data"]["DATABASE_POOL_SIZE"])
        for it in manifests
        if it["kind"] == "ConfigMap" and "DATABASE_POOL_SIZE" in it["data"]
    }
    pools = [
        most(manifests, it) * sizes[source["configMapRef"]["name"]]
        for it in manifests
        if it["kind"] in ("Deployment", "Rollout")
        for container in it["spec"]["template"]["spec"]["containers"]
        for source in container["envFrom"]
    ]
    return sum(pools) + 1


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_database_has_connections_for_every_pod(
    environment: str, rendered: Mapping[str, Rendered]
) -> None:
    """No autoscaling and no release takes the connections that Lambda and people need."""
    wanted = connections(list(rendered[environment].manifests))
    assert wanted <= ENVIRONMENTS[environment].database.connections * SHARE


def test_a_larger_pool_is_found(rendered: Mapping[str, Rendered]) -> None:
    """Twice the connections a pod would be too many in production."""
    manifests = copy.deepcopy(list(rendered["production"].manifests))
    for it in manifests:
        if "DATABASE_POOL_SIZE" in it.get("data", {}):
            it["data"]["DATABASE_POOL_SIZE"] = "20"
    assert connections(manifests) > ENVIRONMENTS["production"].database.connections * SHARE
