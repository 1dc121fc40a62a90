"""What each role may do with each table and function: what the migrations grant, and nothing
more."""

from __future__ import annotations

from collections.abc import Mapping

from core.adapters.postgres import tables

APPLICATION = "user_api_app"
ERASURE = "user_api_erasure"

_READ = frozenset({"SELECT"})
_APPEND = _READ | {"INSERT"}
_CHANGE = _APPEND | {"UPDATE"}
_RUN = frozenset({"EXECUTE"})
_ALL = _CHANGE | {"DELETE"}

RIGHTS: Mapping[str, Mapping[str, frozenset[str]]] = {
    APPLICATION: {
        "alembic_version": _READ,
        tables.audit_events.name: _APPEND,
        tables.audit_payloads.name: _APPEND,
        tables.erasure_requests.name: _ALL,
        tables.idempotency_records.name: _ALL,
        tables.known_addresses.name: _ALL,
        tables.mail_suppressions.name: _APPEND | {"DELETE"},
        tables.one_time_codes.name: _ALL,
        tables.outbox.name: _ALL,
        tables.password_credentials.name: _CHANGE,
        tables.pending_registrations.name: _APPEND | {"DELETE"},
        tables.recovery_epochs.name: _READ,
        tables.role_permissions.name: _APPEND | {"DELETE"},
        tables.roles.name: _ALL,
        tables.sessions.name: _ALL,
        tables.sign_up_passwords.name: _ALL,
        tables.signing_keys.name: _APPEND,
        tables.throttles.name: _ALL,
        tables.user_logins.name: _CHANGE,
        tables.user_roles.name: _APPEND | {"DELETE"},
        tables.users.name: _CHANGE,
        "erase_anonymous_payloads": _RUN,
        "expire_pending_users": _RUN,
        "retire_signing_keys": _RUN,
    },
    ERASURE: {
        tables.audit_events.name: _READ,
        tables.audit_payloads.name: _READ | {"DELETE"},
        tables.erasure_requests.name: _READ,
    },
}
"""Rights by role, and table or function. tests/migrations/test_rights.py holds the migrations to
it, and `user-api doctor` the database at hand."""
