"""What the teams may do in a namespace: what their work needs, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.k8s.cluster import Faults, Manifest, Manifests, find, namespace, of_kind, title
from tests.k8s.render import ENVIRONMENTS

Right = tuple[str, str]

_CORE = (
    "pods pods/log services endpoints events configmaps serviceaccounts resourcequotas limitranges"
)
RESOURCES: Mapping[str, set[str]] = {
    "": {*_CORE.split(), "pods/exec", "pods/portforward", "pods/eviction"},
    "apps": {"deployments", "deployments/scale", "replicasets"},
    "batch": {"jobs"},
    "autoscaling": {"horizontalpodautoscalers"},
    "policy": {"poddisruptionbudgets"},
    "networking.k8s.io": {"ingresses", "networkpolicies"},
    "discovery.k8s.io": {"endpointslices"},
    "events.k8s.io": {"events"},
    "metrics.k8s.io": {"pods"},
    "argoproj.io": {"rollouts", "rollouts/status", "rollouts/scale", "analysisruns"},
    "external-secrets.io": {"externalsecrets", "secretstores"},
    "monitoring.coreos.com": {"podmonitors"},
}
"""Group -> what of it a role may name. Secrets are not there: no team reads them."""

# The runbooks: "create" of these is what kubectl asks for to open a shell, a port, an eviction.
_OPERATED = {
    "pods/exec": "create get",
    "pods/portforward": "create get",
    "pods/eviction": "create get",
    "pods": "create patch delete",
    "serviceaccounts": "create patch",
    "configmaps": "create patch",
    "deployments.apps": "patch update",
    "deployments/scale.apps": "patch update",
    "rollouts.argoproj.io": "patch update",
    "rollouts/status.argoproj.io": "patch update",
    "rollouts/scale.argoproj.io": "patch update",
    "horizontalpodautoscalers.autoscaling": "patch update",
    "jobs.batch": "create patch delete",
    "networkpolicies.networking.k8s.io": "create patch delete",
    "externalsecrets.external-secrets.io": "create patch delete",
    "secretstores.external-secrets.io": "create patch delete",
}
# The folder that a pipeline applies has none of these: administrators apply them, or operators.
_NOT_DEPLOYED = {"LimitRange", "ResourceQuota", "Role", "RoleBinding"}
_OF_A_LOOK = {"ExternalSecret", "Pod", "SecretStore"}
_OF_THE_MESH = {"AuthorizationPolicy", "DestinationRule", "PeerAuthentication", "VirtualService"}
_PLURAL = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}
BINDINGS: Mapping[str, set[str]] = {
    "look": {"user-api:developers", "user-api:operators", "user-api:deployers"},
    "operate": {"user-api:operators"},
    "deploy": {"user-api:deployers"},
}
"""Role -> groups, in each environment. Development's pods are the developers' own."""


def roles(manifests: Manifests) -> Faults:
    """Each grants what its work needs: everything to look at, the runbooks' changes, and a release
    of all that an overlay has. It grants nothing else, and no right to Secrets."""
    faults = []
    for it in of_kind(manifests, "Role", "ClusterRole"):
        name = it["metadata"]["name"]
        if not _is_ours(it, "Role"):
            faults.append(f"{title(it)} is a role of no team")
            continue
        granted = set(_granted(it))
        if name == "deploy":
            needed = _deployed(manifests, namespace(it))
        else:
            needed = _looked_at() if name == "look" else _operated()
        faults += [f"{title(it)} may not {' '.join(right)}" for right in sorted(needed - granted)]
        faults += [f"{title(it)} may {' '.join(right)}" for right in sorted(granted - needed)]
    return faults


def _granted(role: Manifest) -> Iterator[Right]:
    """(Verb, resource.group): of a rule's groups and resources, the pairs that exist.

    What is of no group is granted as it is written, for the check to find it.
    """
    for rule in role["rules"]:
        for resource in rule["resources"]:
            groups = [each for each in rule["apiGroups"] if resource in RESOURCES.get(each, ())]
            for group in groups or ["?"]:
                yield from ((verb, _name(resource, group)) for verb in rule["verbs"])
        for group in rule["apiGroups"]:
            if not RESOURCES.get(group, set()) & set(rule["resources"]):
                yield "name", f"*.{group}"


def _name(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def _looked_at() -> set[Right]:
    return {
        (verb, _name(resource, group))
        for group, resources in RESOURCES.items()
        for resource in resources
        if "/" not in resource or resource == "pods/log"
        for verb in ("get", "list", "watch")
    }


def _operated() -> set[Right]:
    return {(verb, name) for name, verbs in _OPERATED.items() for verb in verbs.split()}


def _deployed(manifests: Manifests, where: str) -> set[Right]:
    left_out = _NOT_DEPLOYED | _OF_A_LOOK | _OF_THE_MESH
    names = {
        _name(
            _PLURAL.get(it["kind"], f"{it['kind'].lower()}s"), it["apiVersion"].rpartition("/")[0]
        )
        for it in manifests
        if namespace(it) == where and it["kind"] not in left_out
    }
    # One role for every environment, and each has one of the two.
    names |= {"deployments.apps", "rollouts.argoproj.io", "rollouts/status.argoproj.io"}
    return {(verb, name) for name in names for verb in ("create", "update", "patch", "delete")}


def bindings(manifests: Manifests) -> Faults:
    """Each team has its roles in each environment, and no other."""
    faults = []
    for it in of_kind(manifests, "RoleBinding", "ClusterRoleBinding"):
        name, role = it["metadata"]["name"], it["roleRef"]
        given = {
            (each["kind"], each["name"], each.get("namespace", ""))
            for each in it.get("subjects", ())
        }
        if not _is_ours(it, "RoleBinding"):
            faults.append(
                f"{title(it)} gives {role['name']} to {sorted(given)}, outside of the teams"
            )
            continue
        wanted = {("Group", group, "") for group in _groups(name, namespace(it))}
        if (role["kind"], role["name"]) != ("Role", name):
            faults.append(f"{title(it)} gives {role['kind']} {role['name']}")
        faults += [f"{title(it)}: {who} has it" for who in sorted(given - wanted)]
        faults += [f"{title(it)}: {who} does not have it" for who in sorted(wanted - given)]
    there = {it["metadata"]["name"] for it in of_kind(manifests, "Namespace")} & set(ENVIRONMENTS)
    return faults + [
        f"{where}: no team may {name}"
        for where in sorted(there)
        for name in BINDINGS
        if not find(manifests, "RoleBinding", name, where)
    ]


def _is_ours(it: Manifest, kind: str) -> bool:
    return (
        it["kind"] == kind and namespace(it) in ENVIRONMENTS and it["metadata"]["name"] in BINDINGS
    )


def _groups(role: str, where: str) -> set[str]:
    own = {"user-api:developers"} if (role, where) == ("operate", "development") else set()
    return BINDINGS[role] | own
