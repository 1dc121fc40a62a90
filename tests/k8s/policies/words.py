"""Words and forms that the schemas take for any text, and that the API server refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from tests.k8s.cluster import Faults, Manifests, title

_SELECTS = {"In", "NotIn", "Exists", "DoesNotExist"}
# By the end of a path; positions in lists are left out.
WORDS: Mapping[str, set[str]] = {
    "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
    "restartPolicy": {"Always", "OnFailure", "Never"},
    "whenUnsatisfiable": {"DoNotSchedule", "ScheduleAnyway"},
    "topologyKey": {"kubernetes.io/hostname", "topology.kubernetes.io/zone"},
    "fieldRef.fieldPath": {"metadata.name", "metadata.namespace", "status.podIP", "spec.nodeName"},
    "matchExpressions.operator": _SELECTS,
    "paths.pathType": {"Exact", "Prefix", "ImplementationSpecific"},
    "policyTypes": {"Ingress", "Egress"},
    "unhealthyPodEvictionPolicy": {"AlwaysAllow", "IfHealthyBudget"},
    "preemptionPolicy": {"PreemptLowerPriority", "Never"},
    "reclaimPolicy": {"Delete", "Retain"},
    "volumeBindingMode": {"Immediate", "WaitForFirstConsumer"},
    "metrics.type": {"Resource", "ContainerResource", "Pods", "Object", "External"},
    "target.type": {"Utilization", "AverageValue", "Value"},
    "policies.type": {"Pods", "Percent"},
    "strategy.type": {"RollingUpdate", "Recreate"},
    "limits.type": {"Container", "Pod", "PersistentVolumeClaim"},
    "spec.type": {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"},
    "subjects.kind": {"Group", "ServiceAccount", "User"},
    "subjects.apiGroup": {"rbac.authorization.k8s.io"},
    "roleRef.apiGroup": {"rbac.authorization.k8s.io"},
}
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|[kMGT]|[KMGT]i)?")
_DURATION = re.compile(r"(\d+(\.\d+)?(ms|s|m|h))+")
FORMS: Mapping[str, re.Pattern[str]] = {
    **dict.fromkeys(("requests", "limits", "default", "defaultRequest", "max"), _QUANTITY),
    **dict.fromkeys(("hard", "sizeLimit"), _QUANTITY),
    **dict.fromkeys(("duration", "interval", "refreshInterval", "timeout"), _DURATION),
    **dict.fromkeys(("perTryTimeout", "connectTimeout", "baseEjectionTime"), _DURATION),
}


def words(manifests: Manifests) -> Faults:
    """Each is one that Kubernetes knows at that place."""
    return [
        f"{title(it)}: {'.'.join(path)} is {value}, which is no such word"
        for it in manifests
        for path, value in leaves(it)
        for end in (path[-1], ".".join(path[-2:]))
        if end in WORDS and value not in WORDS[end]
    ]


def forms(manifests: Manifests) -> Faults:
    """Amounts, durations and blocks of addresses can be read as such."""
    faults = []
    for it in manifests:
        for path, value in leaves(it):
            of = (path[-1], *path[-2:-1])
            form = next((FORMS[each] for each in of if each in FORMS), None)
            if (
                ".".join(path[-2:]) not in WORDS
                and form
                and isinstance(value, str)
                and not form.fullmatch(value)
            ):
                faults.append(f"{title(it)}: {'.'.join(path)} cannot be {value}")
            if path[-2:] in (("ipBlock", "cidr"), ("ipBlock", "except")) and not _block(value):
                faults.append(f"{title(it)}: {value} is no block of addresses")
    return faults


def _block(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def leaves(it: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(Path without the positions in lists, value) of all that is no object and no list."""
    if isinstance(it, Mapping):
        for key, value in it.items():
            yield from leaves(value, (*path, str(key)))
    elif isinstance(it, list):
        for value in it:
            yield from leaves(value, path)
    elif path:
        yield path, it
