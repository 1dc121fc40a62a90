"""What a pod may do to its node and its neighbours: as little as there is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.k8s.cluster import Faults, Manifests, Pods, namespace, of_kind, pods, quantity, title
from tests.k8s.render import ENVIRONMENTS

USER = 1001
LEVELS = {
    **dict.fromkeys(ENVIRONMENTS, "restricted"),
    "monitoring": "baseline",
    "monitoring-agents": "privileged",
}
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def restricted(manifests: Manifests) -> Faults:
    """Pod Security's restricted profile, and more: user 1001, nothing writable, no capability."""
    return [line for it in pods(manifests) for line in _restricted(it)]


def _restricted(it: Pods) -> Iterator[str]:
    own = it.spec.get("securityContext", {})
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if it.spec.get(key):
            yield f"{it.name} has {key}"
    for volume in it.spec.get("volumes", ()):
        if "hostPath" in volume:
            yield f"{it.name} mounts {volume['hostPath'].get('path')} of its node"
    if it.spec.get("automountServiceAccountToken") is not False:
        yield f"{it.name} carries a token of Kubernetes"
    for container in it.containers():
        name = f"{it.name} {container['name']}"
        for what, held in _guards({**own, **container.get("securityContext", {})}).items():
            if not held:
                yield f"{name}: {what}"
        if any("hostPort" in port for port in container.get("ports", ())):
            yield f"{name}: a port of the node"


def _guards(context: Mapping[str, Any]) -> dict[str, bool]:
    capabilities = context.get("capabilities", {})
    return {
        "privileged": not context.get("privileged"),
        "may gain rights": context.get("allowPrivilegeEscalation") is False,
        "may be root": context.get("runAsNonRoot") is True,
        f"not user {USER}": context.get("runAsUser") == USER,
        "root file system is writable": context.get("readOnlyRootFilesystem") is True,
        "has capabilities": capabilities == {"drop": ["ALL"]},
        "no seccomp profile": context.get("seccompProfile") == {"type": "RuntimeDefault"},
    }


def pod_security(manifests: Manifests) -> Faults:
    """Each namespace enforces its level, so that what is applied by hand is held to it too."""
    faults = []
    for it in of_kind(manifests, "Namespace"):
        level = it["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce")
        wanted = LEVELS.get(it["metadata"]["name"])
        if level is None or (wanted is not None and level != wanted):
            faults.append(f"{title(it)} enforces {level}, not {wanted}")
    return faults


def resources(manifests: Manifests) -> Faults:
    """Every container asks for what it needs, and has a limit that is no less."""
    faults = []
    for it in pods(manifests):
        for container in it.containers():
            asked = container.get("resources", {}).get("requests", {})
            limit = container.get("resources", {}).get("limits", {})
            for what in ("cpu", "memory"):
                if what not in asked or what not in limit:
                    faults.append(f"{it.name} {container['name']}: no {what}")
                elif quantity(asked[what]) > quantity(limit[what]):
                    faults.append(f"{it.name} {container['name']}: more {what} than its limit")
    return faults


def pinned_images(manifests: Manifests) -> Faults:
    """By digest: a tag is whatever somebody pushed last."""
    return [
        f"{it.name} {container['name']}: {container.get('image')} has no digest"
        for it in pods(manifests)
        for container in it.containers()
        if not _DIGEST.search(container.get("image", ""))
    ]


def service_accounts(manifests: Manifests) -> Faults:
    """Pods run as an account of their own that is there, never as the namespace's default."""
    there = {(namespace(it), it["metadata"]["name"]) for it in of_kind(manifests, "ServiceAccount")}
    return [
        f"{it.name} runs as {it.spec.get('serviceAccountName')}, which is not there"
        for it in pods(manifests)
        if (it.namespace, it.spec.get("serviceAccountName")) not in there
    ]


def narrow_roles(manifests: Manifests) -> Faults:
    """No role is allowed everything, and nobody but EKS' access entries makes administrators."""
    faults = [
        f"{title(it)} allows * of {key}"
        for it in of_kind(manifests, "Role", "ClusterRole")
        for rule in it.get("rules") or ()
        for key in ("apiGroups", "resources", "verbs")
        if "*" in rule.get(key, ())
    ]
    return faults + [
        f"{title(it)} makes administrators"
        for it in of_kind(manifests, "RoleBinding", "ClusterRoleBinding")
        if it["roleRef"]["name"] == "cluster-admin"
    ]
