"""Usage: python scripts/openapi_document.py

Prints the OpenAPI document of the code that Python finds, as docs/openapi.json keeps it. Needs no
database.
"""

from __future__ import annotations

import json
from typing import Any

from core.bootstrap import build_core
from core.config import DEVELOPMENT_SECRET_KEY, Settings
from handler.http.app import create_app

_NOWHERE = {
    "ENVIRONMENT": "development",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1/none",
    "SECRET_KEY": DEVELOPMENT_SECRET_KEY,
    "MAIL_URL": "directory:///nowhere",
}


def current() -> dict[str, Any]:
    """The document that `/openapi.json` serves."""
    core = build_core(Settings.from_environ(_NOWHERE))
    try:
        return create_app(core).openapi()
    finally:
        core.close()


def text(document: dict[str, Any]) -> str:
    """Sorted, so that a difference is a change and not a matter of order."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(text(current()), end="")
