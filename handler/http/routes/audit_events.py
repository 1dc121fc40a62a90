"""The audit trail."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from starlette.responses import Response
from typing_extensions import TypedDict

from core.domain.access import Permission
from core.domain.events import EventType
from core.domain.trail import AuditEntry, AuditQuery
from core.errors import InvalidCursor, InvalidInput, PermissionDenied
from handler.http.answers import Moment, timestamp
from handler.http.auth import SignedCall, needs
from handler.http.body import json_router
from handler.http.moments import moment
from handler.http.openapi import refusals
from handler.http.paging import PageRequest, page_response

router = json_router("Audit")

Auditor = Annotated[SignedCall, needs(Permission.AUDIT_READ)]

_TYPES = {"enum": [each.value for each in EventType]}
_MOMENT = {"format": "date-time"}


class AuditEventBody(TypedDict):
    """`actor` did it, `subject` is the user it is about. `payload` is null once it was erased."""

    id: UUID
    type: str
    actor: UUID | None
    subject: UUID | None
    occurred_at: Moment
    request_id: str
    trace_id: str | None
    payload: dict[str, Any] | None


class AuditEventPage(TypedDict):
    data: list[AuditEventBody]
    next_cursor: str | None


@router.get(
    "/v1/audit-events",
    responses={
        200: {"model": AuditEventPage},
        **refusals(InvalidInput, InvalidCursor, PermissionDenied),
    },
)
def list_audit_events(
    call: Auditor,
    page: PageRequest,
    actor: Annotated[UUID | None, Query(description="Who did it.")] = None,
    subject: Annotated[UUID | None, Query(description="The user it is about.")] = None,
    event_type: Annotated[str | None, Query(alias="type", json_schema_extra=_TYPES)] = None,
    after: Annotated[
        str | None, Query(description="At this time or later.", json_schema_extra=_MOMENT)
    ] = None,
    before: Annotated[
        str | None, Query(description="Before this time.", json_schema_extra=_MOMENT)
    ] = None,
) -> Response:
    """What happened, newest first."""
    if event_type is not None and event_type not in _TYPES["enum"]:
        raise InvalidInput.at("/query/type", "is no type of event")
    query = AuditQuery(
        actor=actor,
        subject=subject,
        type=event_type,
        after=moment(after, "/query/after"),
        before=moment(before, "/query/before"),
    )
    cursors = call.core.cursors
    position = None
    if page.cursor is not None:
        position = UUID(cursors.decode(query.name, page.cursor)[0])
    return page_response(
        call.request,
        page,
        call.core.trail.page(
            call.context(), call.principal, query, after=position, limit=page.limit + 1
        ),
        item=_body,
        cursor=lambda last: cursors.encode(query.name, [str(last.id)]),
    )


def _body(entry: AuditEntry) -> AuditEventBody:
    return AuditEventBody(
        id=entry.id,
        type=entry.type,
        actor=entry.actor,
        subject=entry.subject,
        occurred_at=timestamp(entry.occurred_at),
        request_id=entry.request_id,
        trace_id=entry.trace_id,
        payload=dict(entry.payload) if entry.payload is not None else None,
    )
