"""What the service writes down: the audit trail, the outbox, limits and answers.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-23
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_AUDIT = """
CREATE TABLE audit_events (
    id uuid NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    type text NOT NULL,
    actor uuid,
    subject uuid,
    occurred_at timestamptz NOT NULL,
    request_id text NOT NULL,
    trace_id text,
    payload_hash bytea NOT NULL,
    leaf_hash bytea NOT NULL,
    CONSTRAINT pk_audit_events PRIMARY KEY (id),
    CONSTRAINT ck_audit_events_payload_hash CHECK (octet_length(payload_hash) = 32),
    CONSTRAINT ck_audit_events_leaf_hash CHECK (octet_length(leaf_hash) = 32)
);
CREATE INDEX ix_audit_events_xid_id ON audit_events (xid, id);
CREATE INDEX ix_audit_events_actor_id ON audit_events (actor, id) WHERE actor IS NOT NULL;
CREATE INDEX ix_audit_events_subject_id ON audit_events (subject, id) WHERE subject IS NOT NULL;

CREATE TABLE audit_payloads (
    event_id uuid NOT NULL,
    salt bytea NOT NULL,
    payload jsonb NOT NULL,
    CONSTRAINT pk_audit_payloads PRIMARY KEY (event_id),
    CONSTRAINT ck_audit_payloads_salt CHECK (octet_length(salt) = 16),
    CONSTRAINT fk_audit_payloads_event_id_audit_events
        FOREIGN KEY (event_id) REFERENCES audit_events (id)
)
"""

_DELIVERY = """
CREATE TABLE outbox (
    id uuid NOT NULL,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    attempts bigint DEFAULT 0 NOT NULL,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    lease_owner text,
    parked_at timestamptz,
    last_error text,
    CONSTRAINT pk_outbox PRIMARY KEY (id),
    CONSTRAINT ck_outbox_kind CHECK (kind IN ('mail', 'event'))
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200);
CREATE INDEX ix_outbox_due ON outbox (due_at, id) WHERE parked_at IS NULL;
CREATE INDEX ix_outbox_lease_owner ON outbox (lease_owner) WHERE lease_owner IS NOT NULL;

CREATE TABLE erasure_requests (
    user_id uuid NOT NULL,
    requested_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    CONSTRAINT pk_erasure_requests PRIMARY KEY (user_id)
);
CREATE INDEX ix_erasure_requests_due_at ON erasure_requests (due_at)
"""

_REQUESTS = """
CREATE TABLE throttles (
    key bytea NOT NULL,
    failures bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_throttles PRIMARY KEY (key)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX ix_throttles_expires_at ON throttles (expires_at);

CREATE TABLE idempotency_records (
    scope_hash bytea NOT NULL,
    fingerprint bytea NOT NULL,
    sealed_answer bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_idempotency_records PRIMARY KEY (scope_hash)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200);
CREATE INDEX ix_idempotency_records_expires_at ON idempotency_records (expires_at)
"""

# Nobody but the owner changes or deletes an event; only the erasure's role deletes a payload.
_RIGHTS = """
GRANT SELECT, INSERT ON audit_events, audit_payloads TO user_api_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox, throttles, idempotency_records TO user_api_app;
GRANT SELECT, INSERT, UPDATE ON erasure_requests TO user_api_app;
GRANT SELECT ON audit_events, erasure_requests TO user_api_erasure;
GRANT SELECT, DELETE ON audit_payloads TO user_api_erasure
"""


def upgrade() -> None:
    for part in (_AUDIT, _DELIVERY, _REQUESTS, _RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute(
        "DROP TABLE idempotency_records, throttles, erasure_requests, outbox,"
        " audit_payloads, audit_events"
    )
