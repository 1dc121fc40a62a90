"""The server that is not configured."""

from __future__ import annotations


class NoAccelerator:
    """Implements Accelerator where limits and caches live in this process alone."""

    def reachable(self) -> bool | None:
        return None

    def close(self) -> None:
        """There is nothing to close."""
