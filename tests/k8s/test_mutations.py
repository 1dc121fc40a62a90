"""Each check finds its mistake, and only that check does, so what fails tells what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.k8s.changes import Change
from tests.k8s.detail_mutations import ALLOWED, CHANGES
from tests.k8s.mutations import MUTATIONS, SCHEMA, Cluster, Mutation
from tests.k8s.policies import DETAILS, POLICIES
from tests.k8s.sample_cluster import sample_cluster
from tests.k8s.validation import faults


def findings(cluster: Cluster) -> dict[str, set[str]]:
    """What each check finds, by its name."""
    found = {policy.__name__: set(policy(cluster)) for policy in POLICIES}
    return {**found, SCHEMA: {line for it in cluster for line in faults(it)}}


def found_by(mutation: Mutation, cluster: Cluster) -> set[str]:
    """Names of the checks that find more than before; `cluster` stays as it is."""
    broken: Cluster = json.loads(json.dumps(cluster))
    mutation.break_it(broken)
    before = findings(cluster)
    return {name for name, lines in findings(broken).items() if lines - before[name]}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda it: it.name)
def test_a_mistake_is_found(mutation: Mutation) -> None:
    """By the check that is named for it, and by no other."""
    assert found_by(mutation, sample_cluster()) == {mutation.found_by}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda it: it.name)
def test_it_is_found_in_production(mutation: Mutation, clusters: Mapping[str, Cluster]) -> None:
    """In the manifests as they are, where others could hide it."""
    assert found_by(mutation, clusters["production"]) == {mutation.found_by}


@pytest.fixture(scope="module")
def before(clusters: Mapping[str, Cluster]) -> Mapping[str, dict[str, set[str]]]:
    """What each check finds in the manifests as they are: nothing, or another test fails."""
    return {name: details(clusters[name]) for name in {it.cluster for it in CHANGES}}


def details(cluster: Cluster) -> dict[str, set[str]]:
    """What each check finds, those of our own names included."""
    return {
        **findings(cluster),
        **{policy.__name__: set(policy(cluster)) for policy in DETAILS},
    }


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_wrong_value_is_found(
    change: Change,
    clusters: Mapping[str, Cluster],
    before: Mapping[str, dict[str, set[str]]],
) -> None:
    """By the policy that says why, and by no other: a snapshot says only that it changed."""
    assert found_after(change, clusters, before) == {change.found_by}


@pytest.mark.parametrize("change", ALLOWED, ids=str)
def test_what_is_allowed_is_not_found(
    change: Change,
    clusters: Mapping[str, Cluster],
    before: Mapping[str, dict[str, set[str]]],
) -> None:
    """A policy asks for nothing that the service does not need."""
    assert found_after(change, clusters, before) == set()


def found_after(
    change: Change, clusters: Mapping[str, Cluster], before: Mapping[str, dict[str, set[str]]]
) -> set[str]:
    """Names of the policies that find more than before."""
    broken: Cluster = json.loads(json.dumps(clusters[change.cluster]))
    change.make(broken)
    found = details(broken)
    return {name for name, lines in found.items() if lines - before[change.cluster][name]}


def test_every_policy_has_a_mistake() -> None:
    """A policy that nothing here breaks may find nothing at all."""
    broken = {it.found_by for it in MUTATIONS} | {it.found_by for it in CHANGES}
    assert broken == {SCHEMA, *(it.__name__ for it in (*POLICIES, *DETAILS))}
