"""Reading the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.domain.access import Permission, Principal
from core.domain.requests import RequestContext
from core.domain.trail import AuditEntry, AuditQuery
from core.ports.storage import Storage
from core.services.guards import Guard


@dataclass(frozen=True, kw_only=True)
class Trail:
    storage: Storage
    guard: Guard

    def page(
        self,
        context: RequestContext,
        principal: Principal,
        query: AuditQuery,
        *,
        after: UUID | None,
        limit: int,
    ) -> Sequence[AuditEntry]:
        """Newest first, behind the event `after`.

        Raises:
            PermissionDenied
        """
        self.guard.require(context, principal, Permission.AUDIT_READ)
        with self.storage.read() as stores:
            return stores.audit.page(query, after=after, limit=limit)
