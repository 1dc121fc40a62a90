"""What a cluster has for everybody: priorities, volumes, limits, the way of metrics and logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.k8s.cluster import (
    Faults,
    Manifests,
    find,
    namespace,
    of_kind,
    pods,
    quantity,
    title,
)
from tests.k8s.policies.addresses import AGENT, VPC
from tests.k8s.render import ENVIRONMENTS, example

_CLASSES = ("application", "monitoring", "maintenance")
_OF_COMPONENT = {"debug": "maintenance"}
# Above are those of Kubernetes itself.
_HIGHEST = 1_000_000_000
_ALL = "0.0.0.0/0"
_OWN, _NAMES = "own pods", "namespace kube-system"
_MONITORING, _AGENTS = "namespace monitoring", "namespace monitoring-agents"
_HIGH = "TCP 1024-65535"
_DNS = {"UDP 53", "TCP 53"}
WAYS: Mapping[tuple[str, str], Mapping[str, set[str]]] = {
    ("monitoring", "ingress"): {
        # Agents push to Loki, and the stack's parts ask one another on ports of the charts' choice.
        _OWN: {_HIGH},
        _AGENTS: {_HIGH},
        # The operator's webhook, called by the control plane.
        VPC: {"TCP 10250"},
    },
    ("monitoring", "egress"): {
        _OWN: {_HIGH},
        # And the metrics of CoreDNS and of kube-state's neighbours there.
        _NAMES: {*_DNS, "TCP 8080", "TCP 9153"},
        # Metrics of the API and of the worker: see `metrics_ways`.
        "environment": {"TCP 3001", "TCP 3002"},
        # The API of Kubernetes, node-exporter and the kubelets.
        VPC: {"TCP 443", "TCP 9100", "TCP 10250"},
        # Those who are paged.
        _ALL: {"TCP 443"},
    },
    ("monitoring-agents", "ingress"): {_MONITORING: {_HIGH}},
    ("monitoring-agents", "egress"): {
        _NAMES: _DNS,
        # Loki.
        _MONITORING: {"TCP 3100"},
        # CloudWatch's endpoint in the VPC, and who gives the rights to write there.
        VPC: {"TCP 443"},
        AGENT: {"TCP 80"},
    },
}
"""(Namespace, side) -> peer -> ports: all that passes, and no more."""


def ranks(manifests: Manifests) -> Faults:
    """When nodes are short, the service stays longest, then what watches it; a look by hand takes
    no room from either."""
    classes = {it["metadata"]["name"]: it for it in of_kind(manifests, "PriorityClass")}
    values = [int(classes[name]["value"]) for name in _CLASSES if name in classes]
    faults = [f"there is no priority {name}" for name in _CLASSES if name not in classes]
    if not faults and not _HIGHEST >= values[0] > values[1] > 0 > values[2]:
        faults.append(f"{', '.join(_CLASSES)} rank {values}")
    if classes.get("maintenance", {}).get("preemptionPolicy") != "Never":
        faults.append("a look by hand drives others out")
    for it in pods(manifests):
        wanted = _OF_COMPONENT.get(it.labels.get("app.kubernetes.io/component", ""), "application")
        given = it.spec.get("priorityClassName")
        if given in classes and given != wanted:
            faults.append(f"{it.name} has priority {given}, not {wanted}")
    return faults


def disks(manifests: Manifests) -> Faults:
    """A volume without a class is encrypted with our key, in the zone of its pod, and can grow."""
    wanted = {
        "provisioner": "ebs.csi.aws.com",
        "parameters": {
            "type": "gp3",
            "encrypted": "true",
            "kmsKeyId": example()["volume-key-arn"],
        },
        "allowVolumeExpansion": True,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    faults = [
        f"{title(it)}: {key} is {it.get(key)}"
        for it in of_kind(manifests, "StorageClass")
        for key, value in wanted.items()
        if it.get(key) != value
    ]
    defaults = [
        it
        for it in of_kind(manifests, "StorageClass")
        if it["metadata"].get("annotations", {}).get("storageclass.kubernetes.io/is-default-class")
        == "true"
    ]
    if len(defaults) != 1:
        faults.append(f"{len(defaults)} storage classes are the default")
    return faults


def bounds(manifests: Manifests) -> Faults:
    """A container that says nothing gets something, what ours say is allowed, and the monitoring
    takes no more than its quota."""
    faults = [*_unbounded(manifests)]
    for it in of_kind(manifests, "LimitRange"):
        for each in it["spec"]["limits"]:
            least, usual, most = (each.get(key, {}) for key in ("defaultRequest", "default", "max"))
            for what in ("cpu", "memory"):
                given = [level[what] for level in (least, usual, most) if what in level]
                if [quantity(one) for one in given] != sorted(quantity(one) for one in given):
                    faults.append(f"{title(it)}: {what} {given}")
                if what not in least or what not in usual:
                    faults.append(f"{title(it)} gives no {what}")
            faults += [
                f"{title(it)}: {pod.name} may have no {limit} of {what}"
                for pod in pods(manifests)
                if pod.namespace == namespace(it)
                for container in pod.containers()
                for what, limit in container["resources"]["limits"].items()
                if what in most and quantity(limit) > quantity(most[what])
            ]
            if find(manifests, "Namespace", namespace(it), "") and pods_there(manifests, it):
                faults += [
                    f"{title(it)}: a container may have any {what}"
                    for what in ("cpu", "memory")
                    if what not in most
                ]
    return faults


def _unbounded(manifests: Manifests) -> Iterator[str]:
    for it in of_kind(manifests, "Namespace"):
        where = it["metadata"]["name"]
        ours = {namespace(each) for each in of_kind(manifests, "LimitRange")}
        if where in (*ENVIRONMENTS, "monitoring") and where not in ours:
            yield f"{where}: a container that says nothing gets nothing"
    hard = {
        name
        for it in of_kind(manifests, "ResourceQuota")
        if namespace(it) == "monitoring"
        for name in it["spec"]["hard"]
    }
    # What policies/add_ons.py reckons with.
    for name in sorted({"requests.cpu", "requests.memory"} - hard):
        yield f"monitoring: {name} has no end"


def pods_there(manifests: Manifests, it: Mapping[str, Any]) -> bool:
    """Ours run in the namespace of that object."""
    return any(pod.namespace == namespace(it) for pod in pods(manifests))


def ways(manifests: Manifests) -> Faults:
    """Metrics, logs and alerts reach those who read them, and nothing else passes."""
    faults = []
    there = {it["metadata"]["name"] for it in of_kind(manifests, "Namespace")}
    for (where, side), wanted in WAYS.items():
        found: dict[str, set[str]] = {}
        for policy in of_kind(manifests, "NetworkPolicy"):
            if namespace(policy) == where:
                for peer, port in _open(policy, side):
                    found.setdefault(peer, set()).add(port)
        faults += [
            f"{where}: {side} {peer} is {sorted(found.get(peer, ()))}, not {sorted(wanted[peer])}"
            if peer in wanted
            else f"{where}: {side} {peer} is open"
            for peer in sorted(found.keys() | wanted.keys())
            if where in there and found.get(peer) != wanted.get(peer)
        ]
    return faults


def _open(policy: Mapping[str, Any], side: str) -> Iterator[tuple[str, str]]:
    """Without peers a rule is about all there are, and without ports too."""
    for rule in policy["spec"].get(side) or ():
        peers: Sequence[Mapping[str, Any]] = rule.get("from" if side == "ingress" else "to") or (
            {},
        )
        ports = [_port(port) for port in rule.get("ports") or ()] or ["any"]
        yield from ((_peer(peer), port) for peer in peers for port in ports)


def _port(port: Mapping[str, Any]) -> str:
    numbers = str(port.get("port", "any")) + (f"-{port['endPort']}" if "endPort" in port else "")
    return f"{port.get('protocol', 'TCP')} {numbers}"


def _peer(peer: Mapping[str, Any]) -> str:
    if peer == {"podSelector": {}}:
        return _OWN
    labels = peer.get("namespaceSelector", {}).get("matchLabels", {})
    if labels == {"app.kubernetes.io/component": "environment"}:
        return "environment"
    name = labels.get("kubernetes.io/metadata.name")
    if len(labels) == 1 and name:
        return f"namespace {name}"
    return str(peer.get("ipBlock", {}).get("cidr", "anything"))


def metrics_ways(manifests: Manifests) -> Faults:
    """Prometheus may leave for the ports that the monitors name, and for those alone."""
    labelled = {
        it["metadata"]["name"]
        for it in of_kind(manifests, "Namespace")
        if it["metadata"]["labels"].get("app.kubernetes.io/component") == "environment"
    }
    read = {
        (it.namespace, f"TCP {port['containerPort']}")
        for it in pods(manifests)
        if it.serving
        for port in it.ports()
        if port.get("name") == ("metrics" if len(it.ports()) > 1 else "http")
    }
    allowed = WAYS["monitoring", "egress"]["environment"]
    if not any(it["metadata"]["name"] == "monitoring" for it in of_kind(manifests, "Namespace")):
        return []
    return [
        f"Prometheus may not leave for {port} in {where}"
        for where, port in sorted(read)
        if where not in labelled or port not in allowed
    ]
