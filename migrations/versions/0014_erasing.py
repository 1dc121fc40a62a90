"""What the service may delete, retire and erase where it has no right of its own.

Revision ID: 0014
Revises: 0013
Create Date: 2026-11-30

Functions with the rights of the owner, each for one thing: a stolen password of the service can
erase no payload of somebody known, delete no user who came, and bring back no signing key.
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Events stay for ever: without a mark each look for payloads to erase would pass all that were
# erased before.
_MARKS = """
CREATE TABLE erasure_marks (
    name text NOT NULL,
    reached uuid NOT NULL,
    CONSTRAINT pk_erasure_marks PRIMARY KEY (name)
);
INSERT INTO erasure_marks VALUES ('anonymous_payloads', '00000000-0000-0000-0000-000000000000')
"""

# Ids begin with their milliseconds (RFC 9562 section 5.7). What was done today stays, whatever is
# asked for; what holds nothing of a client, as of commands, stays too.
_ANONYMOUS = """
CREATE FUNCTION erase_anonymous_payloads(before uuid, batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    yesterday_ms bigint := floor((extract(epoch FROM now()) - 86400) * 1000);
    yesterday uuid := lpad(to_hex(yesterday_ms), 12, '0') || repeat('0', 20);
    mark uuid;
    passed uuid[];
BEGIN
    -- Another worker that is at it goes on alone.
    SELECT reached INTO mark FROM public.erasure_marks
    WHERE name = 'anonymous_payloads' FOR UPDATE SKIP LOCKED;
    passed := ARRAY(
        SELECT id FROM public.audit_events
        WHERE actor IS NULL AND subject IS NULL AND id > mark AND id < least(before, yesterday)
        ORDER BY id LIMIT batch
    );
    IF cardinality(passed) > 0 THEN
        DELETE FROM public.audit_payloads
        WHERE event_id = ANY (passed)
            AND payload ?| ARRAY['address', 'user_agent', 'client_request_id'];
        UPDATE public.erasure_marks SET reached = passed[cardinality(passed)]
        WHERE name = 'anonymous_payloads';
    END IF;
    RETURN cardinality(passed);
END
$$;
REVOKE ALL ON FUNCTION erase_anonymous_payloads(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_anonymous_payloads(uuid, integer) TO user_api_app
"""

# The second look, with the rows locked, sees what was committed before the lock: a role that was
# given meanwhile. Invitations live for 30 days at most. The service may write all of these tables
# but the audit trail, which alone tells for certain that somebody came.
_PENDING = """
CREATE FUNCTION expire_pending_users(before timestamptz, batch integer) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    until timestamptz := least(before, now() - interval '30 days');
    idle uuid[];
    gone uuid[];
BEGIN
    idle := ARRAY(
        SELECT id FROM public.users AS u
        WHERE status = 'pending' AND NOT email_verified
            AND created_at <= until AND updated_at <= until
            AND NOT EXISTS (SELECT FROM public.password_credentials WHERE user_id = u.id)
            AND NOT EXISTS (SELECT FROM public.user_roles WHERE user_id = u.id)
            AND NOT EXISTS (SELECT FROM public.sessions WHERE user_id = u.id)
            AND NOT EXISTS (SELECT FROM public.one_time_codes WHERE user_id = u.id)
            AND NOT EXISTS (
                SELECT FROM public.audit_events WHERE subject = u.id AND type IN
                    ('login.succeeded', 'email.verified', 'password.reset', 'password.changed')
            )
        ORDER BY created_at, id LIMIT batch
        FOR UPDATE SKIP LOCKED
    );
    WITH deleted AS (
        DELETE FROM public.users AS u
        WHERE id = ANY (idle) AND status = 'pending' AND NOT email_verified
            AND NOT EXISTS (SELECT FROM public.password_credentials WHERE user_id = u.id)
            AND NOT EXISTS (SELECT FROM public.user_roles WHERE user_id = u.id)
            AND NOT EXISTS (SELECT FROM public.sessions WHERE user_id = u.id)
            AND NOT EXISTS (SELECT FROM public.one_time_codes WHERE user_id = u.id)
        RETURNING id
    )
    SELECT coalesce(array_agg(id ORDER BY id), '{}') INTO gone FROM deleted;
    -- The addresses that they had: nobody could ask for their erasure any more.
    DELETE FROM public.audit_payloads
    WHERE event_id IN (
        SELECT id FROM public.audit_events WHERE subject = ANY (gone) AND type = 'email.changed'
    );
    RETURN QUERY SELECT unnest(gone);
END
$$;
REVOKE ALL ON FUNCTION expire_pending_users(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expire_pending_users(timestamptz, integer) TO user_api_app
"""

_RETIRE = """
CREATE FUNCTION retire_signing_keys(kids text[], moment timestamptz) RETURNS SETOF text
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE public.signing_keys SET retired_at = moment
    WHERE kid = ANY (kids) AND (retired_at IS NULL OR retired_at > moment)
    RETURNING kid
$$;
REVOKE ALL ON FUNCTION retire_signing_keys(text[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retire_signing_keys(text[], timestamptz) TO user_api_app
"""


def upgrade() -> None:
    for part in (_MARKS, _ANONYMOUS, _PENDING, _RETIRE):
        op.execute(part)


def downgrade() -> None:
    op.execute("DROP FUNCTION retire_signing_keys(text[], timestamptz)")
    op.execute("DROP FUNCTION expire_pending_users(timestamptz, integer)")
    op.execute("DROP FUNCTION erase_anonymous_payloads(uuid, integer)")
    op.execute("DROP TABLE erasure_marks")
