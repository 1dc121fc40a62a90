"""Whether a cluster of our version would take a manifest, unknown fields being refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

from cdk.config.deployment import ENVIRONMENTS

SCHEMAS = Path(__file__).parent / "schemas"
# Where the schemas of kubernetes-validate look for what they share.
DEFINITIONS = "/api/_definitions.json"

(KUBERNETES,) = {it.cluster.kubernetes_version for it in ENVIRONMENTS.values()}
"""The version of every environment's cluster, such as 1.35."""


@cache
def _definitions() -> Mapping[str, Any]:
    folder = f"kubernetes-json-schema/v{KUBERNETES}.0-local-strict"
    found: dict[str, Any] = schema_contents(f"{folder}/_definitions.json", KUBERNETES)
    return found


def kubernetes_definitions() -> Iterable[str]:
    """Names such as io.k8s.api.core.v1.PodTemplateSpec."""
    return list(_definitions()["$defs"])


@cache
def _validator(api_version: str, kind: str) -> Draft202012Validator | None:
    group, _, version = api_version.rpartition("/")
    own = SCHEMAS / f"{kind.lower()}.{group}.json"
    if own.exists():
        schema = json.loads(own.read_text())
    else:
        # As kubernetes-validate names its files: apps-v1, rbac-v1, v1.
        short = f"{group.split('.')[0]}-{version}" if group else version
        name = f"kubernetes-json-schema/v{KUBERNETES}.0-local-strict/{kind.lower()}-{short}.json"
        try:
            schema = schema_contents(name, KUBERNETES)
        except FileNotFoundError:
            return None
    shared: Registry[Any] = Registry().with_resource(
        DEFINITIONS, Resource.from_contents(_definitions())
    )
    return Draft202012Validator(schema, registry=shared)


def faults(manifest: Mapping[str, Any]) -> list[str]:
    """What the API server would refuse, a line each; a kind without a schema is a fault."""
    return list(_faults(json.dumps(manifest)))


# Most of what is checked again, with a component added or a mistake made, is the same.
@cache
def _faults(text: str) -> tuple[str, ...]:
    manifest = json.loads(text)
    kind, name = manifest.get("kind", ""), manifest.get("metadata", {}).get("name", "")
    validator = _validator(manifest.get("apiVersion", ""), kind)
    if validator is None:
        return (f"{kind}/{name}: no schema of {manifest.get('apiVersion')} {kind}",)
    return tuple(
        f"{kind}/{name}: {error.json_path}: {error.message[:300]}"
        for error in validator.iter_errors(manifest)
    )
