"""How each type is made, a module a field."""

from __future__ import annotations

from importlib import import_module

_MODULES = ("data", "secrets", "storage", "network", "compute", "delivery", "watching")


def load() -> None:
    """Registers every recipe."""
    for name in _MODULES:
        import_module(f"{__name__}.{name}")
