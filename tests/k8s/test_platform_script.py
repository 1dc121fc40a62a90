"""`scripts/platform.sh`, and the table and values of the add-ons that it installs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.k8s.policies.add_ons import table
from tests.k8s.render import ENVIRONMENTS, EXAMPLE, K8S, ROOT

ADD_ONS = table(K8S)
ACCOUNT = "210987654321"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy with production's parameters, of an account that is not the example's."""
    shutil.copytree(K8S, tmp_path / "k8s", ignore=shutil.ignore_patterns("parameters.env"))
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/platform.sh", tmp_path / "scripts")
    text = (K8S / EXAMPLE).read_text(encoding="utf-8").replace("123456789012", ACCOUNT)
    parameters(tmp_path).write_text(text)
    return tmp_path


def parameters(project: Path) -> Path:
    return project / "k8s/overlays/production/parameters/parameters.env"


def platform(project: Path, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "scripts/platform.sh", *arguments],
        cwd=project,
        env={"PATH": path or "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def commands(output: str) -> list[list[str]]:
    lines = [line for line in output.splitlines() if not line.startswith("platform: ")]
    return [shlex.split(line) for line in lines]


def test_the_platform_comes_first_and_each_add_on_at_its_version(project: Path) -> None:
    done = platform(project, "production", "--dry-run")
    assert done.returncode == 0, done.stderr
    first, *others = commands(done.stdout)
    assert first[:2] == ["kubectl", "apply"]
    assert first[-1] == "k8s/platform/production"
    assert [words[3] for words in others] == [each["release"] for each in ADD_ONS]
    for words, each in zip(others, ADD_ONS, strict=True):
        assert words[words.index("--version") + 1] == each["version"]
        assert words[words.index("--namespace") + 1] == each["namespace"]
        assert {"--atomic", "--timeout"} <= set(words)
        assert (project / words[words.index("--values") + 1]).is_file()
    (balancer,) = (words for words in others if words[3] == "aws-load-balancer-controller")
    assert "clusterName=user-api-example" in balancer


def test_without_a_domain_nothing_writes_records(project: Path) -> None:
    text = parameters(project).read_text()
    parameters(project).write_text(re.sub(r"^domain=.*\n", "", text, flags=re.MULTILINE))
    done = platform(project, "production", "--dry-run")
    assert "no domain, so no external-dns" in done.stdout
    assert "--namespace external-dns" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "usage: "),
        (["qa"], "usage: "),
        (["production", "--force"], "there is no --force"),
        (["staging", "--dry-run"], "parameters.env is missing"),
    ],
)
def test_a_wrong_call_is_one_line(project: Path, arguments: list[str], expected: str) -> None:
    done = platform(project, *arguments)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("platform: ")
    assert expected in line


def test_the_examples_account_is_refused(project: Path) -> None:
    shutil.copy(K8S / EXAMPLE, parameters(project))
    done = platform(project, "production", "--dry-run")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is the example's" in done.stderr


def test_another_clusters_context_is_refused(project: Path) -> None:
    """Whoever is logged in to staging does not change production."""
    tools = project / "bin"
    tools.mkdir()
    for name in ("kubectl", "helm"):
        (tools / name).write_text("#!/bin/sh\necho arn:aws:eks:us-east-1:1:cluster/other\n")
        (tools / name).chmod(0o755)
    done = platform(project, "production", path=f"{tools}:/usr/bin:/bin")
    assert (done.returncode, done.stdout) == (1, "")
    assert "cluster/other, and not of user-api-example" in done.stderr


@pytest.mark.parametrize("add_on", ADD_ONS, ids=lambda each: each["release"])
def test_an_add_on_runs_as_the_account_that_aws_knows(add_on: dict[str, str]) -> None:
    """Namespace and service account are those of its Pod Identity association, if it has one."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", add_on["version"])
    text = (K8S / f"addons/{add_on['release']}.values.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    account = values.get("serviceAccount") or values.get("rbac", {}).get("serviceAccount")
    if account is None:
        assert add_on["namespace"] == "monitoring"
        return
    assert (add_on["namespace"], account["name"]) in associated()


def associated() -> set[tuple[str, str]]:
    folder = ROOT / "tests/infra/snapshots/production"
    template = json.loads((folder / "user-api-production-cluster.json").read_text())
    return {
        (it["Properties"]["Namespace"], it["Properties"]["ServiceAccount"])
        for it in template["Resources"].values()
        if it["Type"] == "AWS::EKS::PodIdentityAssociation"
    }


def test_every_account_of_an_add_on_has_one() -> None:
    """Nothing that CDK gave rights to is forgotten here."""
    own = {"user-api", "user-api-worker", "db-migration"}
    by_eks = {"aws-node", "ebs-csi-controller-sa"}
    wanted = {name for _, name in associated()} - own - by_eks
    assert wanted <= {each["release"] for each in ADD_ONS}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_environment_has_its_platform(environment: str) -> None:
    assert (K8S / "platform" / environment / "kustomization.yaml").is_file()
