"""Deleting what has no use any more, a little at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from core.ports.runtime import Clock
from core.ports.storage import Storage

BATCH = 1000
ROUNDS = 20


@dataclass(frozen=True, kw_only=True)
class HousekeepingService:
    storage: Storage
    clock: Clock

    def run_once(self) -> Mapping[str, int]:
        """Returns rows deleted by table.

        Small batches: nobody waits for its locks, and it may be killed anywhere.
        """
        deleted: Counter[str] = Counter()
        for _ in range(ROUNDS):
            with self.storage.read() as stores:
                counts = stores.housekeeping.delete_expired(now=self.clock.now(), batch=BATCH)
            deleted.update(counts)
            if not any(count == BATCH for count in counts.values()):
                break
        return dict(deleted)
