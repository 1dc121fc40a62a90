"""Mistakes, each with the one check that has to find it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.k8s.cluster import selects
from tests.k8s.policies.availability import needed

Cluster = list[dict[str, Any]]
Json = dict[str, Any]
SCHEMA = "schema"


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """`break_it` changes a cluster in place; `found_by` is a policy's name, or `SCHEMA`."""

    name: str
    found_by: str
    break_it: Callable[[Cluster], None]


def the(cluster: Cluster, kind: str, name: str | None = None) -> Json:
    """The object of that kind (and name)."""
    return next(
        it
        for it in cluster
        if it["kind"] == kind and (name is None or it["metadata"]["name"] == name)
    )


def _api(cluster: Cluster) -> Json:
    """The workload that serves, a Deployment or a Rollout."""
    found = (it for it in cluster if it["metadata"]["name"] == "user-api" and "spec" in it)
    return next(it for it in found if "template" in it["spec"])


def _pod(cluster: Cluster) -> Json:
    found: Json = _api(cluster)["spec"]["template"]["spec"]
    return found


def _container(cluster: Cluster) -> Json:
    found: Json = _pod(cluster)["containers"][0]
    return found


def _set(of: Callable[[Cluster], Json], *path: str, value: Any) -> Callable[[Cluster], None]:
    def change(cluster: Cluster) -> None:
        place = of(cluster)
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = value

    return change


def _drop(of: Callable[[Cluster], Json], *path: str) -> Callable[[Cluster], None]:
    def change(cluster: Cluster) -> None:
        place = of(cluster)
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


def _without(*kinds: str) -> Callable[[Cluster], None]:
    def change(cluster: Cluster) -> None:
        cluster[:] = [it for it in cluster if it["kind"] not in kinds]

    return change


def _variable(name: str, value: str) -> Callable[[Cluster], None]:
    def change(cluster: Cluster) -> None:
        _container(cluster).setdefault("env", []).append({"name": name, "value": value})

    return change


def _own_policies(cluster: Cluster) -> list[Json]:
    """Network policies that let somebody in to the serving pods."""
    labels = _api(cluster)["spec"]["template"]["metadata"]["labels"]
    return [
        it
        for it in cluster
        if it["kind"] == "NetworkPolicy"
        and it["spec"].get("ingress")
        and it["spec"]["podSelector"]
        and selects(it["spec"]["podSelector"], labels)
    ]


def _let_nobody_in(cluster: Cluster) -> None:
    for it in _own_policies(cluster):
        for rule in it["spec"]["ingress"]:
            rule["ports"] = [{"port": 9}]


def _shut_out_the_load_balancer(cluster: Cluster) -> None:
    for it in _own_policies(cluster):
        for rule in it["spec"]["ingress"]:
            if any("ipBlock" in peer for peer in rule["from"]):
                rule["from"] = [{"podSelector": {}}]


def _let_in(port: int, peer: Json) -> Callable[[Cluster], None]:
    """One peer more at one port of the API."""

    def change(cluster: Cluster) -> None:
        rule = {"from": [peer], "ports": [{"port": port}]}
        _own_policies(cluster)[0]["spec"]["ingress"].append(rule)

    return change


_PROMETHEUS = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
}


def _monitor(cluster: Cluster) -> Json:
    return the(cluster, "PodMonitor", "user-api")


def _close(port: int) -> Callable[[Cluster], None]:
    def change(cluster: Cluster) -> None:
        for it in cluster:
            if it["kind"] != "NetworkPolicy":
                continue
            for rule in it["spec"].get("egress") or ():
                rule["ports"] = [each for each in rule.get("ports", ()) if each["port"] != port]
                # A rule without ports would open all of them.
                rule["ports"] = rule["ports"] or [{"port": 9}]

    return change


def _secret(cluster: Cluster) -> None:
    own = _api(cluster)["metadata"]
    metadata = {"name": "login", "namespace": own["namespace"], "labels": own["labels"]}
    data = {"password": "hunter2"}
    cluster.append({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


def _a_role(cluster: Cluster) -> None:
    cluster.append(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {
                "name": "all",
                "namespace": _api(cluster)["metadata"]["namespace"],
                "labels": _api(cluster)["metadata"]["labels"],
            },
            "rules": [{"apiGroups": [""], "resources": ["*"], "verbs": ["get"]}],
        }
    )


def _no_account(cluster: Cluster) -> None:
    cluster.remove(the(cluster, "ServiceAccount", "user-api"))


def _twice(cluster: Cluster) -> None:
    cluster.append(the(cluster, "Service", "user-api"))


def _keep_all(cluster: Cluster) -> None:
    the(cluster, "PodDisruptionBudget", "user-api")["spec"] |= {"minAvailable": 3}


def _select_nobody(cluster: Cluster) -> None:
    policy: Json = json.loads(json.dumps(_own_policies(cluster)[0]))
    policy["metadata"]["name"] = "nobody"
    policy["spec"]["podSelector"] = {"matchLabels": {"app": "nobody"}}
    cluster.append(policy)


def _open_all(cluster: Cluster) -> None:
    _own_policies(cluster)[0]["spec"]["ingress"].append({"from": [{"podSelector": {}}]})


def _no_deny(cluster: Cluster) -> None:
    cluster[:] = [
        it
        for it in cluster
        if it["kind"] != "NetworkPolicy" or it["spec"]["podSelector"] or it["spec"].get("egress")
    ]


def _short_of(what: str, by: Decimal) -> Callable[[Cluster], None]:
    """A quota that is less than the height of a release needs."""

    def change(cluster: Cluster) -> None:
        where = _api(cluster)["metadata"]["namespace"]
        for it in cluster:
            if it["kind"] == "ResourceQuota" and it["metadata"]["namespace"] == where:
                hard = it["spec"]["hard"]
                hard.pop(what.removeprefix("requests."), None)
                hard[what] = str(needed(cluster)[where, what] - by)

    return change


def _label(cluster: Cluster) -> None:
    del the(cluster, "Service")["metadata"]["labels"]["app.kubernetes.io/part-of"]


def _tag(cluster: Cluster) -> None:
    _container(cluster)["image"] = "example/user-api:latest"


def _backend(cluster: Cluster) -> None:
    path = the(cluster, "Ingress")["spec"]["rules"][0]["http"]["paths"][0]
    path["backend"]["service"]["name"] = "user-apii"


def _target(cluster: Cluster) -> None:
    the(cluster, "Service", "user-api")["spec"]["ports"][0]["targetPort"] = "web"


def _service(cluster: Cluster) -> Json:
    return the(cluster, "Service", "user-api")


def _protocol(cluster: Cluster) -> None:
    _service(cluster)["spec"]["ports"][0]["protocol"] = "TCPx"


def _unknown_key(cluster: Cluster) -> None:
    settings = _container(cluster)["envFrom"][0]["configMapRef"]["name"]
    asked = {"configMapKeyRef": {"name": settings, "key": "REGION"}}
    _container(cluster)["env"].append({"name": "AWS_REGION", "valueFrom": asked})


def _mesh_port(cluster: Cluster) -> None:
    own = _api(cluster)
    rule = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {**own["metadata"], "name": "mesh"},
        "spec": {
            "selector": own["spec"]["selector"],
            "action": "DENY",
            "rules": [{"to": [{"operation": {"ports": ["3999"]}}]}],
        },
    }
    cluster.append(json.loads(json.dumps(rule)))


def _lead(port: int, peer: Json) -> Callable[[Cluster], None]:
    """Lets every pod that goes out on the port go there too."""

    def change(cluster: Cluster) -> None:
        for it in cluster:
            for rule in it["spec"].get("egress") or () if it["kind"] == "NetworkPolicy" else ():
                if any(each["port"] == port for each in rule["ports"]):
                    rule["to"].append(peer)

    return change


def _rollout(cluster: Cluster) -> Json:
    return the(cluster, "Rollout")


MUTATIONS = tuple(
    Mutation(name=name, found_by=found_by, break_it=break_it)
    for name, found_by, break_it in (
        ("privileged", "restricted", _set(_container, "securityContext", "privileged", value=True)),
        ("root", "restricted", _set(_container, "securityContext", "runAsUser", value=0)),
        (
            "writable root",
            "restricted",
            _set(_container, "securityContext", "readOnlyRootFilesystem", value=False),
        ),
        (
            "a capability",
            "restricted",
            _set(_container, "securityContext", "capabilities", "add", value=["NET_RAW"]),
        ),
        ("network of the node", "restricted", _set(_pod, "hostNetwork", value=True)),
        ("token", "restricted", _drop(_pod, "automountServiceAccountToken")),
        (
            "lower pod security",
            "pod_security",
            _drop(
                lambda it: the(it, "Namespace", "production"),
                *("metadata", "labels", "pod-security.kubernetes.io/enforce"),
            ),
        ),
        ("no limit", "resources", _drop(_container, "resources", "limits", "memory")),
        ("mutable tag", "pinned_images", _tag),
        ("account that is not there", "service_accounts", _no_account),
        ("all rights", "narrow_roles", _a_role),
        ("missing probe", "probes", _drop(_container, "livenessProbe")),
        (
            "database decides life",
            "probes",
            _set(_container, "livenessProbe", "httpGet", "path", value="/health"),
        ),
        (
            "wrong port of a probe",
            "probes",
            _set(_container, "readinessProbe", "httpGet", "port", value="htpp"),
        ),
        ("budget of all replicas", "disruption", _keep_all),
        ("no budget", "disruption", _without("PodDisruptionBudget")),
        ("quota too small for surge and job", "quota", _short_of("requests.cpu", Decimal("0.25"))),
        ("quota of too few pods", "quota", _short_of("pods", Decimal(1))),
        ("no grace", "grace", _set(_pod, "terminationGracePeriodSeconds", value=30)),
        ("one zone", "spread", _drop(_pod, "topologySpreadConstraints")),
        ("unknown priority", "priorities", _set(_pod, "priorityClassName", value="urgent")),
        ("no default deny", "default_deny", _no_deny),
        ("no policy for the port", "ports_in_use", _let_nobody_in),
        ("no load balancer", "ports_in_use", _shut_out_the_load_balancer),
        (
            "metrics for the load balancer",
            "metrics_apart",
            _let_in(3002, {"ipBlock": {"cidr": "10.0.96.0/22"}}),
        ),
        (
            "metrics for every pod",
            "metrics_apart",
            _let_in(3002, {"podSelector": {}}),
        ),
        ("the API for Prometheus", "metrics_apart", _let_in(3000, _PROMETHEUS)),
        ("nobody scrapes", "monitors", _without("PodMonitor")),
        (
            "scrapes the API",
            "monitors",
            _set(_monitor, "spec", "podMetricsEndpoints", value=[{"port": "http"}]),
        ),
        ("no way to the database", "egress_of_settings", _close(5432)),
        ("no way to Redis", "egress_of_settings", _close(6379)),
        ("a policy for nobody", "policies_select", _select_nobody),
        ("no name service", "egress_of_settings", _close(53)),
        ("no Pod Identity", "egress_of_settings", _close(80)),
        ("every port", "never_everywhere", _open_all),
        ("no part-of", "labels", _label),
        ("twice", "unique", _twice),
        (
            "selects another",
            "selectors",
            _set(_api, "spec", "selector", "matchLabels", value={"app": "other"}),
        ),
        ("wrong port name", "services", _target),
        ("leads nowhere", "references", _backend),
        (
            "no canary service",
            "references",
            _set(_rollout, "spec", "strategy", "canary", "canaryService", value="user-api-new"),
        ),
        ("unknown setting", "settings", _variable("LOG_LEVL", "INFO")),
        ("setting that is no value", "settings", _variable("LOG_LEVEL", "LOUD")),
        ("metrics on another port", "settings", _variable("METRICS_PORT", "3009")),
        ("missing setting", "settings", _set(_container, "env", value=[])),
        ("plaintext secret", "no_secrets", _variable("SECRET_KEY", "c2VjcmV0")),
        ("password in an address", "no_secrets", _variable("REDIS_URL", "rediss://u:p@host:6379")),
        (
            "somebody else's role",
            "roles_of_aws",
            _set(_pod, "serviceAccountName", value="debug"),
        ),
        ("Secret with data", "no_secrets", _secret),
        ("misspelt protocol", "protocols", _protocol),
        ("unknown key", "keys", _unknown_key),
        ("mesh on no port", "mesh_ports", _mesh_port),
        (
            "the database somewhere else",
            "egress_peers",
            _lead(5432, {"ipBlock": {"cidr": "10.9.0.0/16"}}),
        ),
        ("names from anybody", "egress_peers", _lead(53, {"namespaceSelector": {}})),
        (
            "the addresses of the node",
            "egress_peers",
            _lead(443, {"ipBlock": {"cidr": "0.0.0.0/0"}}),
        ),
        (
            "misspelt field of Kubernetes",
            SCHEMA,
            _set(_service, "spec", "sesionAffinity", value="None"),
        ),
        ("misspelt field of a pod", SCHEMA, _set(_container, "imagePulPolicy", value="Always")),
        (
            "misspelt field of a custom resource",
            SCHEMA,
            _set(_rollout, "spec", "strategy", "canary", "maxSurg", value=1),
        ),
    )
)
