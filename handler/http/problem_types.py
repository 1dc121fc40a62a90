"""The kinds of problem (RFC 9457): one total map from the domain's errors, and the ones of HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core import errors
from core.errors import DomainError

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class ProblemType:
    """`advice` stands on the page that the type's URI leads to."""

    code: str
    status: int
    title: str
    advice: str

    @property
    def uri(self) -> str:
        return f"/problems/{self.code}"


_Row = tuple[type[DomainError], ProblemType]


def _row(error: type[DomainError], status: int, title: str, advice: str) -> _Row:
    return error, ProblemType(error.code, status, title, advice)


_AGAIN = "Try again after as many seconds as Retry-After says."

DOMAIN_PROBLEMS: Mapping[type[DomainError], ProblemType] = dict(
    (
        _row(
            errors.ConfigurationError, 500, "Not configured",
            "The service was started with settings that it cannot work with. Its operator has to "
            "act.",
        ),
        _row(
            errors.InvalidInput, 422, "Invalid input",
            "The request can be read, but some of it is not allowed. The member errors lists each "
            "fault with a JSON pointer into the body (RFC 6901). Unknown fields are faults too.",
        ),
        _row(
            errors.SearchTooBroad, 422, "Search too broad",
            "Many users share the letters of q, and hardly any of them fits: finding out who does "
            "would take too long. Give more letters or rarer ones, the whole address as email, or "
            "another filter. The same search is refused again.",
        ),
        _row(
            errors.InvalidCursor, 400, "Invalid cursor",
            "Cursors come from next_cursor of the same list with the same parameters, and go back "
            "unchanged. Begin again without a cursor.",
        ),
        _row(
            errors.Unauthenticated, 401, "Not authenticated",
            "Send a valid access token as Authorization: Bearer. It may have expired, or its "
            "session may have ended: refresh it, or log in again.",
        ),
        _row(
            errors.InvalidCredentials, 401, "Wrong identifier or password",
            "Nobody is told which of the two was wrong, or whether the account exists.",
        ),
        _row(
            errors.InvalidRefreshToken, 401, "Invalid refresh token",
            "It was used before, has expired, or its session has ended. Log in again.",
        ),
        _row(
            errors.EmailNotVerified, 403, "Email address not verified",
            "Follow the link in the verification mail, or ask for another one at "
            "POST /v1/auth/verify-email/resend.",
        ),
        _row(
            errors.PermissionDenied, 403, "Permission missing",
            "The account is known, but none of its roles allows this operation.",
        ),
        _row(
            errors.PasswordChangeRequired, 403, "Password change required",
            "The password was given by somebody else. Choose one at POST /v1/users/me/password and "
            "log in with it.",
        ),
        _row(
            errors.PrivilegeEscalation, 403, "Privilege escalation",
            "Nobody grants permissions that they do not hold themselves, and nobody administers a "
            "user or a role that has more of them. The attempt is in the audit log.",
        ),
        _row(
            errors.NotFound, 404, "Not found",
            "There is nothing at this address, or nothing that the caller may see.",
        ),
        _row(
            errors.SignUpClosed, 403, "Sign-up closed",
            "This installation does not let people register by themselves.",
        ),
        _row(
            errors.InvalidCode, 400, "Invalid link or code",
            "Codes from mails work once and for a limited time, and a newer mail may have replaced "
            "them. Ask for a new one.",
        ),
        _row(
            errors.EmailTaken, 409, "Email address in use",
            "Another account has this address.",
        ),
        _row(
            errors.UsernameTaken, 409, "Username in use",
            "Another account has this username. Choose another one.",
        ),
        _row(
            errors.RoleTaken, 409, "Role exists",
            "There is a role of this name. Change that one, or choose another name.",
        ),
        _row(
            errors.RoleInUse, 409, "Role in use",
            "Users hold this role. Revoke it from them first: GET /v1/users?role= lists them.",
        ),
        _row(
            errors.RoleBuiltIn, 409, "Role is built in",
            "Built-in roles come with the service. Create a role of your own instead.",
        ),
        _row(
            errors.LastAdministrator, 409, "Last administrator",
            "No active user would hold the role admin any more. Grant it to somebody else first.",
        ),
        _row(
            errors.StateConflict, 409, "Wrong status",
            "The status of the user does not allow this operation; detail says which status it is.",
        ),
        _row(
            errors.VersionMismatch, 412, "Changed in between",
            "If-Match named a version that is not the current one (RFC 9110, section 13.1.1), or "
            "somebody else was faster. Read the resource again, apply the change to what it is "
            "now, and send its new ETag.",
        ),
        _row(
            errors.IdempotencyKeyReused, 422, "Idempotency key used before",
            "The Idempotency-Key came with another request within the last 24 hours. Use a new key "
            "for a new request, and the same key only for exact repetitions.",
        ),
        _row(
            errors.RequestInProgress, 409, "Request in progress",
            "A request with the same Idempotency-Key is being worked on. Try again shortly to get "
            "its answer.",
        ),
        _row(
            errors.TooManyRequests, 429, "Too many requests",
            "A limit was reached. Retry-After says how many seconds to wait, RateLimit-Policy "
            "which limit it was.",
        ),
        _row(
            errors.Unavailable, 503, "Not available",
            f"Nothing is wrong with the request. {_AGAIN}",
        ),
        _row(
            errors.Overloaded, 503, "Busy",
            f"The service has more to do than it can do at the moment. {_AGAIN}",
        ),
        _row(
            errors.StorageUnavailable, 503, "Database not available",
            f"The database did not answer in time. {_AGAIN}",
        ),
    )
)  # fmt: skip
"""Total over the subclasses of DomainError: a test proves it."""

BAD_REQUEST = ProblemType(
    "bad-request", 400, "Bad request",
    "The request line or a header cannot be accepted; detail says which.",
)  # fmt: skip
MALFORMED_JSON = ProblemType(
    "malformed-json", 400, "Malformed JSON",
    "The body has to be one JSON text in UTF-8 that every reader understands alike (RFC 8259, "
    "RFC 7493): no duplicate names, no NaN or Infinity, no integers beyond 2^53 - 1, and "
    "at most 32 levels deep.",
)  # fmt: skip
METHOD_NOT_ALLOWED = ProblemType(
    "method-not-allowed", 405, "Method not allowed",
    "The header Allow lists the methods that this resource has.",
)  # fmt: skip
REQUEST_TIMEOUT = ProblemType(
    "request-timeout", 408, "Request timeout",
    "The headers or the body did not arrive in time. The connection was closed; try again.",
)  # fmt: skip
PAYLOAD_TOO_LARGE = ProblemType(
    "payload-too-large", 413, "Body too large",
    "A body may have 16 KiB, or 64 KiB where it may hold attributes.",
)  # fmt: skip
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    "unsupported-media-type", 415, "Unsupported media type",
    "Bodies are application/json in UTF-8, and application/merge-patch+json for PATCH, without a "
    "Content-Encoding.",
)  # fmt: skip
INTERNAL_ERROR = ProblemType(
    "internal-error", 500, "Internal error",
    "The service failed. Its log has the details under the request_id.",
)  # fmt: skip

INVALID_INPUT = DOMAIN_PROBLEMS[errors.InvalidInput]
NOT_FOUND = DOMAIN_PROBLEMS[errors.NotFound]
UNAUTHENTICATED = DOMAIN_PROBLEMS[errors.Unauthenticated]
UNAVAILABLE = DOMAIN_PROBLEMS[errors.Unavailable]

PROBLEM_TYPES: Mapping[str, ProblemType] = {
    kind.code: kind
    for kind in (
        *DOMAIN_PROBLEMS.values(),
        BAD_REQUEST,
        MALFORMED_JSON,
        METHOD_NOT_ALLOWED,
        REQUEST_TIMEOUT,
        PAYLOAD_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        INTERNAL_ERROR,
    )
}
