"""Settings by the names of the one table, and secrets nowhere but by reference."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from core.config import Settings, env_name
from core.errors import ConfigurationError
from tests.k8s.cluster import Faults, Manifests, Pods, environment, of_kind, pods, title
from tests.k8s.render import ENVIRONMENTS, ROOT

_SNAPSHOTS = ROOT / "tests" / "infra" / "snapshots"
KNOWN = {env_name(item) for item in fields(Settings)}
# AWS' own, which its library reads.
_FOREIGN = {"AWS_REGION", "AWS_DEFAULT_REGION"}
_SERVING = {
    "CACHE_SECRET_ARN",
    "DATABASE_SECRET_ARN",
    "DRAIN_SECONDS",
    "ENVIRONMENT",
    "LOG_LEVEL",
    "MAIL_URL",
    "POD_NAME",
    "PUBLIC_URL",
    "SETTINGS_SECRET_ARN",
}
REQUIRED: Mapping[str, set[str]] = {
    "api": _SERVING | {"HOST", "TRUSTED_PROXY_HOPS"},
    "worker": (_SERVING - {"DRAIN_SECONDS"}) | {"HOST", "WORKER_PORT"},
    "migration": {"ENVIRONMENT"},
}
"""By app.kubernetes.io/component: what it must be told."""

_OWNER = {"MIGRATION_DATABASE_SECRET_ARN", "MIGRATION_DATABASE_URL"}
_BY_REFERENCE = {"SECRET_KEY", "DATABASE_URL", "MIGRATION_DATABASE_URL"}
_SECRET_NAME = re.compile(r"(PASSWORD|SECRET|TOKEN|CREDENTIALS?|_KEY)$", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"://[^/@\s:]*:[^/@\s]+@|-----BEGIN |\bAKIA[0-9A-Z]{16}\b")
# Stand-ins for what the secrets hold, so that the rest can be read as the service reads it.
_FETCHED = {
    "SECRET_KEY": base64.b64encode(bytes(range(32))).decode(),
    "DATABASE_URL": "postgresql://reader@database/user_api?sslmode=verify-full",
}


def settings(manifests: Manifests) -> Faults:
    """The service understands each variable, has those it needs, and would start with them."""
    return [line for it in pods(manifests) for line in _settings(manifests, it)]


def _settings(manifests: Manifests, it: Pods) -> Iterator[str]:
    component = it.labels.get("app.kubernetes.io/component", "")
    if component not in REQUIRED:
        return
    for container in it.spec["containers"]:
        given = environment(manifests, it, container)
        for name in sorted(given.keys() - KNOWN - _FOREIGN):
            yield f"{it.name}: {name} is no setting"
        for name in sorted(REQUIRED[component] - given.keys()):
            yield f"{it.name}: {name} is missing"
        if component == "migration" and not _OWNER & given.keys():
            yield f"{it.name}: no login of the owner"
        if given.get("ENVIRONMENT") != it.namespace:
            yield f"{it.name}: it is {given.get('ENVIRONMENT')} in {it.namespace}"
        if component != "migration":
            yield from _start(it, container, given)


def _start(it: Pods, container: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    literal = {name: value for name, value in given.items() if isinstance(value, str)}
    try:
        read = Settings.from_environ({**literal, **_FETCHED})
    except ConfigurationError as error:
        yield f"{it.name}: it would not start: {error}"
        return
    api = it.labels["app.kubernetes.io/component"] == "api"
    listens = (
        {"http": read.port, "metrics": read.metrics_port} if api else {"http": read.worker_port}
    )
    if {port["name"]: port["containerPort"] for port in container.get("ports", ())} != listens:
        yield f"{it.name}: it listens on {listens}, which are not the container's ports"
    if read.host != "0.0.0.0":  # noqa: S104
        yield f"{it.name}: nobody but itself reaches {read.host}"


def no_secrets(manifests: Manifests) -> Faults:
    """No secret is written down: not in a Secret, a ConfigMap, a variable or an annotation."""
    faults = [
        f"{title(it)} holds a secret"
        for it in of_kind(manifests, "Secret")
        if it.get("data") or it.get("stringData")
    ]
    for it in of_kind(manifests, "ConfigMap"):
        faults += [f"{title(it)}: {key}" for key in _plain(it.get("data", {}))]
    for pod in pods(manifests):
        for container in pod.containers():
            given = {each["name"]: each.get("value") for each in container.get("env", ())}
            faults += [f"{pod.name}: {key}" for key in _plain(given)]
    return faults


def _plain(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if value is None:
            continue
        named = key in _BY_REFERENCE or _SECRET_NAME.search(key)
        if named or _SECRET_VALUE.search(str(value)):
            yield f"{key} is written down"


@cache
def templates(name: str) -> list[Mapping[str, Any]]:
    """Every resource of AWS in an environment, as committed."""
    return [
        it
        for path in sorted((_SNAPSHOTS / name).glob("*.json"))
        for it in json.loads(path.read_text())["Resources"].values()
    ]


@cache
def identities(name: str) -> frozenset[tuple[str, str]]:
    """(namespace, service account) that have a role of AWS in an environment."""
    return frozenset(
        (it["Properties"]["Namespace"], it["Properties"]["ServiceAccount"])
        for it in templates(name)
        if it["Type"] == "AWS::EKS::PodIdentityAssociation"
    )


def roles_of_aws(manifests: Manifests) -> Faults:
    """Who is sent to AWS has a role there; who is not has none."""
    faults = []
    for it in pods(manifests):
        if it.namespace not in ENVIRONMENTS:
            continue
        account = (it.namespace, str(it.spec.get("serviceAccountName")))
        given = [environment(manifests, it, each) for each in it.containers()]
        asks = any(name.endswith("_SECRET_ARN") for each in given for name in each)
        has = account in identities(it.namespace)
        if asks != has:
            faults.append(f"{it.name}: {account[1]} has {'a' if has else 'no'} role of AWS")
    return faults
