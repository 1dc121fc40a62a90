"""Manifests read as what they make in a cluster: pods, their labels, ports and environment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Manifest = Mapping[str, Any]
Manifests = Sequence[Manifest]
Faults = list[str]

SERVING = ("Deployment", "Rollout", "StatefulSet", "DaemonSet")
_SUFFIXES = {
    "m": Decimal("0.001"),
    "k": Decimal(1000),
    "M": Decimal(1000) ** 2,
    "G": Decimal(1000) ** 3,
    "Ki": Decimal(1024),
    "Mi": Decimal(1024) ** 2,
    "Gi": Decimal(1024) ** 3,
}


@dataclass(frozen=True, kw_only=True)
class Pods:
    """What one workload's pods are like."""

    owner: Manifest
    template: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.owner["kind"])

    @property
    def name(self) -> str:
        return f"{self.kind}/{self.owner['metadata']['name']}"

    @property
    def namespace(self) -> str:
        return namespace(self.owner)

    @property
    def spec(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.template["spec"]
        return found

    @property
    def labels(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.template.get("metadata", {}).get("labels", {})
        return found

    @property
    def serving(self) -> bool:
        """It runs on, and is more than somebody's shell."""
        return self.kind in SERVING and self.labels.get("app.kubernetes.io/component") != "debug"

    def containers(self) -> list[Mapping[str, Any]]:
        """Those at the start included."""
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]

    def ports(self) -> list[Mapping[str, Any]]:
        """Of every container."""
        return [port for it in self.containers() for port in it.get("ports", ())]


def namespace(manifest: Manifest) -> str:
    """Where it lies; empty for what lies in none."""
    return str(manifest["metadata"].get("namespace", ""))


def title(manifest: Manifest) -> str:
    """Kind/name."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def of_kind(manifests: Manifests, *kinds: str) -> Iterator[Manifest]:
    """In their order."""
    return (it for it in manifests if it["kind"] in kinds)


def pods(manifests: Manifests) -> Iterator[Pods]:
    """One for each workload."""
    for it in manifests:
        if it["kind"] in (*SERVING, "Job"):
            yield Pods(owner=it, template=it["spec"]["template"])
        elif it["kind"] == "CronJob":
            yield Pods(owner=it, template=it["spec"]["jobTemplate"]["spec"]["template"])
        elif it["kind"] == "Pod":
            yield Pods(owner=it, template=it)


def find(manifests: Manifests, kind: str, name: str, where: str) -> Manifest | None:
    """The object of that name in that namespace."""
    for it in of_kind(manifests, kind):
        if it["metadata"]["name"] == name and namespace(it) == where:
            return it
    return None


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """A label selector of Kubernetes; None selects nothing, an empty one everything."""
    if selector is None:
        return False
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    return all(_meets(it, labels) for it in selector.get("matchExpressions", ()))


def _meets(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator = expression["key"], expression["operator"]
    if operator in ("Exists", "DoesNotExist"):
        return bool((key in labels) == (operator == "Exists"))
    return bool((labels.get(key) in expression["values"]) == (operator == "In"))


def quantity(value: str | float) -> Decimal:
    """`250m`, `512Mi` or `2` as a number of cores or bytes."""
    text = str(value)
    digits = text.rstrip("kKMGim")
    suffix = text[len(digits) :]
    return Decimal(digits) * (_SUFFIXES[suffix] if suffix else 1)


def share(value: str | int, whole: int) -> int:
    """A number, or a percentage of `whole` rounded up."""
    if isinstance(value, int):
        return value
    return math.ceil(int(value.removesuffix("%")) * whole / 100)


def scaler(manifests: Manifests, workload: Manifest) -> Manifest | None:
    """The HorizontalPodAutoscaler that scales a workload."""
    for it in of_kind(manifests, "HorizontalPodAutoscaler"):
        target = it["spec"]["scaleTargetRef"]
        wanted = (workload["kind"], workload["metadata"]["name"], workload["apiVersion"])
        found = (target["kind"], target["name"], target.get("apiVersion"))
        if found == wanted and namespace(it) == namespace(workload):
            return it
    return None


def fewest(manifests: Manifests, workload: Manifest) -> int:
    """Pods of a workload at rest."""
    hpa = scaler(manifests, workload)
    return int(hpa["spec"].get("minReplicas", 1) if hpa else workload["spec"].get("replicas", 1))


def environment(manifests: Manifests, it: Pods, container: Mapping[str, Any]) -> dict[str, Any]:
    """Name -> value, or the reference where a value comes from elsewhere; ConfigMaps resolved."""
    found: dict[str, Any] = {}
    for source in container.get("envFrom", ()):
        if "configMapRef" in source:
            config = find(manifests, "ConfigMap", source["configMapRef"]["name"], it.namespace)
            found |= (config or {}).get("data", {})
    for entry in container.get("env", ()):
        found[entry["name"]] = entry.get("value", entry.get("valueFrom", ""))
        key = entry.get("valueFrom", {}).get("configMapKeyRef")
        if key:
            config = find(manifests, "ConfigMap", key["name"], it.namespace)
            found[entry["name"]] = (config or {}).get("data", {}).get(key["key"], "")
    return found
