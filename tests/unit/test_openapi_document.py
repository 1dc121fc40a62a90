"""docs/openapi.json is the document of this code, and a valid one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest

from scripts.openapi_document import current, text

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "docs/openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return current()


def test_the_committed_document_is_the_one_that_is_served(
    document: dict[str, Any], write_tables: bool
) -> None:
    """--write-tables writes it anew."""
    if write_tables:
        COMMITTED.write_text(text(document))
    assert COMMITTED.read_text() == text(document)


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    """Generators of clients can read it (OpenAPI 3.1, with each schema in it)."""
    assert document["openapi"].startswith("3.1")
    openapi_spec_validator.validate(document, cls=openapi_spec_validator.OpenAPIV31SpecValidator)


def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    names = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(names) > 20
    assert sorted(set(names)) == sorted(names)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """Examples too, which validators do not follow."""
    references = _references(document)
    assert len(references) > 100
    for reference in references:
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [each for member in value.values() for each in _references(member)]
    if isinstance(value, list):
        return [each for element in value for each in _references(element)]
    return []


def test_the_document_is_made_from_the_code_that_python_finds(tmp_path: Path) -> None:
    """Another tree on PYTHONPATH is described instead: so releases are compared."""
    for package in ("core", "handler"):
        (tmp_path / package).symlink_to(ROOT / package)
    made = subprocess.run(
        [sys.executable, ROOT / "scripts/openapi_document.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(made.stdout) == current()
