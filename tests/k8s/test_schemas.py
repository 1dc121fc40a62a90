"""Nothing is rendered that the clusters' Kubernetes, or an operator, would refuse or ignore."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.k8s.render import Rendered
from tests.k8s.samples import ALL, sample
from tests.k8s.validation import KUBERNETES, faults


def test_every_manifest_is_valid(rendered: Mapping[str, Rendered]) -> None:
    """Every overlay, component, platform folder and the migration job, field by field."""
    found = {
        name: broken
        for name, rendering in rendered.items()
        if (broken := [line for it in rendering.manifests for line in faults(it)])
    }
    assert found == {}


def test_every_rendering_says_something(rendered: Mapping[str, Rendered]) -> None:
    """An overlay that renders to nothing would pass every check."""
    assert [name for name, it in rendered.items() if not it.manifests] == []


def test_the_version_is_the_clusters() -> None:
    """The schemas are of the version that the deployment installs."""
    assert KUBERNETES == "1.35"


@pytest.mark.parametrize("kind", ALL)
def test_valid_manifests_pass(kind: str) -> None:
    """The samples that the next test breaks are whole."""
    assert faults(sample(kind)) == []


@pytest.mark.parametrize("kind", ALL)
def test_a_misspelt_field_is_found_wherever_it_is(kind: str) -> None:
    """In each object of a manifest in turn, at any depth, in Kubernetes' kinds and others'."""
    places = list(_objects(sample(kind)))
    for path in places:
        manifest = sample(kind)
        place: Any = manifest
        for step in path:
            place = place[step]
        place["specc"] = {}
        assert faults(manifest), path
    assert len(places) > 1


# Any name may be a key there: labels, and the fields of these.
_OPEN = {"matchLabels", "labels"}


def _objects(it: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(it, dict):
        yield path
        for key, value in it.items():
            if key not in _OPEN:
                yield from _objects(value, (*path, key))
    elif isinstance(it, list):
        for index, value in enumerate(it):
            yield from _objects(value, (*path, index))


def test_values_are_checked() -> None:
    """A wrong type or word is found in an operator's kinds as well."""
    broken = sample("PeerAuthentication")
    broken["spec"]["mtls"]["mode"] = "STRICTLY"
    assert faults(broken)
    broken = sample("Rollout")
    broken["spec"]["replicas"] = "three"
    assert faults(broken)
    del broken["spec"]
    assert faults(broken)


def test_unknown_kinds_are_refused() -> None:
    """A kind without a schema, or of a version that has gone, is not waved through."""
    assert faults({**sample("Deployment"), "kind": "Deploymint"})
    assert faults({**sample("Deployment"), "apiVersion": "apps/v1beta1"})
    assert faults({**sample("Rollout"), "apiVersion": "argoproj.io/v1"})
