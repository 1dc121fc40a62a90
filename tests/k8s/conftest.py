"""Every kustomization of k8s/, rendered once a session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.k8s.render import ENVIRONMENTS, Rendered, render_all

Cluster = list[dict[str, Any]]
# Whatever lies in no namespace.
_CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterSecretStore",
    "IngressClass",
    "Namespace",
    "PriorityClass",
    "StorageClass",
}


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Rendered]:
    """Name, such as `production`, `production/debug` or `platform`, -> its rendering."""
    return render_all(tmp_path_factory.mktemp("k8s"))


@pytest.fixture(scope="session")
def clusters(rendered: Mapping[str, Rendered]) -> Mapping[str, Cluster]:
    """Name, such as `production` or `staging+istio`, -> all that is in that cluster.

    The overlay, the platform that it stands on, a release's migration, and the pod for a look.
    """
    return {
        name: [
            _placed(it, environment)
            for part in (name, *_beside(rendered, environment))
            for it in rendered[part].manifests
        ]
        for name in rendered
        if (environment := name.split("+")[0]) in ENVIRONMENTS
    }


def _beside(rendered: Mapping[str, Rendered], environment: str) -> list[str]:
    own = [name for name in rendered if name.startswith(f"{environment}/")]
    platforms = [f"platform/{environment}", "platform"]
    return own + [name for name in platforms if name in rendered][:1]


def _placed(manifest: Mapping[str, Any], environment: str) -> dict[str, Any]:
    """In the namespace of the environment, where `kubectl apply --namespace` puts it."""
    if manifest["kind"] in _CLUSTER_WIDE:
        return dict(manifest)
    return {**manifest, "metadata": {"namespace": environment, **manifest["metadata"]}}
