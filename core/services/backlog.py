"""What operators see of the outbox, and what they can do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.domain.requests import RequestContext
from core.ports.runtime import Clock, Metrics, OutboxState
from core.ports.storage import ParkedMessage, Storage


@dataclass(frozen=True, kw_only=True)
class Backlog:
    storage: Storage
    clock: Clock
    metrics: Metrics

    def measure(self) -> None:
        """Feeds the gauges by one statement."""
        now = self.clock.now()
        with self.storage.read() as stores:
            counts = stores.outbox.counts(now=now)
        lag = (now - counts.oldest_due_at).total_seconds() if counts.oldest_due_at else 0.0
        self.metrics.outbox(OutboxState(pending=counts.pending, lag=lag, parked=counts.parked))

    def forget(self) -> None:
        """Nobody looks any more: the gauges have no values until `measure`."""
        self.metrics.outbox(None)

    def parked(self, *, limit: int) -> Sequence[ParkedMessage]:
        """Messages that were given up, the latest first."""
        with self.storage.read() as stores:
            return stores.outbox.parked(limit=limit)

    def retry(self, context: RequestContext, message_ids: Sequence[UUID]) -> Sequence[UUID]:
        """Makes parked messages due again; returns those that were not parked."""
        now = self.clock.now()
        with self.storage.write(context) as uow:
            missing = [each for each in message_ids if not uow.outbox.requeue(each, now=now)]
            uow.commit()
        return missing

    def retry_all(self, context: RequestContext) -> int:
        """Makes every parked message due again; returns how many."""
        with self.storage.write(context) as uow:
            count = uow.outbox.requeue_all(now=self.clock.now())
            uow.commit()
        return count
