"""What the mesh sends again, waits for, and lets in without its certificates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.config import Settings
from tests.k8s.cluster import Faults, Manifest, Manifests, find, namespace, of_kind, pods, title
from tests.k8s.policies.networking import reaches
from tests.k8s.policies.releases import seconds

# Of these nothing was answered; any other may have changed something.
_UNANSWERED = {"connect-failure", "refused-stream"}
_TUNNEL, _PROBES = 15008, "169.254.7.127/32"


def patience_of_the_mesh(manifests: Manifests) -> Faults:
    """It waits for longer than the service does, and retries only requests without an answer."""
    # Istio's own retries are of answers too.
    faults = _missing(manifests, "VirtualService")
    for it in of_kind(manifests, "VirtualService"):
        names = [*it["spec"]["hosts"], *(_host(route) for route in _routes(it))]
        faults += _nowhere(manifests, it, names)
        connect = max((_connecting(manifests, it, name) for name in names), default=0)
        faults += [
            f"{title(it)}{line}" for way in it["spec"]["http"] for line in _way(way, connect)
        ]
    return faults


def _way(way: Mapping[str, Any], connect: float) -> Iterator[str]:
    """Faults of a route to hosts that a connection takes that many seconds to, at most."""
    whole, retries = seconds(way.get("timeout", 0)), way.get("retries", {})
    if not Settings.request_timeout < whole <= 2 * Settings.request_timeout:
        yield f" waits for {way.get('timeout')}"
    # `attempts` counts the retries, and `perTryTimeout` holds for the first try as well.
    attempts, each = retries.get("attempts", 0), retries.get("perTryTimeout")
    if attempts < 1:
        yield " retries nothing"
    if each is None and attempts * connect + Settings.request_timeout >= whole:
        yield f": {attempts} connections that fail leave no time for an answer"
    if each is not None and seconds(each) <= Settings.request_timeout:
        yield f" cuts off answers after {each}"
    if each is not None and (attempts + 1) * seconds(each) > whole:
        yield f": {attempts + 1} tries of {each} take longer than {way.get('timeout')}"
    if not set(retries.get("retryOn", "5xx").split(",")) <= _UNANSWERED:
        yield f" sends again on {retries.get('retryOn')}"


def _connecting(manifests: Manifests, it: Manifest, host: str) -> float:
    found = (
        seconds(rule["spec"]["trafficPolicy"]["connectionPool"]["tcp"].get("connectTimeout", 0))
        for rule in of_kind(manifests, "DestinationRule")
        if (rule["spec"]["host"], namespace(rule)) == (host, namespace(it))
    )
    return max(found, default=0)


def _routes(it: Manifest) -> Iterator[Mapping[str, Any]]:
    yield from (route for way in it["spec"]["http"] for route in way["route"])


def _host(route: Mapping[str, Any]) -> str:
    return str(route["destination"]["host"])


def _nowhere(manifests: Manifests, it: Manifest, names: list[str]) -> Iterator[str]:
    for name in names:
        if not find(manifests, "Service", name, namespace(it)):
            yield f"{title(it)}: there is no host {name}"


def breakers(manifests: Manifests) -> Faults:
    """A pod that fails gets a rest, and half of them stay whatever happens."""
    faults = _missing(manifests, "DestinationRule")
    for it in of_kind(manifests, "DestinationRule"):
        faults += list(_nowhere(manifests, it, [it["spec"]["host"]]))
        policy = it["spec"]["trafficPolicy"]
        out, pool = policy["outlierDetection"], policy["connectionPool"]
        ranges = {
            "consecutive5xxErrors": (out.get("consecutive5xxErrors"), range(3, 11)),
            "interval": (seconds(out.get("interval", 0)), range(1, 31)),
            "baseEjectionTime": (seconds(out.get("baseEjectionTime", 0)), range(10, 61)),
            "maxEjectionPercent": (out.get("maxEjectionPercent"), range(10, 51)),
            "connectTimeout": (seconds(pool["tcp"].get("connectTimeout", 0)), range(1, 4)),
            # Each client's proxy counts its own, for all pods of the host together.
            "maxConnections": (pool["tcp"].get("maxConnections"), range(500, 4097)),
            "http1MaxPendingRequests": (
                pool["http"].get("http1MaxPendingRequests"),
                range(50, 1001),
            ),
            # 0 is any number: a connection is not opened anew for each.
            "maxRequestsPerConnection": (pool["http"].get("maxRequestsPerConnection", 0), (0,)),
        }
        faults += [
            f"{title(it)}: {name} is {value}"
            for name, (value, allowed) in ranges.items()
            if value not in allowed
        ]
    return faults


def strict(manifests: Manifests) -> Faults:
    """Mutual TLS everywhere but on the load balancer's port; metrics for Prometheus alone.

    In the mesh all arrives through its tunnel, which the network policies have to let in, as they
    have the kubelets' probes, which have an address of their own there.
    """
    faults = _missing(manifests, "AuthorizationPolicy")
    found = list(of_kind(manifests, "PeerAuthentication"))
    for it in found:
        spec = it["spec"]
        wanted = {"3000": {"mode": "PERMISSIVE"}} if spec.get("selector") else {}
        if spec.get("mtls", {}).get("mode") != "STRICT" or spec.get("portLevelMtls", {}) != wanted:
            faults.append(f"{title(it)} lets plain text in: {spec}")
    meshed, chosen = _meshed(manifests), [bool(it["spec"].get("selector")) for it in found]
    if meshed and all(chosen):
        faults.append("plain text is let in where nothing is said")
    if meshed and not any(chosen):
        faults.append("the load balancer is shut out")
    for it in of_kind(manifests, "AuthorizationPolicy"):
        rules = [{"from": [{"source": {"notNamespaces": ["monitoring"]}}], "to": _METRICS}]
        if (it["spec"].get("action"), it["spec"].get("rules")) != ("DENY", rules):
            faults.append(f"{title(it)}: metrics are not for Prometheus alone")
    for pod in pods(manifests) if meshed else ():
        if pod.serving:
            http = next(port["containerPort"] for port in pod.ports() if port["name"] == "http")
            ways: list[tuple[Manifest, int]] = [
                ({"podSelector": {}}, _TUNNEL),
                (_MONITORING, _TUNNEL),
            ]
            ways += [({"ipBlock": {"cidr": _PROBES}}, http)]
            faults += [
                f"{pod.name}: nothing lets {peer} in on {port}"
                for peer, port in ways
                if not reaches(manifests, pod, peer, port)
            ]
    return faults


def _meshed(manifests: Manifests) -> bool:
    """Something says that there is a mesh."""
    return any(it["apiVersion"].partition("/")[0].endswith(".istio.io") for it in manifests) or any(
        port.get("port") == _TUNNEL
        for it in of_kind(manifests, "NetworkPolicy")
        for rule in it["spec"].get("ingress") or ()
        for port in rule.get("ports", ())
    )


def _missing(manifests: Manifests, kind: str) -> Faults:
    there = any(of_kind(manifests, kind))
    return [f"the mesh has no {kind}"] if _meshed(manifests) and not there else []


_METRICS = [{"operation": {"ports": ["3002"]}}]
_MONITORING = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
}
