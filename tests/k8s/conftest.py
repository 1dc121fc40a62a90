"""Every kustomization of k8s/, rendered once a session."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.k8s.render import Rendered, render_all


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Rendered]:
    """Name, such as `production`, `platform` or `staging+debug`, -> its rendering."""
    return render_all(tmp_path_factory.mktemp("k8s"))
