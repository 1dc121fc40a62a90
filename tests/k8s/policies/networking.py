"""What may talk to what: nothing, unless a port in use or a setting says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

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
from tests.k8s.policies.availability import behind_ingress

Port = tuple[str, int]

_METRICS = "metrics"
_AGENT = "169.254.170.23/32"
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
                faults.append(f"{it.name}: no policy lets it out to {_AGENT} on port 80")
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
        if not rule.get("ports") or (side == "ingress" and not rule.get(key))
    ]


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
        peer.get("ipBlock", {}).get("cidr") == _AGENT
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
