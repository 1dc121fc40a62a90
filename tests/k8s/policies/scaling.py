"""When pods are added and taken away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.k8s.cluster import Faults, Manifest, Manifests, of_kind, pods, scaler, title

# Below, pods idle; above, a burst comes before the new pods do.
_USED = range(50, 91)
# The load of a pod is a sum over a minute and a half; a lull is no reason yet.
_UP, _DOWN = range(61), range(180, 901)
_ADDED, _TAKEN = range(1, 5), {"Pods": range(1, 3), "Percent": range(10, 51)}
_STEP_UP, _STEP_DOWN = range(15, 61), range(30, 301)


def scaling(manifests: Manifests) -> Faults:
    """What serves is scaled by what it uses: up at once, down slowly, never below two."""
    faults = []
    for it in pods(manifests):
        if not it.serving:
            continue
        hpa = scaler(manifests, it.owner)
        if hpa is None:
            faults.append(f"{it.name} is not scaled")
            continue
        asked = [set(each["resources"]["requests"]) for each in it.spec["containers"]]
        faults += [f"{title(hpa)}: {line}" for line in _scaling(hpa, set.intersection(*asked))]
    return faults


def _scaling(hpa: Manifest, asked: set[str]) -> Iterator[str]:
    spec = hpa["spec"]
    if not 2 <= spec.get("minReplicas", 1) <= spec["maxReplicas"]:
        yield f"from {spec.get('minReplicas')} to {spec['maxReplicas']} pods"
    resources = [each.get("resource", {}) for each in spec.get("metrics", ())]
    if "cpu" not in {each.get("name") for each in resources}:
        yield "it does not look at the processors"
    for metric, each in zip(spec.get("metrics", ()), resources, strict=True):
        target = each.get("target", {})
        if (metric.get("type"), target.get("type")) != ("Resource", "Utilization"):
            yield f"it looks at {metric}"
        elif each["name"] not in asked or target.get("averageUtilization") not in _USED:
            yield f"{each['name']} at {target.get('averageUtilization')} % of what is asked"
    behavior = spec.get("behavior", {})
    # What Kubernetes takes where nothing is said.
    up, down = behavior.get("scaleUp", {}), behavior.get("scaleDown", {})
    if up.get("stabilizationWindowSeconds", 0) not in _UP:
        yield f"it waits for {up['stabilizationWindowSeconds']} s before it adds a pod"
    if down.get("stabilizationWindowSeconds", 300) not in _DOWN:
        yield f"it takes pods away after {down['stabilizationWindowSeconds']} s"
    for name, way in (("scaleUp", up), ("scaleDown", down)):
        if way.get("selectPolicy", "Max") == "Disabled":
            yield f"{name} never happens"
    yield from _steps(up, dict.fromkeys(("Pods",), _ADDED), _STEP_UP)
    yield from _steps(down, _TAKEN, _STEP_DOWN)


def _steps(way: Mapping[str, Any], amounts: Mapping[str, range], periods: range) -> Iterator[str]:
    for each in way.get("policies", ()):
        if each["value"] not in amounts.get(each["type"], ()):
            yield f"{each['value']} {each['type']} at once"
        if each["periodSeconds"] not in periods:
            yield f"a step every {each['periodSeconds']} s"


def evictions(manifests: Manifests) -> Faults:
    """A drained node leaves a pod of each kind; an unready pod does not block the drain."""
    faults = []
    for it in of_kind(manifests, "PodDisruptionBudget"):
        if it["spec"].get("minAvailable", 0) < 1:
            faults.append(f"{title(it)} keeps none")
        if it["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            faults.append(f"{title(it)}: a pod that is not ready keeps a node")
    return faults
