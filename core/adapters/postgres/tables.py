"""The tables, which are Alembic's metadata too.

Primary keys come from the application (UUIDv7). A column that changes with each use
has no index, and its table has room in each page, so that the update stays in the page and touches
no index (HOT). The last login is the exception: users are listed by it.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from core.adapters.postgres.columns import (
    HOT,
    LAST_LOGIN,
    QUEUE,
    SEARCHED,
    Xid8,
    metadata,
    moment,
    octets,
    of_user,
    string,
)

# The migration that this code needs at least; the schema may be newer (expand and contract).
REQUIRED_REVISION = "0015"

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    string("email"),
    Column("email_normalised", Text, nullable=False, unique=True),
    Column("email_verified", Boolean, nullable=False),
    string("username", nullable=True),
    Column("username_normalised", Text, unique=True),
    string("display_name", nullable=True),
    string("given_name", nullable=True),
    string("family_name", nullable=True),
    string("phone", nullable=True),
    string("locale", nullable=True),
    string("time_zone", nullable=True),
    string("picture", nullable=True),
    string("status"),
    Column("attributes", JSONB, nullable=False),
    Column("mfa_enabled", Boolean, nullable=False, server_default=text("false")),
    moment("created_at"),
    moment("updated_at"),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    CheckConstraint("status IN ('pending', 'active', 'suspended', 'deactivated')", "status"),
    CheckConstraint("jsonb_typeof(attributes) = 'object'", "attributes"),
    CheckConstraint("(username IS NULL) = (username_normalised IS NULL)", "username"),
    Index(None, "created_at", "id"),
    Index(None, "status", "created_at", "id"),
    Index(
        "ix_users_search",
        SEARCHED.label("searched"),
        postgresql_using="gin",
        postgresql_ops={"searched": "gin_trgm_ops"},
    ),
    postgresql_with={"fillfactor": 90},
)

# Every user has a row: a trigger on users adds it.
user_logins = Table(
    "user_logins",
    metadata,
    of_user(primary_key=True),
    moment("last_login_at", nullable=True),
    Index("ix_user_logins_last", LAST_LOGIN, "user_id"),
    postgresql_with=HOT,
)

# `changed_at` tells one password from the next: it grows with each new one, and a rehash leaves it.
password_credentials = Table(
    "password_credentials",
    metadata,
    of_user(primary_key=True),
    string("password_hash"),
    Column("temporary", Boolean, nullable=False, server_default=text("false")),
    moment("changed_at"),
)

# The key is a pseudonym of the address (IPv6: of its /64).
known_addresses = Table(
    "known_addresses",
    metadata,
    of_user(primary_key=True),
    Column("address_key", LargeBinary, primary_key=True),
    moment("last_seen_at"),
    Index(None, "last_seen_at"),
    postgresql_with=HOT,
)

pending_registrations = Table(
    "pending_registrations",
    metadata,
    Column("id", Uuid, primary_key=True),
    string("email"),
    string("email_normalised"),
    string("username", nullable=True),
    Column("profile", JSONB, nullable=False),
    string("password_hash"),
    moment("created_at"),
    moment("expires_at"),
    Index(None, "email_normalised", "created_at", "id"),
    Index(None, "expires_at"),
    postgresql_with=QUEUE,
)

# A keyed digest of address and password: a login asks for it, whatever has become of the sign-up.
sign_up_passwords = Table(
    "sign_up_passwords",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    moment("expires_at"),
    Index(None, "expires_at"),
    postgresql_with=QUEUE,
)

# No foreign key on registration_id: sign-ups are deleted under codes that are still in a mail.
one_time_codes = Table(
    "one_time_codes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    string("purpose"),
    string("email_normalised"),
    Column("registration_id", Uuid),
    of_user(nullable=True),
    moment("created_at"),
    moment("expires_at"),
    moment("used_at", nullable=True),
    CheckConstraint("purpose IN ('verify_email', 'reset_password', 'invitation')", "purpose"),
    Index(None, "user_id", postgresql_where=text("user_id IS NOT NULL")),
    Index(None, "expires_at"),
    postgresql_with=QUEUE,
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    of_user(),
    string("client_id"),
    string("user_agent", nullable=True),
    string("address", nullable=True),
    Column("amr", ARRAY(Text), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    moment("rotated_at", nullable=True),
    octets("rotated_by", nullable=True),
    moment("authenticated_at"),
    moment("created_at"),
    moment("last_used_at"),
    moment("expires_at"),
    moment("absolute_expires_at"),
    moment("revoked_at", nullable=True),
    string("revoke_reason", nullable=True),
    CheckConstraint("(revoked_at IS NULL) = (revoke_reason IS NULL)", "revoked"),
    Index(
        "ix_sessions_alive",
        "user_id",
        "created_at",
        "id",
        postgresql_where=text("revoked_at IS NULL"),
    ),
    Index("ix_sessions_revoked", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),
    # For the foreign key: with a user, the revoked ones have to go too.
    Index(None, "user_id"),
    Index(None, "absolute_expires_at"),
    postgresql_with=HOT,
)

roles = Table(
    "roles",
    metadata,
    Column("name", Text, primary_key=True),
    Column("built_in", Boolean, nullable=False),
    Column("description", Text, nullable=False, server_default=text("''")),
    moment("created_at", now=True),
    moment("updated_at", now=True),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
)

role_permissions = Table(
    "role_permissions",
    metadata,
    Column("role", Text, ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True),
    Column("permission", Text, primary_key=True),
)

user_roles = Table(
    "user_roles",
    metadata,
    of_user(primary_key=True),
    Column("role", Text, ForeignKey("roles.name"), primary_key=True),
    Column("granted_by", Uuid),
    moment("granted_at"),
    Index(None, "role", "user_id"),
)

# The key is a pseudonym of account and address; expires_at changes once a window only. `pending`
# are guesses at work, of which none is any more at `pending_until`.
throttles = Table(
    "throttles",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("failures", BigInteger, nullable=False),
    moment("expires_at"),
    Column("pending", BigInteger, nullable=False, server_default=text("0")),
    moment("pending_until", nullable=True),
    Index(None, "expires_at"),
    postgresql_with=HOT,
)

idempotency_records = Table(
    "idempotency_records",
    metadata,
    Column("scope_hash", LargeBinary, primary_key=True),
    octets("fingerprint"),
    octets("sealed_answer"),
    moment("created_at"),
    moment("expires_at"),
    Index(None, "expires_at"),
    postgresql_with=QUEUE,
)

# Append-only, without foreign keys: a row outlives whom it is about. The transaction id orders rows
# for seals: all below a snapshot's xmin are final.
audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("xid", Xid8, nullable=False, server_default=func.pg_current_xact_id()),
    string("type"),
    Column("actor", Uuid),
    Column("subject", Uuid),
    moment("occurred_at"),
    string("request_id"),
    string("trace_id", nullable=True),
    octets("payload_hash"),
    octets("leaf_hash"),
    CheckConstraint("octet_length(payload_hash) = 32", "payload_hash"),
    CheckConstraint("octet_length(leaf_hash) = 32", "leaf_hash"),
    Index(None, "xid", "id"),
    Index(None, "actor", "id", postgresql_where=text("actor IS NOT NULL")),
    Index(None, "type", "id"),
    Index(None, "subject", "id", postgresql_where=text("subject IS NOT NULL")),
    Index(
        "ix_audit_events_anonymous",
        "id",
        postgresql_where=text("actor IS NULL AND subject IS NULL"),
    ),
)

# All personal data of an event. The salt goes with the payload, so that nobody can guess what was
# erased.
audit_payloads = Table(
    "audit_payloads",
    metadata,
    Column("event_id", Uuid, ForeignKey("audit_events.id"), primary_key=True),
    octets("salt"),
    Column("payload", JSONB, nullable=False),
    CheckConstraint("octet_length(salt) = 16", "salt"),
)

# How far the erasure of payloads has come, by the id of an event. Of the functions alone.
erasure_marks = Table(
    "erasure_marks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("reached", Uuid, nullable=False),
)

# A lease moves due_at to its own end: a message is due when nobody holds it.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Uuid, primary_key=True),
    string("kind"),
    Column("payload", JSONB, nullable=False),
    Column("attempts", BigInteger, nullable=False, server_default=text("0")),
    moment("created_at"),
    moment("due_at"),
    string("lease_owner", nullable=True),
    moment("parked_at", nullable=True),
    string("last_error", nullable=True),
    CheckConstraint("kind IN ('mail', 'event')", "kind"),
    Index("ix_outbox_due", "due_at", "id", postgresql_where=text("parked_at IS NULL")),
    Index("ix_outbox_parked", "parked_at", "id", postgresql_where=text("parked_at IS NOT NULL")),
    Index(None, "lease_owner", postgresql_where=text("lease_owner IS NOT NULL")),
    postgresql_with=QUEUE,
)

# The digest is keyed: who is in it can be asked, and not listed.
mail_suppressions = Table(
    "mail_suppressions",
    metadata,
    Column("address_key", LargeBinary, primary_key=True),
    string("reason"),
    moment("since"),
    Index(None, "since"),
    CheckConstraint("reason IN ('bounced', 'complained')", "reason"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("public_jwk", JSONB, nullable=False),
    octets("sealed_private"),
    moment("created_at"),
    moment("active_from"),
    moment("retired_at", nullable=True),
)

# After a failover, what was issued in the window that may be lost (or all of it) is refused.
recovery_epochs = Table(
    "recovery_epochs",
    metadata,
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    string("mode"),
    moment("window_started_at", nullable=True),
    moment("raised_at"),
    CheckConstraint("mode IN ('all', 'window')", "mode"),
    CheckConstraint("(mode = 'window') = (window_started_at IS NOT NULL)", "window"),
)

# No foreign key: the request outlives the user whom it erases.
erasure_requests = Table(
    "erasure_requests",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    moment("requested_at"),
    moment("due_at"),
    Index(None, "due_at"),
)
