"""What the charts of the add-ons are told; a chart takes any value, and passes over what it does
not know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tests.k8s.cluster import Faults, quantity
from tests.k8s.policies.words import forms
from tests.k8s.render import K8S

Values = Mapping[str, Any]

COLUMNS = ("release", "chart", "version", "repository", "namespace", "wanted")
_STACK, _BALANCER = "kube-prometheus-stack", "aws-load-balancer-controller"
_SPEC = "prometheus.prometheusSpec"
# Days that a look at metrics and logs goes back.
_DAYS = 30
RULES: Mapping[tuple[str, str], tuple[Any, str]] = {
    # Two, since an add-on that is down stops every release, or every record.
    (_BALANCER, "replicaCount"): (2, "one is lost with its node"),
    (_BALANCER, "podDisruptionBudget.maxUnavailable"): (1, "a drained node takes one at most"),
    (_BALANCER, "defaultTargetType"): ("ip", "Services are inside of the cluster alone"),
    (_BALANCER, "enableShield"): (False, "it has no rights to Shield, and would fail"),
    ("argo-rollouts", "controller.replicas"): (2, "one is lost with its node"),
    ("argo-rollouts", "dashboard.enabled"): (False, "it has no login"),
    ("argo-rollouts", "controller.extraArgs"): (
        ["--aws-verify-target-group"],
        "a step would not wait for the load balancer",
    ),
    ("argo-rollouts", "controller.extraEnv.0.name"): ("AWS_REGION", "it asks AWS where it is"),
    ("cluster-autoscaler", "replicaCount"): (1, "a second one would only wait to be elected"),
    ("cluster-autoscaler", "extraArgs.balance-similar-node-groups"): (True, "zones are alike"),
    ("cluster-autoscaler", "extraArgs.skip-nodes-with-system-pods"): (
        False,
        "each node has such pods, and none would ever go",
    ),
    ("external-dns", "provider.name"): ("aws", "the zone is in Route 53"),
    ("external-dns", "sources"): (["ingress"], "a Service would get a record as well"),
    ("external-dns", "policy"): ("sync", "a record of what is gone would stay"),
    ("external-dns", "registry"): ("txt", "it would write over records of CDK"),
    ("external-dns", "env.0.name"): ("AWS_DEFAULT_REGION", "it asks AWS where it is"),
    ("external-secrets", "installCRDs"): (True, "the debug component needs the kinds"),
    (_STACK, f"{_SPEC}.retention"): (f"{_DAYS}d", "a look goes back so far"),
    (_STACK, f"{_SPEC}.storageSpec.volumeClaimTemplate.spec.accessModes"): (
        ["ReadWriteOnce"],
        "EBS knows no other",
    ),
    ("loki", "deploymentMode"): ("SingleBinary", "nothing reads or writes otherwise"),
    ("loki", "singleBinary.replicas"): (1, "two would have two disks"),
    ("loki", "singleBinary.persistence.enabled"): (True, "logs would go with the pod"),
    ("loki", "loki.auth_enabled"): (False, "the collector sends no tenant"),
    ("loki", "loki.commonConfig.replication_factor"): (1, "one process would wait for others"),
    ("loki", "loki.storage.type"): ("filesystem", "there is no bucket"),
    ("loki", "loki.limits_config.retention_period"): (f"{_DAYS * 24}h", "as the metrics"),
    ("loki", "loki.compactor.retention_enabled"): (True, "its disk would fill"),
    ("loki", "loki.compactor.delete_request_store"): ("filesystem", "there is no bucket"),
    (_STACK, "prometheus-node-exporter.namespaceOverride"): (
        "monitoring-agents",
        "only there a pod may read its node's folders",
    ),
}
"""(Release, path) -> value, and what would be if it were another."""

# EKS shows nothing of the first, and Loki's other parts are for a store of objects.
_NOT_THERE = {
    _STACK: [f"kube{it}.enabled" for it in ("ControllerManager", "Etcd", "Scheduler", "Proxy")],
    "loki": [
        *(f"{it}.enabled" for it in ("gateway", "chunksCache", "resultsCache", "lokiCanary")),
        *("test.enabled", "backend.replicas", "read.replicas", "write.replicas"),
    ],
}
_EVERY_NAMESPACE = [
    f"{_SPEC}.{it}SelectorNilUsesHelmValues" for it in ("serviceMonitor", "podMonitor", "rule")
]
_SCHEMA = {"store": "tsdb", "object_store": "filesystem", "schema": "v13"}


def add_ons(k8s: Path) -> Faults:
    """Every rule, on the values and the table as they lie below `k8s`."""
    rows = table(k8s)
    values = {
        row["release"]: yaml.safe_load(
            (k8s / f"addons/{row['release']}.values.yaml").read_text(encoding="utf-8")
        )
        for row in rows
    }
    unreadable = forms(
        [{"kind": "values", "metadata": {"name": name}, **each} for name, each in values.items()]
    )
    if unreadable:
        return unreadable
    faults = [
        f"{release}: {path} is {at(values[release], path)}: {why}"
        for (release, path), (wanted, why) in RULES.items()
        if at(values[release], path) != wanted
    ]
    faults += [
        f"{release}: {path} is {at(values[release], path)}: it is not there to be asked"
        for release, paths in _NOT_THERE.items()
        for path in paths
        if at(values[release], path) not in (False, 0)
    ]
    faults += [
        f"{_STACK}: {path}: rules and monitors of other namespaces are passed over"
        for path in _EVERY_NAMESPACE
        if at(values[_STACK], path) is not False
    ]
    faults += [line for row in rows for line in _published(row, values[row["release"]])]
    for check in (_disks, _logs, _amounts):
        faults += check(values)
    return faults


def table(k8s: Path) -> list[dict[str, str]]:
    """The rows of addons.tsv, in their order."""
    lines = (k8s / "addons/addons.tsv").read_text(encoding="utf-8").splitlines()
    return [
        dict(zip(COLUMNS, line.split("\t"), strict=True))
        for line in lines
        if not line.startswith("#")
    ]


def at(values: Any, path: str) -> Any:
    """The value at a path such as `env.0.name`; None if there is none."""
    for step in path.split("."):
        if isinstance(values, list):
            values = values[int(step)] if int(step) < len(values) else None
        else:
            values = values.get(step) if isinstance(values, Mapping) else None
    return values


def _published(row: Mapping[str, str], values: Values) -> Iterator[str]:
    """Where CDK's value goes, an empty one waits for it; one left empty gets nothing."""
    wanted = row["wanted"].split(",") if row["wanted"] != "-" else []
    paths = {re.sub(r"\[(\d+)\]", r".\1", pair.partition("=")[0]) for pair in wanted}
    empty = {".".join(path) for path in _empty(values)}
    for path in sorted(empty - paths):
        yield f"{row['release']}: nothing sets {path}"
    for path in sorted(paths - empty):
        if re.search(r"\d", path) or at(values, path) is not None:
            yield f"{row['release']}: {path} is {at(values, path)}, and not to be set"


def _empty(it: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    pairs = it.items() if isinstance(it, Mapping) else enumerate(it) if isinstance(it, list) else ()
    for key, value in pairs:
        yield from _empty(value, (*path, str(key)))
    if it == "":
        yield path


def _disks(values: Mapping[str, Values]) -> Iterator[str]:
    spec = at(values[_STACK], _SPEC)
    claim = at(spec, "storageSpec.volumeClaimTemplate.spec") or {}
    kept, size = str(spec.get("retentionSize")), at(claim, "resources.requests.storage")
    # The rest of the disk is for its log of writes and for compaction.
    if not re.fullmatch(r"\d+GB", kept) or not (
        quantity(size) * Decimal("0.5") <= int(kept[:-2]) * 10**9 <= quantity(size) * Decimal("0.9")
    ):
        yield f"{_STACK}: {kept} is kept on {size}"
    for name in (claim.get("storageClassName"), at(values["loki"], _DISK + ".storageClass")):
        if name != "gp3":
            yield f"there is no storage class {name}"
    if quantity(at(values["loki"], _DISK + ".size")) < quantity("20Gi"):
        yield "loki: its disk is full within days"
    for part in (_SPEC, "alertmanager.alertmanagerSpec"):
        if at(values[_STACK], f"{part}.priorityClassName") != "monitoring":
            yield f"{_STACK}: {part} has no priority, and goes first when nodes are short"


_DISK = "singleBinary.persistence"


def _logs(values: Mapping[str, Values]) -> Iterator[str]:
    """What pods write goes to Loki's Service and to CDK's log group, by variables that are set."""
    (config,) = at(values["loki"], "loki.schemaConfig.configs")
    index = config.get("index", {})
    if {key: config.get(key) for key in _SCHEMA} != _SCHEMA or index.get("period") != "24h":
        yield f"loki: it cannot write as {config}"
    # Before there was any log: an earlier one is not found otherwise.
    if str(config.get("from")) != "2026-01-01" or index.get("prefix") != "index_":
        yield f"loki: what lies there is not found from {config.get('from')}"
    text = at(values["log-collector"], "config.outputs")
    sections = [dict(re.findall(r"^ +(\w+) +(.+)$", it, re.MULTILINE)) for it in text.split("[")]
    wanted: list[dict[str, str]] = [
        {"Name": "loki", "Host": "loki.monitoring.svc", "Port": "3100"},
        {
            "Name": "cloudwatch_logs",
            "region": "${AWS_REGION}",
            "log_group_name": "${LOG_GROUP}",
            # CDK makes it, with its retention and its key.
            "auto_create_group": "false",
        },
    ]
    for each in wanted:
        found = [it for it in sections if it.get("Name") == each["Name"]]
        if len(found) != 1 or not {**each, "Match": "kube.*"}.items() <= found[0].items():
            yield f"log-collector: {each['Name']} gets nothing"
    names = {it["name"] for it in values["log-collector"]["env"]}
    for name in sorted(set(re.findall(r"\$\{(\w+)\}", text)) ^ names):
        yield f"log-collector: {name} is not set, or not read"


def _amounts(values: Mapping[str, Values]) -> Iterator[str]:
    """Prometheus and Loki fit the monitoring's quota.

    The rest of it is for kube-state-metrics, the operator and sidecars.
    """
    quota = _quota()
    used = dict.fromkeys(quota, Decimal())
    for release, each in values.items():
        if release in (_STACK, "loki"):
            for asked in _requests(each):
                for what in used:
                    used[what] += quantity(asked.get(what, 0))
    for what, amount in used.items():
        if amount > quantity(quota[what]):
            yield f"monitoring: {amount} of {what} is more than {quota[what]}"


def _quota() -> Mapping[str, str]:
    text = (K8S / "platform/base/monitoring.yaml").read_text(encoding="utf-8")
    (found,) = (it for it in yaml.safe_load_all(text) if it["kind"] == "ResourceQuota")
    return {name.removeprefix("requests."): each for name, each in found["spec"]["hard"].items()}


def _requests(it: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(it, Mapping):
        for key, value in it.items():
            if key == "requests" and "storage" not in value:
                yield value
            else:
                yield from _requests(value)
