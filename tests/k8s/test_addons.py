"""The add-ons' values say what the rest relies on, and a wrong one is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.k8s.policies.add_ons import RULES, add_ons
from tests.k8s.render import K8S

MISTAKES = [
    ("external-dns", "policy: sync", "policy: upsert-only", "a record of what is gone"),
    ("external-dns", 'txtOwnerId: ""', 'txtOwnerId: "x"', "not to be set"),
    ("external-dns", 'domainFilters: [""]', "domainFilters: []", "not to be set"),
    ("argo-rollouts", "--aws-verify-target-group", "--aws-verify", "would not wait"),
    ("argo-rollouts", "replicas: 2", "replicas: 1", "one is lost with its node"),
    ("cluster-autoscaler", "replicaCount: 1", "replicaCount: 2", "only wait to be elected"),
    ("kube-prometheus-stack", "kubeEtcd: {enabled: false}", "", "not there to be asked"),
    ("kube-prometheus-stack", "ruleSelectorNil", "rulesSelectorNil", "are passed over"),
    ("kube-prometheus-stack", "retentionSize: 90GB", "retentionSize: 900GB", "900GB is kept"),
    ("kube-prometheus-stack", "storageClassName: gp3", "storageClassName: gp2", "no storage class"),
    ("kube-prometheus-stack", "priorityClassName: monitoring", "tolerations: []", "no priority"),
    ("kube-prometheus-stack", "memory: 2Gi", "memory: 20Gi", "more than 8Gi"),
    ("kube-prometheus-stack", "cpu: 500m", "cpu: 500milli", "cannot be 500milli"),
    ("loki", "schema: v13", "schema: v1", "it cannot write"),
    ("loki", "period: 24h", "period: 168h", "it cannot write"),
    ("loki", 'from: "2026-01-01"', 'from: "2027-01-01"', "is not found"),
    ("loki", "size: 50Gi", "size: 5Gi", "full within days"),
    ("log-collector", "Port 3100", "Port 3000", "loki gets nothing"),
    ("log-collector", "Match kube.*", "Match kubernetes.*", "gets nothing"),
    ("log-collector", "name: LOG_GROUP", "name: LOG_GROUPS", "LOG_GROUP is not set"),
]


def test_the_values_are_whole() -> None:
    """Every rule holds for what is installed."""
    assert add_ons(K8S) == []


@pytest.mark.parametrize(("release", "old", "new", "said"), MISTAKES)
def test_a_wrong_value_is_found(
    release: str, old: str, new: str, said: str, tmp_path: Path
) -> None:
    """With what would come of it."""
    shutil.copytree(K8S / "addons", tmp_path / "addons")
    values = tmp_path / f"addons/{release}.values.yaml"
    text = values.read_text()
    assert old in text
    values.write_text(text.replace(old, new, 1))
    faults = add_ons(tmp_path)
    assert any(said in line for line in faults), faults


def test_each_rule_is_of_a_release() -> None:
    """A rule about nothing would hold for ever."""
    assert all((K8S / f"addons/{release}.values.yaml").is_file() for release, _ in RULES)
