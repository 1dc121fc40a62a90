"""docs/permissions.md is made of the one table and of the OpenAPI document."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from core.domain.access import BUILT_IN_ROLES, PERMISSIONS
from scripts.openapi_document import current

PAGE = Path(__file__).resolve().parents[2] / "docs/permissions.md"
INTRODUCTION = """# Permissions

What a role may allow. A permission is a scope of the same name: access tokens carry those of their
user in `scope`, and OpenAPI names the one of each operation. Whoever acts on a user or a role also
needs every permission that the user or the role has
([0015](decisions/0015-who-administers-whom.md)). Generated from
`core/domain/access.py` and the OpenAPI document; write it anew with

    .venv/bin/python -m pytest tests/unit/test_permissions_page.py --write-tables

"""


def table() -> str:
    """A row a permission, in the order of the table in code."""
    operations: dict[str, list[str]] = defaultdict(list)
    for path, methods in current()["paths"].items():
        for method, operation in methods.items():
            for requirement in operation.get("security", ()):
                for scope in requirement["accessToken"]:
                    operations[scope].append(f"`{method.upper()} {path}`")
    rows = ["| permission | allows | built-in roles | operations |", "|---|---|---|---|"]
    for permission, meaning in PERMISSIONS.items():
        roles = ", ".join(name for name, held in BUILT_IN_ROLES.items() if permission in held)
        found = ", ".join(sorted(operations.pop(permission, []), key=_path)) or "none yet"
        rows.append(f"| `{permission}` | {meaning} | {roles} | {found} |")
    assert not operations, "scopes that are no permissions"
    return "\n".join(rows) + "\n"


def _path(operation: str) -> tuple[str, str]:
    method, _, path = operation.strip("`").partition(" ")
    return path, method


def test_the_page_is_the_table(write_tables: bool) -> None:
    """--write-tables writes it anew."""
    text = INTRODUCTION + table()
    if write_tables:
        PAGE.write_text(text)
    assert PAGE.read_text() == text
