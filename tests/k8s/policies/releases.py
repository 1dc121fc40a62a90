"""How a new version takes over, and how far it may go unseen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from tests.k8s.cluster import Faults, Manifests, Pods, find, of_kind, pods, title
from tests.k8s.policies.availability import annotation
from tests.k8s.policies.balancer import pairs

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_PAIRS = (("stableService", "canaryService"), ("activeService", "previewService"))
_DELAY = "deregistration_delay.timeout_seconds"
# Alarms on errors need five minutes of data.
_LOOK = 300
_FIRST_WEIGHT = 20
# What Argo Rollouts takes where a Rollout does not say.
_USUAL = 30
_ABORTED = "abortScaleDownDelaySeconds"
# From a start that hangs to the way back.
_STUCK = range(300, 901)


def surges(manifests: Manifests) -> Faults:
    """A release takes no pod away before the new one is ready, and one that is stuck ends."""
    faults = []
    for it in pods(manifests):
        if not it.serving or it.kind == "DaemonSet":
            continue
        spec = it.owner["spec"]
        if spec.get("progressDeadlineSeconds", 600) not in _STUCK:
            faults.append(f"{it.name} may be stuck for {spec['progressDeadlineSeconds']} s")
        strategy = spec.get("strategy", {})
        if "blueGreen" in strategy:
            continue
        steps = strategy.get("canary") or strategy.get("rollingUpdate", {})
        if steps.get("maxUnavailable") != 0 or steps.get("maxSurge") in (None, 0):
            faults.append(f"{it.name}: a release takes pods away")
    return faults


def steps(manifests: Manifests) -> Faults:
    """A canary begins small and grows, each weight long enough for the alarms; people end it.

    A green version gets traffic by a person's word alone.
    """
    return [
        f"{title(it)}: {line}"
        for it in of_kind(manifests, "Rollout")
        for line in _steps(it["spec"]["strategy"])
    ]


def _steps(strategy: Mapping[str, Any]) -> Iterator[str]:
    if "blueGreen" in strategy and strategy["blueGreen"].get("autoPromotionEnabled") is not False:
        yield "green gets the traffic by itself"
    given = strategy.get("canary", {}).get("steps", ())
    if "canary" not in strategy:
        return
    weights = [each["setWeight"] for each in given if "setWeight" in each]
    if not weights or not 1 <= weights[0] <= _FIRST_WEIGHT or weights[-1] >= 100:
        yield f"its weights are {weights}"
    if any(later <= earlier for earlier, later in pairwise(weights)):
        yield f"its weights are {weights}, which do not grow"
    for earlier, later in pairwise(given):
        if "setWeight" in earlier and not _long(later.get("pause", {"duration": 0})):
            yield f"after {earlier['setWeight']} % it pauses for {later.get('pause')}"
    if not given or given[-1] != {"pause": {}}:
        yield "no pause lets an operator look before the end"


def _long(pause: Mapping[str, Any]) -> bool:
    return "duration" not in pause or seconds(pause["duration"]) >= _LOOK


def seconds(text: str | int) -> float:
    """`10m`, `90s` or `600`; anything else counts as 0."""
    found = re.fullmatch(r"(\d+)([smh]?)", str(text))
    return int(found[1]) * _SECONDS.get(found[2], 1) if found else 0


def ways_back(manifests: Manifests) -> Faults:
    """The old version is there until the load balancer has let go of it, and comes back by itself
    when the new one does not start."""
    delays = [
        int(pairs(annotation(it, "target-group-attributes")).get(_DELAY, 300))
        for it in of_kind(manifests, "Ingress")
        if annotation(it, "target-group-attributes")
    ]
    faults = []
    for it in of_kind(manifests, "Rollout"):
        if it["spec"].get("progressDeadlineAbort") is not True:
            faults.append(f"{title(it)}: a version that does not start stays")
        strategy = it["spec"]["strategy"]
        part = strategy.get("canary") or strategy["blueGreen"]
        faults += [
            f"{title(it)}: {key} is {part.get(key, _USUAL)}"
            for key in ("scaleDownDelaySeconds", _ABORTED)
            if part.get(key, _USUAL) <= max(delays, default=300)
            and (key, part.get(key)) != (_ABORTED, 0)
        ]
        if part.get(_ABORTED) == 0:
            faults.append(f"{title(it)}: an aborted version is never taken away")
        if "canary" in strategy and part.get("minPodsPerReplicaSet", 1) < 2:
            faults.append(f"{title(it)}: the first weight may rest on one pod")
    return faults


def two_services(manifests: Manifests) -> Faults:
    """The old and the new version each have a Service, on the port that is weighted."""
    faults = []
    for it in pods(manifests):
        strategy = it.owner["spec"].get("strategy", {}) if it.kind == "Rollout" else {}
        part = strategy.get("canary") or strategy.get("blueGreen", {})
        if it.kind == "Rollout" and not any(
            {old, new} <= part.keys() and part[old] != part[new] for old, new in _PAIRS
        ):
            faults.append(f"{it.name} has no Service for each version")
        port = part.get("trafficRouting", {}).get("alb", {}).get("servicePort")
        if port is not None:
            faults += _unweighted(manifests, it, part, port)
    return faults


def _unweighted(
    manifests: Manifests, it: Pods, part: Mapping[str, Any], port: int
) -> Iterator[str]:
    for key in ("stableService", "canaryService"):
        service = find(manifests, "Service", part.get(key, ""), it.namespace)
        if service and port not in {each["port"] for each in service["spec"]["ports"]}:
            yield f"{it.name}: {title(service)} has no port {port} to be weighted"


def plain_services(manifests: Manifests) -> Faults:
    """Inside of the cluster alone: another type is a second way in, past the web ACL.

    Port 80 by the name http, as callers in the cluster say.
    """
    return [
        f"{title(it)} is {it['spec'].get('type', 'ClusterIP')} on {port['port']} {port.get('name')}"
        for it in of_kind(manifests, "Service")
        for port in it["spec"]["ports"]
        if (it["spec"].get("type", "ClusterIP"), port["port"], port.get("name"))
        != ("ClusterIP", 80, "http")
    ]
