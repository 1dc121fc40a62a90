"""Roles, signing keys and recovery epochs.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-23
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ROLES = """
CREATE TABLE roles (
    name text NOT NULL,
    built_in boolean NOT NULL,
    CONSTRAINT pk_roles PRIMARY KEY (name)
);

CREATE TABLE role_permissions (
    role text NOT NULL,
    permission text NOT NULL,
    CONSTRAINT pk_role_permissions PRIMARY KEY (role, permission),
    CONSTRAINT fk_role_permissions_role_roles
        FOREIGN KEY (role) REFERENCES roles (name) ON DELETE CASCADE
);

CREATE TABLE user_roles (
    user_id uuid NOT NULL,
    role text NOT NULL,
    granted_by uuid,
    granted_at timestamptz NOT NULL,
    CONSTRAINT pk_user_roles PRIMARY KEY (user_id, role),
    CONSTRAINT fk_user_roles_user_id_users
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_roles_role_roles FOREIGN KEY (role) REFERENCES roles (name)
);
CREATE INDEX ix_user_roles_role ON user_roles (role);

INSERT INTO roles (name, built_in) VALUES ('admin', true), ('support', true), ('auditor', true);
INSERT INTO role_permissions (role, permission) VALUES
    ('admin', 'users:read'),
    ('admin', 'users:write'),
    ('admin', 'users:suspend'),
    ('admin', 'users:delete'),
    ('admin', 'roles:read'),
    ('admin', 'roles:write'),
    ('admin', 'roles:grant'),
    ('admin', 'audit:read'),
    ('admin', 'keys:read'),
    ('admin', 'keys:write'),
    ('support', 'users:read'),
    ('support', 'users:suspend'),
    ('support', 'roles:read'),
    ('auditor', 'audit:read')
"""

_KEYS = """
CREATE TABLE signing_keys (
    kid text NOT NULL,
    public_jwk jsonb NOT NULL,
    sealed_private bytea NOT NULL,
    created_at timestamptz NOT NULL,
    active_from timestamptz NOT NULL,
    retired_at timestamptz,
    CONSTRAINT pk_signing_keys PRIMARY KEY (kid)
);

CREATE TABLE recovery_epochs (
    epoch bigint NOT NULL,
    mode text NOT NULL,
    window_started_at timestamptz,
    raised_at timestamptz NOT NULL,
    CONSTRAINT pk_recovery_epochs PRIMARY KEY (epoch),
    CONSTRAINT ck_recovery_epochs_mode CHECK (mode IN ('all', 'window')),
    CONSTRAINT ck_recovery_epochs_window
        CHECK ((mode = 'window') = (window_started_at IS NOT NULL))
);
INSERT INTO recovery_epochs (epoch, mode, raised_at) VALUES (1, 'all', now())
"""

_RIGHTS = """
GRANT SELECT ON roles, role_permissions, recovery_epochs TO user_api_app;
GRANT SELECT, INSERT ON user_roles, signing_keys TO user_api_app
"""


def upgrade() -> None:
    for part in (_ROLES, _KEYS, _RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute("DROP TABLE recovery_epochs, signing_keys, user_roles, role_permissions, roles")
