"""Whether the service stays up while pods come and go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tests.k8s.cluster import (
    Faults,
    Manifest,
    Manifests,
    Pods,
    environment,
    fewest,
    find,
    namespace,
    of_kind,
    pods,
    quantity,
    scaler,
    selects,
    share,
    title,
)

LIVE, READY = "/health/live", "/health/ready"
_PROBES = {"startupProbe": LIVE, "livenessProbe": LIVE, "readinessProbe": READY}
_ZONE = "topology.kubernetes.io/zone"
# What the load balancer's controller and AWS take where an Ingress does not say.
_DEREGISTRATION = 300


def probes(manifests: Manifests) -> Faults:
    """Three, each on a port of the container's by its name.

    Liveness never asks for the database: an outage of it would restart every pod.
    """
    faults = []
    for it in pods(manifests):
        for container in it.spec["containers"] if it.serving else ():
            names = {port.get("name") for port in container.get("ports", ())}
            for probe, path in _PROBES.items():
                asked = container.get(probe, {}).get("httpGet", {})
                if asked.get("path") != path:
                    faults.append(f"{it.name}: {probe} asks {asked.get('path')}, not {path}")
                elif asked.get("port") not in names:
                    faults.append(f"{it.name}: {probe} asks port {asked.get('port')}")
    return faults


def disruption(manifests: Manifests) -> Faults:
    """Every service has one budget, and it lets a node be drained at the fewest pods."""
    budgets = list(of_kind(manifests, "PodDisruptionBudget"))
    faults = []
    used = []
    for it in pods(manifests):
        own = [
            budget
            for budget in budgets
            if namespace(budget) == it.namespace
            and selects(budget["spec"].get("selector"), it.labels)
        ]
        used += own
        if it.serving and len(own) != 1:
            faults.append(f"{it.name} has {len(own)} disruption budgets")
        least = fewest(manifests, it.owner)
        for budget in own:
            spec = budget["spec"]
            kept = spec.get("minAvailable", 0)
            lost = spec.get("maxUnavailable", 1)
            if share(kept, least) >= least or share(lost, least) < 1:
                faults.append(f"{title(budget)} keeps {kept} of {least} pods of {it.name}")
    return faults + [f"{title(it)} selects nothing" for it in budgets if it not in used]


def quota(manifests: Manifests) -> Faults:
    """The most pods at once fit: autoscaled to the maximum, in a release, with every job."""
    quotas = {namespace(it): it["spec"]["hard"] for it in of_kind(manifests, "ResourceQuota")}
    faults = [
        f"{it.name}: namespace {it.namespace} has no quota"
        for it in pods(manifests)
        if it.namespace not in quotas
    ]
    used = needed(manifests)
    for where, hard in quotas.items():
        for what, limit in hard.items():
            # `cpu` is short for what is requested of it.
            name = f"requests.{what}" if what in ("cpu", "memory") else what
            amount = used.get((where, name), Decimal())
            if amount > quantity(limit):
                faults.append(f"{where}: {what} {limit} is less than the {amount} needed")
    return faults


def needed(manifests: Manifests) -> Mapping[tuple[str, str], Decimal]:
    """(Namespace, `requests.cpu`, `pods` or the like) -> the most at once."""
    used: dict[tuple[str, str], Decimal] = {}
    for it in pods(manifests):
        count = most(manifests, it.owner)
        for what, amount in {"pods": Decimal(1), **_needs(it)}.items():
            key = (it.namespace, what)
            used[key] = used.get(key, Decimal()) + count * amount
    return used


def most(manifests: Manifests, workload: Manifest) -> int:
    """Pods at the height of a release, at the autoscaler's maximum.

    A Rollout with blue and green, or with weights at the load balancer, keeps the old pods until
    the new ones have all traffic, so it needs twice as many; `dynamicStableScale` spares that.
    """
    spec = workload["spec"]
    if workload["kind"] in ("Job", "CronJob"):
        return int(spec.get("parallelism", 1))
    if workload["kind"] == "Pod":
        return 1
    hpa = scaler(manifests, workload)
    count = int(hpa["spec"]["maxReplicas"] if hpa else spec.get("replicas", 1))
    strategy = spec.get("strategy", {})
    canary = strategy.get("canary", {})
    if "blueGreen" in strategy:
        return 2 * count
    if canary.get("trafficRouting") and not canary.get("dynamicStableScale"):
        return 2 * count
    surge = (canary or strategy.get("rollingUpdate", {})).get("maxSurge", "25%")
    return count + (0 if strategy.get("type") == "Recreate" else share(surge, count))


def _needs(it: Pods) -> Mapping[str, Decimal]:
    found: dict[str, Decimal] = {}
    for container in it.spec["containers"]:
        for side, amounts in container.get("resources", {}).items():
            for what, amount in amounts.items():
                key = f"{side}.{what}"
                found[key] = found.get(key, Decimal()) + quantity(amount)
    return found


def grace(manifests: Manifests) -> Faults:
    """A pod serves on until the load balancer has let go of it, and lives to answer the last.

    A worker has the time to finish the mail at hand.
    """
    delay = max((_deregistration(it) for it in of_kind(manifests, "Ingress")), default=0)
    faults = []
    for it in pods(manifests):
        if not it.serving:
            continue
        given = it.spec.get("terminationGracePeriodSeconds", 30)
        for container in it.spec["containers"]:
            settings = environment(manifests, it, container)
            waits, work = _paused(container), float(settings.get("MAIL_TIMEOUT", 10))
            if behind_ingress(manifests, it):
                waits += float(settings.get("DRAIN_SECONDS", 0))
                work = float(settings.get("REQUEST_TIMEOUT", 5))
                if waits <= delay:
                    faults.append(f"{it.name} serves on for {waits} s, and has to for {delay} s")
            if given <= waits + work:
                faults.append(f"{it.name}: {given} s of grace for {waits} s and {work} s")
    return faults


def _paused(container: Mapping[str, Any]) -> float:
    hook = container.get("lifecycle", {}).get("preStop", {})
    if "sleep" in hook:
        return float(hook["sleep"]["seconds"])
    command = hook.get("exec", {}).get("command", ["sleep", "0"])
    return float(command[-1]) if command[0] == "sleep" else 0.0


def _deregistration(ingress: Manifest) -> int:
    if not list(backends(ingress)):
        return 0
    text = annotation(ingress, "target-group-attributes")
    attributes = dict(pair.split("=", 1) for pair in text.split(",") if pair)
    return int(attributes.get("deregistration_delay.timeout_seconds", _DEREGISTRATION))


def behind_ingress(manifests: Manifests, it: Pods) -> bool:
    """The load balancer sends requests to these pods."""
    return any(
        selects({"matchLabels": service["spec"]["selector"]}, it.labels)
        for ingress in of_kind(manifests, "Ingress")
        for backend in backends(ingress)
        if (service := find(manifests, "Service", backend["name"], it.namespace))
    )


def annotation(ingress: Manifest, name: str) -> str:
    """What an Ingress tells the load balancer's controller; empty if it does not."""
    found = ingress["metadata"].get("annotations", {})
    return str(found.get(f"alb.ingress.kubernetes.io/{name}", ""))


def backends(ingress: Manifest) -> Iterator[Mapping[str, Any]]:
    """Services that an Ingress leads to; an action that an annotation describes is none."""
    found = [path["backend"] for it in _rules(ingress) for path in it["http"]["paths"]]
    found += [ingress["spec"]["defaultBackend"]] if "defaultBackend" in ingress["spec"] else []
    for backend in found:
        if not annotation(ingress, f"actions.{backend['service']['name']}"):
            yield backend["service"]


def _rules(ingress: Manifest) -> list[Mapping[str, Any]]:
    return list(ingress["spec"].get("rules", ()))


def spread(manifests: Manifests) -> Faults:
    """A zone that fails takes a part of the pods with it, not all."""
    faults = []
    for it in pods(manifests):
        constraints = [
            constraint
            for constraint in it.spec.get("topologySpreadConstraints", ())
            if constraint["topologyKey"] == _ZONE
            and selects(constraint.get("labelSelector"), it.labels)
        ]
        if it.serving and fewest(manifests, it.owner) > 1 and not constraints:
            faults.append(f"{it.name} may be in one zone")
    return faults


def priorities(manifests: Manifests) -> Faults:
    """Each pod says what goes first when nodes are short, by a class that exists."""
    there = {it["metadata"]["name"] for it in of_kind(manifests, "PriorityClass")}
    return [
        f"{it.name}: there is no priority {it.spec.get('priorityClassName')}"
        for it in pods(manifests)
        if it.spec.get("priorityClassName") not in there
    ]
