"""Deleting what has no use any more, a little at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from core.config import Settings
from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.ports.runtime import Clock, Metrics
from core.ports.storage import Retention, Storage

BATCH = 1000
USERS_AT_ONCE = 100
"""Fewer, as each of them is an event."""

ROUNDS = 20

_CONTEXT = RequestContext(request_id="housekeeping")


@dataclass(frozen=True, kw_only=True)
class HousekeepingService:
    settings: Settings
    storage: Storage
    metrics: Metrics
    clock: Clock

    def run_once(self) -> Mapping[str, int]:
        """Returns rows deleted by kind.

        Small batches: nobody waits for its locks, and it may be killed anywhere.
        """
        keep = Retention(
            parked_mails=self.settings.parked_mail_lifetime,
            suppressions=self.settings.suppression_lifetime,
            anonymous_payloads=self.settings.audit_anonymous_lifetime,
        )
        deleted: Counter[str] = Counter()
        for _ in range(ROUNDS):
            with self.storage.read() as stores:
                counts = stores.housekeeping.delete_expired(
                    now=self.clock.now(), batch=BATCH, keep=keep
                )
            deleted.update(counts)
            if not any(count == BATCH for count in counts.values()):
                break
        deleted["pending_users"] = self._expire_users() if self.settings.pending_lifetime else 0
        for kind, count in deleted.items():
            self.metrics.deleted(kind, count)
        return dict(deleted)

    def _expire_users(self) -> int:
        """Users who never accepted an invitation; each goes with an event of its own."""
        total = 0
        for _ in range(ROUNDS):
            with self.storage.write(_CONTEXT) as uow:
                before = self.clock.now() - self.settings.pending_lifetime
                gone = uow.housekeeping.expire_users(before=before, batch=USERS_AT_ONCE)
                for user_id in gone:
                    uow.record(Event(type=EventType.USER_EXPIRED, actor=None, subject=user_id))
                uow.commit()
            total += len(gone)
            if len(gone) < USERS_AT_ONCE:
                break
        return total
