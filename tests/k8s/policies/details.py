"""What the schemas let pass: protocols, keys, ports of the mesh, and where each port leads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.k8s.cluster import (
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
from tests.k8s.policies.addresses import AGENT, VPC
from tests.k8s.render import ENVIRONMENTS

PROTOCOLS = {"TCP", "UDP", "SCTP"}
_VOLUMES = (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName"))
_PLACES = {AGENT: "the agent of Pod Identity", VPC: "the VPC"}
_LINK_LOCAL = "169.254.0.0/16"
# Where a port of the service leads; others are for the policies to say.
DESTINATIONS: Mapping[int, str] = {
    53: "the name service",
    80: "the agent of Pod Identity",
    443: "the internet",
    5432: "the VPC",
    6379: "the VPC",
    3000: "our own pods",
    3001: "our own pods",
}


def protocols(manifests: Manifests) -> Faults:
    """Each is one that Kubernetes knows, and each number is one of a port."""
    faults = []
    for it in manifests:
        for port in _ports(it):
            if port.get("protocol", "TCP") not in PROTOCOLS:
                faults.append(f"{title(it)}: {port['protocol']} is no protocol")
            for key in ("port", "targetPort", "containerPort", "endPort"):
                number = port.get(key, 1)
                if isinstance(number, int) and not 0 < number < 65536:
                    faults.append(f"{title(it)}: {number} is no port")
    return faults


def _ports(it: Manifest) -> Iterator[Mapping[str, Any]]:
    if it["kind"] == "Service":
        yield from it["spec"]["ports"]
    if it["kind"] == "NetworkPolicy":
        for side in ("ingress", "egress"):
            for rule in it["spec"].get(side) or ():
                yield from rule.get("ports", ())
    for pod in pods([it]):
        yield from pod.ports()


def keys(manifests: Manifests) -> Faults:
    """A key that is asked for is in the map, or is one that the secret is made of."""
    return [
        f"{pod.name}: {kind} {name} has no {key}"
        for pod in pods(manifests)
        for kind, name, key in _keys(pod.spec)
        if key not in _made(manifests, kind, name, pod.namespace)
    ]


def _keys(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        for entry in container.get("env", ()):
            for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                found = entry.get("valueFrom", {}).get(field)
                if found:
                    yield kind, found["name"], found["key"]
    for volume in spec.get("volumes", ()):
        for kind, field, named in _VOLUMES:
            source = volume.get(field, {})
            for item in source.get("items", ()):
                yield kind, source[named], item["key"]


def _made(manifests: Manifests, kind: str, name: str, where: str) -> set[str]:
    if kind == "ConfigMap":
        return set((find(manifests, kind, name, where) or {}).get("data", {}))
    return {
        each["secretKey"]
        for it in of_kind(manifests, "ExternalSecret")
        if namespace(it) == where
        and it["spec"].get("target", {}).get("name", it["metadata"]["name"]) == name
        for each in it["spec"].get("data", ())
    }


def mesh_ports(manifests: Manifests) -> Faults:
    """A rule of the mesh is about a port that there is."""
    faults = []
    for it in of_kind(manifests, "PeerAuthentication", "AuthorizationPolicy"):
        chosen = [
            pod
            for pod in pods(manifests)
            if pod.namespace == namespace(it) and selects(it["spec"].get("selector"), pod.labels)
        ]
        there = {str(port["containerPort"]) for pod in chosen for port in pod.ports()}
        faults += [f"{title(it)}: no container has port {port}" for port in _of_mesh(it) - there]
    for it in of_kind(manifests, "VirtualService"):
        for way in (each for http in it["spec"].get("http", ()) for each in http.get("route", ())):
            host, port = way["destination"]["host"], way["destination"]["port"]["number"]
            service = find(manifests, "Service", host, namespace(it))
            if port not in {
                each["port"] for each in (service or {"spec": {"ports": ()}})["spec"]["ports"]
            }:
                faults.append(f"{title(it)}: {host} has no port {port}")
    return faults


def _of_mesh(it: Manifest) -> set[str]:
    spec = it["spec"]
    asked = {
        port
        for rule in spec.get("rules", ())
        for to in rule.get("to", ())
        for port in to["operation"].get("ports", ())
    }
    return asked | set(spec.get("portLevelMtls", {}))


def egress_peers(manifests: Manifests) -> Faults:
    """In our namespaces each port leads to the one kind of place that it is for."""
    return [
        f"{title(it)}: port {port['port']} leads to {where}"
        for it in of_kind(manifests, "NetworkPolicy")
        if namespace(it) in ENVIRONMENTS
        for rule in it["spec"].get("egress") or ()
        for port in rule.get("ports", ())
        for where in [_kind(peer) for peer in rule.get("to", ())] or ["everywhere"]
        if where != DESTINATIONS.get(port.get("port"), where)
    ]


def _kind(peer: Mapping[str, Any]) -> str:
    block = peer.get("ipBlock")
    if block is None:
        where = peer.get("namespaceSelector")
        if where is None:
            return "our own pods" if peer.get("podSelector") else "every pod here"
        name = where.get("matchLabels", {}).get("kubernetes.io/metadata.name")
        dns = peer.get("podSelector", {}).get("matchLabels", {}).get("k8s-app") == "kube-dns"
        return "the name service" if (name, dns) == ("kube-system", True) else f"namespace {name}"
    cidr = str(block["cidr"])
    if cidr == "0.0.0.0/0":
        apart = block.get("except") == [_LINK_LOCAL]
        return "the internet" if apart else "the internet and the node's own addresses"
    return _PLACES.get(cidr, cidr)
