"""Whether each name that a manifest uses is the name of something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.k8s.cluster import (
    SERVING,
    Faults,
    Manifest,
    Manifests,
    find,
    namespace,
    of_kind,
    pods,
    selects,
    title,
)
from tests.k8s.policies.availability import backends

_PART_OF, _NAME = "app.kubernetes.io/part-of", "app.kubernetes.io/name"
_OF_PODS = (_PART_OF, _NAME, "app.kubernetes.io/component")
_RUNNING = (*SERVING, "CronJob", "Job", "Pod", "Service")
# They are part of every cluster.
_BUILT_IN = {"view", "edit", "admin"}


def labels(manifests: Manifests) -> Faults:
    """Everything says what it is part of, by Kubernetes' own label names."""
    faults = [
        f"{title(it)} has no label {label}"
        for it in manifests
        for label in ((_PART_OF, _NAME) if it["kind"] in _RUNNING else (_PART_OF,))
        if label not in it["metadata"].get("labels", {})
    ]
    return faults + [
        f"{it.name}: its pods have no label {label}"
        for it in pods(manifests)
        for label in _OF_PODS
        if label not in it.labels
    ]


def unique(manifests: Manifests) -> Faults:
    """No object takes another's place."""
    counted = Counter(
        (it["apiVersion"].split("/")[0], title(it), namespace(it)) for it in manifests
    )
    return [f"{key[1]} is there {count} times" for key, count in counted.items() if count > 1]


def namespaces(manifests: Manifests) -> Faults:
    """What lies in a namespace lies in one that there is; else applying it ends half-way."""
    there = {it["metadata"]["name"] for it in of_kind(manifests, "Namespace")}
    return [
        f"{title(it)}: there is no namespace {namespace(it)}"
        for it in manifests
        if namespace(it) and namespace(it) not in there
    ]


def selectors(manifests: Manifests) -> Faults:
    """A workload owns its own pods, and shares no pod with another workload."""
    faults = []
    owners = [it for it in pods(manifests) if it.serving or it.kind == "Deployment"]
    for it in owners:
        selector = it.owner["spec"].get("selector")
        chosen = [
            other.name
            for other in owners
            if other.namespace == it.namespace and selects(selector, other.labels)
        ]
        if chosen != [it.name]:
            faults.append(f"{it.name} selects the pods of {', '.join(chosen) or 'nobody'}")
    return faults


def services(manifests: Manifests) -> Faults:
    """Each leads to pods, on a port that one of their containers has by that name."""
    faults = []
    for service in of_kind(manifests, "Service"):
        selector = {"matchLabels": service["spec"].get("selector", {})}
        behind = [
            it
            for it in pods(manifests)
            if it.namespace == namespace(service) and selects(selector, it.labels)
        ]
        if not service["spec"].get("selector") or not behind:
            faults.append(f"{title(service)} leads to no pod")
        for port in service["spec"]["ports"]:
            faults += [
                f"{title(service)}: {it.name} has no {port['targetPort']}"
                for it in behind
                if port["targetPort"] not in {each.get("name") for each in it.ports()}
            ]
    return faults


def monitors(manifests: Manifests) -> Faults:
    """Each pod that serves is scraped, on a port that it has by that name."""
    faults = []
    for it in pods(manifests):
        endpoints = [
            endpoint
            for monitor in of_kind(manifests, "PodMonitor")
            if namespace(monitor) == it.namespace
            and selects(monitor["spec"]["selector"], it.labels)
            for endpoint in monitor["spec"]["podMetricsEndpoints"]
        ]
        if it.serving and not endpoints:
            faults.append(f"{it.name}: Prometheus does not scrape it")
        names = {port.get("name") for port in it.ports()}
        # Who has a port for metrics has them nowhere else.
        wanted = {"metrics"} & names or names
        faults += [
            f"{it.name} has no metrics on {endpoint['port']}"
            for endpoint in endpoints
            if endpoint["port"] not in wanted
        ]
    return faults


def references(manifests: Manifests) -> Faults:
    """What is named is there: services, ingresses, workloads, templates, maps, secrets, roles."""
    return [
        f"{title(it)}: there is no {kind} {name}"
        for it in manifests
        for kind, name in _named(it)
        if not _there(manifests, kind, name, namespace(it))
    ] + _ingress_ports(manifests)


def _there(manifests: Manifests, kind: str, name: str, where: str) -> bool:
    if kind == "Secret":
        return any(
            it["spec"].get("target", {}).get("name", it["metadata"]["name"]) == name
            for it in of_kind(manifests, "ExternalSecret")
            if namespace(it) == where
        )
    if kind == "ClusterRole" and name in _BUILT_IN:
        return True
    places = ("",) if kind.startswith("Cluster") else (where,)
    return any(find(manifests, kind, name, place) for place in places)


def _named(it: Manifest) -> Iterator[tuple[str, str]]:
    spec = it.get("spec", {})
    if it["kind"] == "HorizontalPodAutoscaler":
        yield spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]
    if it["kind"] == "Ingress":
        yield from (("Service", each["name"]) for each in backends(it))
    if it["kind"] == "Rollout":
        yield from _of_rollout(spec["strategy"])
    if it["kind"] in ("RoleBinding", "ClusterRoleBinding"):
        yield it["roleRef"]["kind"], it["roleRef"]["name"]
    if it["kind"] == "ExternalSecret":
        store = spec["secretStoreRef"]
        yield store.get("kind", "SecretStore"), store["name"]
    for pod in pods([it]):
        yield from _of_pod(pod.spec)


def _of_rollout(strategy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for part in (strategy.get("canary", {}), strategy.get("blueGreen", {})):
        for key in ("stableService", "canaryService", "activeService", "previewService"):
            if key in part:
                yield "Service", part[key]
        balancer = part.get("trafficRouting", {}).get("alb", {})
        if balancer:
            yield "Ingress", balancer["ingress"]
        if "rootService" in balancer:
            yield "Service", balancer["rootService"]
        runs = [part.get(key, {}) for key in ("analysis", "prePromotionAnalysis")]
        runs += [part.get("postPromotionAnalysis", {})]
        runs += [step["analysis"] for step in part.get("steps", ()) if "analysis" in step]
        for run in runs:
            for template in run.get("templates", ()):
                cluster = "Cluster" if template.get("clusterScope") else ""
                yield f"{cluster}AnalysisTemplate", template["templateName"]


def _of_pod(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for volume in spec.get("volumes", ()):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        for source in container.get("envFrom", ()):
            yield from _of_source(source)
        for entry in container.get("env", ()):
            yield from _of_source(entry.get("valueFrom", {}))


def _of_source(source: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in ("ConfigMap", "Secret"):
        for key in ("Ref", "KeyRef"):
            found = source.get(f"{kind[0].lower()}{kind[1:]}{key}")
            if found:
                yield kind, found["name"]


def _ingress_ports(manifests: Manifests) -> Faults:
    faults = []
    for ingress in of_kind(manifests, "Ingress"):
        for backend in backends(ingress):
            service = find(manifests, "Service", backend["name"], namespace(ingress))
            ports = service["spec"]["ports"] if service else []
            known = {port.get("name") for port in ports} | {port["port"] for port in ports}
            # A Rollout with weights puts the ports into an annotation of the Ingress.
            known.add("use-annotation")
            wanted = backend["port"].get("name", backend["port"].get("number"))
            if service and wanted not in known:
                faults.append(f"{title(ingress)}: {title(service)} has no port {wanted}")
    return faults
