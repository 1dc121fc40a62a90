"""Users, their credentials, codes and sessions.

Revision ID: 0001
Revises:
Create Date: 2026-11-23
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_USERS = """
CREATE TABLE users (
    id uuid NOT NULL,
    email text NOT NULL,
    email_normalised text NOT NULL,
    email_verified boolean NOT NULL,
    username text,
    username_normalised text,
    display_name text,
    given_name text,
    family_name text,
    phone text,
    locale text,
    time_zone text,
    picture text,
    status text NOT NULL,
    attributes jsonb NOT NULL,
    mfa_enabled boolean DEFAULT false NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT uq_users_email_normalised UNIQUE (email_normalised),
    CONSTRAINT uq_users_username_normalised UNIQUE (username_normalised),
    CONSTRAINT ck_users_status
        CHECK (status IN ('pending', 'active', 'suspended', 'deactivated')),
    CONSTRAINT ck_users_attributes CHECK (jsonb_typeof(attributes) = 'object'),
    CONSTRAINT ck_users_username CHECK ((username IS NULL) = (username_normalised IS NULL))
) WITH (fillfactor = 90);

CREATE TABLE user_logins (
    user_id uuid NOT NULL,
    last_login_at timestamptz NOT NULL,
    CONSTRAINT pk_user_logins PRIMARY KEY (user_id),
    CONSTRAINT fk_user_logins_user_id_users
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)
"""

_CREDENTIALS = """
CREATE TABLE password_credentials (
    user_id uuid NOT NULL,
    password_hash text NOT NULL,
    temporary boolean DEFAULT false NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT pk_password_credentials PRIMARY KEY (user_id),
    CONSTRAINT fk_password_credentials_user_id_users
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE TABLE known_addresses (
    user_id uuid NOT NULL,
    address_key bytea NOT NULL,
    last_seen_at timestamptz NOT NULL,
    CONSTRAINT pk_known_addresses PRIMARY KEY (user_id, address_key),
    CONSTRAINT fk_known_addresses_user_id_users
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX ix_known_addresses_last_seen_at ON known_addresses (last_seen_at);

CREATE TABLE pending_registrations (
    id uuid NOT NULL,
    email text NOT NULL,
    email_normalised text NOT NULL,
    username text,
    profile jsonb NOT NULL,
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_pending_registrations PRIMARY KEY (id)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200);
CREATE INDEX ix_pending_registrations_email_normalised_created_at_id
    ON pending_registrations (email_normalised, created_at, id);
CREATE INDEX ix_pending_registrations_expires_at ON pending_registrations (expires_at);

CREATE TABLE one_time_codes (
    id uuid NOT NULL,
    digest bytea NOT NULL,
    purpose text NOT NULL,
    email_normalised text NOT NULL,
    registration_id uuid,
    user_id uuid,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT pk_one_time_codes PRIMARY KEY (id),
    CONSTRAINT uq_one_time_codes_digest UNIQUE (digest),
    CONSTRAINT ck_one_time_codes_purpose CHECK (purpose IN ('verify_email', 'reset_password')),
    CONSTRAINT fk_one_time_codes_user_id_users
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200);
CREATE INDEX ix_one_time_codes_expires_at ON one_time_codes (expires_at);
CREATE INDEX ix_one_time_codes_user_id ON one_time_codes (user_id) WHERE user_id IS NOT NULL
"""

_SESSIONS = """
CREATE TABLE sessions (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    client_id text NOT NULL,
    user_agent text,
    address text,
    amr text[] NOT NULL,
    epoch bigint NOT NULL,
    generation bigint NOT NULL,
    rotated_at timestamptz,
    rotated_by bytea,
    authenticated_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    absolute_expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoke_reason text,
    CONSTRAINT pk_sessions PRIMARY KEY (id),
    CONSTRAINT ck_sessions_revoked CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL)),
    CONSTRAINT fk_sessions_user_id_users
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX ix_sessions_alive ON sessions (user_id, created_at, id) WHERE revoked_at IS NULL;
CREATE INDEX ix_sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX ix_sessions_user_id ON sessions (user_id);
CREATE INDEX ix_sessions_absolute_expires_at ON sessions (absolute_expires_at)
"""

_RIGHTS = """
GRANT SELECT ON alembic_version TO user_api_app;
GRANT SELECT, INSERT, UPDATE ON users, user_logins, password_credentials TO user_api_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON known_addresses, one_time_codes, sessions TO user_api_app;
GRANT SELECT, INSERT, DELETE ON pending_registrations TO user_api_app
"""


def upgrade() -> None:
    for part in (_USERS, _CREDENTIALS, _SESSIONS, _RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute("REVOKE SELECT ON alembic_version FROM user_api_app")
    op.execute(
        "DROP TABLE sessions, one_time_codes, pending_registrations, known_addresses,"
        " password_credentials, user_logins, users"
    )
