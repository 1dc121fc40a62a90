"""Everything the domain can refuse.

No HTTP here: `handler/http/problems.py` maps each class to a problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class DomainError(Exception):
    """A refusal that callers can rely on: `code` is stable, `str(error)` may be shown to
    anybody."""

    code: ClassVar[str] = "error"
    message: ClassVar[str] = "The request was refused."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)


@dataclass(frozen=True)
class FieldError:
    """One fault of the input; `pointer` is a JSON pointer into the body (RFC 6901)."""

    pointer: str
    detail: str


class ConfigurationError(DomainError):
    """The process cannot start as configured.

    Command line only.
    """

    code = "configuration"
    message = "The configuration is not usable."


class InvalidInput(DomainError):
    code = "invalid-input"
    message = "Some of the input is not valid."

    def __init__(self, errors: list[FieldError] | tuple[FieldError, ...]) -> None:
        super().__init__()
        self.errors = tuple(errors)

    @classmethod
    def at(cls, pointer: str, detail: str) -> InvalidInput:
        return cls((FieldError(pointer, detail),))


class SearchTooBroad(DomainError):
    """More users would have to be looked through than one request may cost."""

    code = "search-too-broad"
    message = (
        "Too many users have what is searched for in part, and too few have all of it. Give more "
        "letters, the whole address, or another filter."
    )


class InvalidCursor(DomainError):
    code = "invalid-cursor"
    message = "The cursor is not one that this list gave out."


class Unauthenticated(DomainError):
    """No usable access token came with the request (RFC 6750 section 3.1)."""

    code = "unauthenticated"
    message = "A valid access token is needed."

    def __init__(
        self,
        message: str | None = None,
        *,
        token_presented: bool = True,
        genuine: bool = False,
    ) -> None:
        """`genuine` is a token of this service that has expired, or whose session has ended."""
        super().__init__(message)
        self.token_presented = token_presented
        self.genuine = genuine


class InvalidCredentials(DomainError):
    """One answer for unknown, wrong and suspended: who exists is not told (OWASP ASVS 6.3.8)."""

    code = "invalid-credentials"
    message = "The identifier or the password is wrong."


class InvalidRefreshToken(DomainError):
    code = "invalid-refresh-token"
    message = "The refresh token is not valid; log in again."


class EmailNotVerified(DomainError):
    code = "email-not-verified"
    message = "The email address has to be verified first; follow the link in the mail."


class PermissionDenied(DomainError):
    """`permission` is the one that was asked for, where it was one."""

    code = "permission-denied"
    message = "A permission is missing for this operation."

    def __init__(self, message: str | None = None, *, permission: str | None = None) -> None:
        super().__init__(message)
        self.permission = permission


class PasswordChangeRequired(PermissionDenied):
    """The password is a temporary one: only changing it is allowed."""

    code = "password-change-required"
    message = "The password is a temporary one; change it first."


class PrivilegeEscalation(PermissionDenied):
    """Nobody grants, or acts on somebody with, permissions that they do not hold themselves."""

    code = "privilege-escalation"
    message = "It takes permissions that you do not hold yourself."


class NotFound(DomainError):
    code = "not-found"
    message = "There is nothing here, or nothing that you may see."


class SignUpClosed(DomainError):
    code = "sign-up-closed"
    message = "Sign-up is closed; ask an administrator for an invitation."


class InvalidCode(DomainError):
    """A code from a mail that is unknown, used, expired or meant for something else; which one is
    not told."""

    code = "invalid-code"
    message = "The link or code is not valid any more; ask for a new one."


class EmailTaken(DomainError):
    code = "email-taken"
    message = "This email address is in use."


class UsernameTaken(DomainError):
    code = "username-taken"
    message = "This username is in use."


class RoleTaken(DomainError):
    code = "role-taken"
    message = "There is a role of this name."


class RoleInUse(DomainError):
    code = "role-in-use"
    message = "Users hold this role; revoke it first."


class RoleBuiltIn(DomainError):
    code = "role-built-in"
    message = "A built-in role cannot be changed or deleted."


class LastAdministrator(DomainError):
    """Without an active administrator nobody could mend anything through the API."""

    code = "last-administrator"
    message = "There would be no active administrator left."


class StateConflict(DomainError):
    """The user's status does not allow it; the message says which one it is."""

    code = "state-conflict"
    message = "The status of the user does not allow this."


class VersionMismatch(DomainError):
    """`If-Match` named a version that is not the current one (RFC 9110 section 13.1.1)."""

    code = "version-mismatch"
    message = "It was changed in between; read it again."


class IdempotencyKeyReused(DomainError):
    code = "idempotency-key-reused"
    message = "This Idempotency-Key was used with another request."


class RequestInProgress(DomainError):
    code = "request-in-progress"
    message = "The same request is being worked on; try again shortly."


class TooManyRequests(DomainError):
    """A limit was reached; `retry_after` in seconds, `policy` names the limit."""

    code = "too-many-requests"
    message = "Too many requests; wait and try again."

    def __init__(self, *, retry_after: int, limit: int, window: int, policy: str) -> None:
        super().__init__()
        self.retry_after = retry_after
        self.limit = limit
        self.window = window
        self.policy = policy


class Unavailable(DomainError):
    """Nothing is wrong with the request; `retry_after` in seconds."""

    code = "unavailable"
    message = "The service cannot answer at the moment; try again shortly."

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(Unavailable):
    code = "overloaded"
    message = "The service is busy; try again shortly."


class StorageUnavailable(Unavailable):
    code = "storage-unavailable"
    message = "The database does not answer; try again shortly."
