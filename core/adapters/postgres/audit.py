"""Writing the audit trail: the event, and what can be erased of it."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam
from sqlalchemy.dialects.postgresql import insert

from core.adapters.postgres.tables import audit_events, audit_payloads
from core.domain.audit import SALT_BYTES, leaf_hash, payload_hash
from core.domain.events import Event
from core.domain.requests import RequestContext

# Both rows in one round trip.
_INSERT = (
    insert(audit_payloads)
    .values(event_id=bindparam("event"), salt=bindparam("new_salt"), payload=bindparam("details"))
    .add_cte(
        insert(audit_events)
        .values(
            id=bindparam("event"),
            type=bindparam("event_type"),
            actor=bindparam("by"),
            subject=bindparam("about"),
            occurred_at=bindparam("now"),
            request_id=bindparam("request"),
            trace_id=bindparam("trace"),
            payload_hash=bindparam("of_payload"),
            leaf_hash=bindparam("of_leaf"),
        )
        .cte("event")
    )
)


def insert_event(
    connection: Connection, event: Event, *, event_id: UUID, context: RequestContext, now: datetime
) -> None:
    """One statement. What the client chose, and where it is, stands in the payload only."""
    client = {
        "address": context.address,
        "user_agent": context.user_agent,
        "client_request_id": context.client_request_id,
    }
    payload = {**event.details, **{name: text for name, text in client.items() if text is not None}}
    salt = secrets.token_bytes(SALT_BYTES)
    of_payload = payload_hash(salt, payload)
    of_leaf = leaf_hash(
        id=event_id,
        type=event.type,
        actor=event.actor,
        subject=event.subject,
        occurred_at=now,
        request_id=context.request_id,
        trace_id=context.trace_id,
        payload_hash=of_payload,
    )
    connection.execute(
        _INSERT,
        {
            "event": event_id,
            "event_type": event.type,
            "by": event.actor,
            "about": event.subject,
            "now": now,
            "request": context.request_id,
            "trace": context.trace_id,
            "new_salt": salt,
            "details": payload,
            "of_payload": of_payload,
            "of_leaf": of_leaf,
        },
    )
