"""Each check finds its mistake, and only that check does, so what fails tells what is wrong."""

from __future__ import annotations

import pytest

from tests.k8s.mutations import MUTATIONS, SCHEMA, Cluster, Mutation
from tests.k8s.policies import POLICIES
from tests.k8s.sample_cluster import sample_cluster
from tests.k8s.validation import faults


def found_by(cluster: Cluster) -> set[str]:
    """Names of the checks that find fault."""
    found = {policy.__name__ for policy in POLICIES if policy(cluster)}
    return found | ({SCHEMA} if any(faults(it) for it in cluster) else set())


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda it: it.name)
def test_a_mistake_is_found(mutation: Mutation) -> None:
    """By the check that is named for it, and by no other."""
    cluster = sample_cluster()
    mutation.break_it(cluster)
    assert found_by(cluster) == {mutation.found_by}


def test_every_policy_has_a_mistake() -> None:
    """A policy that nothing here breaks may find nothing at all."""
    assert {it.found_by for it in MUTATIONS} == {SCHEMA, *(it.__name__ for it in POLICIES)}
