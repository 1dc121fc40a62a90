"""What may talk to what: nothing, unless a port in use or a setting says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from core.adapters.telemetry.metrics import PrometheusMetrics
from handler.side_server import metrics_pages
from tests.k8s.cluster import (
    Faults,
    Manifests,
    Pods,
    environment,
    namespace,
    of_kind,
    pods,
    selects,
    title,
)
from tests.k8s.policies.addresses import AGENT
from tests.k8s.policies.availability import behind_ingress

Port = tuple[str, int]

_METRICS = "metrics"
(_PAGE,) = metrics_pages(PrometheusMetrics(version="test"))
_OF_DATABASES = {
    "DATABASE_SECRET_ARN",
    "DATABASE_URL",
    "MIGRATION_DATABASE_SECRET_ARN",
    "MIGRATION_DATABASE_URL",
    "PGHOST",
}
_DATABASE, _REDIS, _HTTPS = ("TCP", 5432), ("TCP", 6379), ("TCP", 443)
_NAMES = (("UDP", 53), ("TCP", 53))


def default_deny(manifests: Manifests) -> Faults:
    """Each namespace refuses, in both directions, what no policy allows."""
    denying = {
        namespace(it)
        for it in of_kind(manifests, "NetworkPolicy")
        if it["spec"]["podSelector"] == {}
        and set(it["spec"].get("policyTypes", ())) == {"Ingress", "Egress"}
        and not it["spec"].get("ingress")
        and not it["spec"].get("egress")
    }
    there = {it["metadata"]["name"] for it in of_kind(manifests, "Namespace")}
    there |= {it.namespace for it in pods(manifests)}
    return [f"{name} denies nothing by default" for name in sorted(there - denying)]


def ports_in_use(manifests: Manifests) -> Faults:
    """Every port that a container listens on has a policy that lets somebody in.

    Where a load balancer leads, that is the load balancer: an address outside of the cluster.
    """
    faults = []
    for it in pods(manifests):
        for port in it.ports():
            wanted = (port.get("protocol", "TCP"), port["containerPort"])
            open_ = [rule for rule in _rules(manifests, it, "ingress") if _opens(rule, wanted, it)]
            peers = [peer for rule in open_ for peer in rule.get("from", ())]
            if not open_:
                faults.append(f"{it.name}: no policy lets anybody in on port {wanted[1]}")
            elif (
                behind_ingress(manifests, it)
                and port.get("name") != _METRICS
                and not any("ipBlock" in peer for peer in peers)
            ):
                faults.append(f"{it.name}: no policy lets the load balancer in on {wanted[1]}")
    return faults


def metrics_apart(manifests: Manifests) -> Faults:
    """A port for metrics is open to Prometheus and to nobody else, and no other port of that pod is
    open to Prometheus."""
    faults = []
    for it in pods(manifests):
        for port in it.ports() if any(each.get("name") == _METRICS for each in it.ports()) else ():
            number, metrics = port["containerPort"], port.get("name") == _METRICS
            faults += [
                f"{it.name}: a policy opens port {number} to {peer}"
                for rule in _rules(manifests, it, "ingress")
                if rule.get("ports") and _opens(rule, ("TCP", number), it)
                for peer in rule.get("from", ())
                if _is_prometheus(peer) is not metrics
            ]
    return faults


def _is_prometheus(peer: Mapping[str, Any]) -> bool:
    where = peer.get("namespaceSelector", {}).get("matchLabels", {})
    who = peer.get("podSelector", {}).get("matchLabels", {})
    named = (where.get("kubernetes.io/metadata.name"), who.get("app.kubernetes.io/name"))
    return named == ("monitoring", "prometheus")


def egress_of_settings(manifests: Manifests) -> Faults:
    """What the settings send a pod to can be reached: name service, database, Redis, AWS, mail."""
    faults = []
    for it in pods(manifests):
        rules = list(_rules(manifests, it, "egress"))
        for container in it.containers():
            given = environment(manifests, it, container)
            faults += [
                f"{it.name}: no policy lets it out on {wanted[0]} {wanted[1]}"
                for wanted in sorted(_implied(given))
                if not any(_opens(rule, wanted, it) for rule in rules)
            ]
            if _asks_aws(given) and not _reaches_agent(rules, it):
                faults.append(f"{it.name}: no policy lets it out to {AGENT} on port 80")
    return faults


def policies_select(manifests: Manifests) -> Faults:
    """A policy whose labels match no pod allows nothing, and looks as if it did."""
    return [
        f"{title(it)} selects nothing"
        for it in of_kind(manifests, "NetworkPolicy")
        if it["spec"]["podSelector"] != {}
        and not any(
            pod.namespace == namespace(it) and selects(it["spec"]["podSelector"], pod.labels)
            for pod in pods(manifests)
        )
    ]


def never_everywhere(manifests: Manifests) -> Faults:
    """No rule leads to the whole internet on every port, nor in from it."""
    return [
        f"{title(it)}: {side} without a port, or without a peer"
        for it in of_kind(manifests, "NetworkPolicy")
        for side, key in (("ingress", "from"), ("egress", "to"))
        for rule in it["spec"].get(side) or ()
        if not all("port" in port for port in rule.get("ports") or [{}])
        or (side == "ingress" and not rule.get(key))
    ]


def directions(manifests: Manifests) -> Faults:
    """A policy says that it is about the direction of its rules, and of no other.

    Egress rules without the word have no effect; the word without rules shuts everything out.
    """
    return [
        f"{title(it)} is about {given}"
        for it in of_kind(manifests, "NetworkPolicy")
        if (given := sorted(it["spec"].get("policyTypes", ())))
        != [side.capitalize() for side in ("egress", "ingress") if side in it["spec"]]
        and (given != ["Egress", "Ingress"] or it["spec"]["podSelector"])
    ]


def scraped(manifests: Manifests) -> Faults:
    """Prometheus is let in where a monitor sends it, and gets metrics there."""
    faults = []
    for it in of_kind(manifests, "PodMonitor"):
        for endpoint in it["spec"]["podMetricsEndpoints"]:
            if endpoint.get("path", _PAGE) != _PAGE:
                faults.append(f"{title(it)}: {endpoint['path']} is no page of metrics")
            for pod in pods(manifests):
                there = {port["name"]: port["containerPort"] for port in pod.ports()}
                number = there.get(endpoint["port"])
                # A monitor of another port has a policy of its own.
                if (
                    number
                    and endpoint["port"] == (_METRICS if _METRICS in there else endpoint["port"])
                    and pod.namespace == namespace(it)
                    and selects(it["spec"]["selector"], pod.labels)
                    and _shut(manifests, pod, number)
                ):
                    faults.append(f"{pod.name} does not let Prometheus in on {number}")
    return faults


def _shut(manifests: Manifests, pod: Pods, number: int) -> bool:
    """The port is open, but not to Prometheus."""
    open_ = [
        peer
        for rule in _rules(manifests, pod, "ingress")
        if _opens(rule, ("TCP", number), pod)
        for peer in rule.get("from", ())
    ]
    return bool(open_) and not any(_is_prometheus(peer) for peer in open_)


def reaches(manifests: Manifests, pod: Pods, peer: Mapping[str, Any], number: int) -> bool:
    """A policy lets exactly that peer in on the port."""
    return any(
        peer in rule.get("from", ()) and _opens(rule, ("TCP", number), pod)
        for rule in _rules(manifests, pod, "ingress")
    )


def both_ends(manifests: Manifests) -> Faults:
    """What one pod may send to another, the other lets in, and the reverse; the pod for a look
    reaches every pod that serves."""
    out, in_ = set(), set()
    there = list(pods(manifests))
    for client in there:
        for server in there:
            for port in server.ports() if client.namespace == server.namespace else ():
                way = (client.name, server.name, int(port["containerPort"]))
                if _allows(manifests, client, "egress", server, way[2], server):
                    out.add(way)
                if _allows(manifests, server, "ingress", client, way[2], server):
                    in_.add(way)
    faults = [f"{way} is open at one end" for way in sorted(out ^ in_)]
    return faults + [
        f"{it.name} cannot look at {server.name}"
        for it in there
        if it.kind == "Pod"
        for server in there
        if server.serving and not any(way[:2] == (it.name, server.name) for way in out & in_)
    ]


def _allows(
    manifests: Manifests, it: Pods, side: str, other: Pods, number: int, server: Pods
) -> bool:
    """By a rule about chosen pods of the same namespace."""
    return any(
        "namespaceSelector" not in peer
        and any(peer.get("podSelector", {}).values())
        and selects(peer["podSelector"], other.labels)
        for rule in _rules(manifests, it, side)
        if _opens(rule, ("TCP", number), server)
        for peer in rule.get("from" if side == "ingress" else "to", ())
    )


def _rules(manifests: Manifests, it: Pods, side: str) -> Iterator[Mapping[str, Any]]:
    for policy in of_kind(manifests, "NetworkPolicy"):
        if namespace(policy) == it.namespace and selects(policy["spec"]["podSelector"], it.labels):
            yield from policy["spec"].get(side) or ()


def _opens(rule: Mapping[str, Any], wanted: Port, it: Pods) -> bool:
    if not rule.get("ports"):
        return True
    protocol, number = wanted
    for port in rule["ports"]:
        if port.get("protocol", "TCP") != protocol:
            continue
        named = {each.get("name"): each["containerPort"] for each in it.ports()}
        first = port.get("port")
        first = named.get(first, first)
        if first is None or first == number:
            return True
        if isinstance(first, int) and first <= number <= port.get("endPort", first):
            return True
    return False


def _reaches_agent(rules: list[Mapping[str, Any]], it: Pods) -> bool:
    return any(
        peer.get("ipBlock", {}).get("cidr") == AGENT
        for rule in rules
        if _opens(rule, ("TCP", 80), it)
        for peer in rule.get("to", ())
    )


def _asks_aws(settings: Mapping[str, Any]) -> bool:
    return any(name.endswith("_SECRET_ARN") for name in settings) or str(
        settings.get("MAIL_URL", "")
    ).startswith("ses:")


def _implied(settings: Mapping[str, Any]) -> set[Port]:
    found: set[Port] = set()
    if settings:
        found |= set(_NAMES)
    if _asks_aws(settings):
        found.add(_HTTPS)
    if _OF_DATABASES & settings.keys():
        found.add(_DATABASE)
    if "CACHE_SECRET_ARN" in settings:
        found.add(_REDIS)
    mail = urlsplit(str(settings.get("MAIL_URL", "")))
    if mail.scheme.startswith("smtp"):
        found.add(("TCP", mail.port or (465 if mail.scheme == "smtps" else 587)))
    return found
