"""Every environment, alone and with each component, keeps every policy."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.k8s.conftest import Cluster
from tests.k8s.policies import DETAILS, POLICIES, Policy
from tests.k8s.sample_cluster import sample_cluster
from tests.k8s.validation import faults


@pytest.mark.parametrize("policy", [*POLICIES, *DETAILS], ids=lambda it: it.__name__)
def test_every_cluster_keeps_the_policy(policy: Policy, clusters: Mapping[str, Cluster]) -> None:
    """Read as a cluster would have it: overlay, platform and migration together."""
    found = {name: broken for name, them in clusters.items() if (broken := policy(them))}
    assert found == {}


def test_the_sample_is_whole() -> None:
    """What the mutations break is valid and keeps every policy."""
    manifests = sample_cluster()
    assert [line for it in manifests for line in faults(it)] == []
    assert {it.__name__: it(manifests) for it in POLICIES} == {it.__name__: [] for it in POLICIES}
