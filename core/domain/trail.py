"""Reading the audit trail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class AuditQuery:
    """All filters have to hold; `after` is inclusive, `before` exclusive, both aware."""

    actor: UUID | None = None
    subject: UUID | None = None
    type: str | None = None
    after: datetime | None = None
    before: datetime | None = None

    @property
    def name(self) -> str:
        """Equal for equal queries only: cursors are bound to it."""
        parts = (self.actor, self.subject, self.type, self.after, self.before)
        return "audit-events:" + json.dumps([part and str(part) for part in parts])


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One event as it was written; `payload` is None once it was erased."""

    id: UUID
    type: str
    actor: UUID | None
    subject: UUID | None
    occurred_at: datetime
    request_id: str
    trace_id: str | None
    payload: Mapping[str, object] | None
