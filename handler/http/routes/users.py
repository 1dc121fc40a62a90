"""Users, for administrators: finding, reading, creating, changing and deleting them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from core.domain.access import Permission
from core.domain.directory import UserQuery, UserSort
from core.domain.user import UserStatus
from core.errors import (
    EmailTaken,
    InvalidCursor,
    InvalidInput,
    LastAdministrator,
    NotFound,
    Overloaded,
    PermissionDenied,
    PrivilegeEscalation,
    SearchTooBroad,
    TooManyRequests,
    UsernameTaken,
    VersionMismatch,
)
from handler.http.answers import json_response
from handler.http.auth import SignedCall, needs
from handler.http.body import RequestBody, json_router
from handler.http.bulkhead import Bulkhead
from handler.http.etags import IF_MATCH, IF_NONE_MATCH, expected_version
from handler.http.idempotency import KEYED, OptionalKey, answer_once, stored
from handler.http.moments import moment
from handler.http.openapi import refusals
from handler.http.paging import DEFAULT, LARGEST, Page, PageRequest, page_response
from handler.http.users import (
    UNCHANGED,
    VERSIONED,
    Deactivation,
    Email,
    ProfileFields,
    ProfilePatch,
    UserBody,
    deactivation,
    read_response,
    user_body,
    user_response,
    with_etag,
)

router = json_router("Users")

Reader = Annotated[SignedCall, needs(Permission.USERS_READ)]
Writer = Annotated[SignedCall, needs(Permission.USERS_WRITE)]
Deleter = Annotated[SignedCall, needs(Permission.USERS_DELETE)]

Status = Literal["pending", "active", "suspended", "deactivated"]
Sort = Literal["created_at", "-created_at", "email", "-email", "last_login_at", "-last_login_at"]

_PATH = "/v1/users"
_ONE = _PATH + "/{user_id:uuid}"
_LIST_REFUSALS = refusals(
    InvalidInput, InvalidCursor, PermissionDenied, SearchTooBroad, TooManyRequests, Overloaded
)
_WRITE_REFUSALS = refusals(NotFound, PermissionDenied, PrivilegeEscalation, VersionMismatch)

_Q = (
    "A part of address, username or one of the names; at least 3 characters, two of them letters "
    "or digits."
)
_EMAIL = "The whole address."
_AFTER = "Created at this time or later."
_BEFORE = "Created before this time."
_SORT = "Descending with a hyphen; whoever never logged in counts as before the first login."
_MOMENT = {"format": "date-time"}


class UserPage(TypedDict):
    data: list[UserBody]
    next_cursor: str | None


class UserSearch(RequestBody):
    """The parameters of `GET /v1/users` in a body, which no access log of a proxy keeps."""

    q: Annotated[str, Field(min_length=3, max_length=200, description=_Q)] | None = None
    email: Annotated[Email, Field(description=_EMAIL)] | None = None
    status: Status | None = None
    role: Annotated[str, Field(max_length=63)] | None = None
    created_after: Annotated[str, Field(description=_AFTER, json_schema_extra=_MOMENT)] | None = (
        None
    )
    created_before: Annotated[str, Field(description=_BEFORE, json_schema_extra=_MOMENT)] | None = (
        None
    )
    sort: Annotated[Sort, Field(description=_SORT)] = "-created_at"
    limit: Annotated[int, Field(ge=1, le=LARGEST)] = DEFAULT
    cursor: Annotated[str, Field(max_length=2048)] | None = None


class NewUserBody(ProfileFields):
    """Nobody chooses somebody else's password, and nobody declares an address verified."""

    email: Email
    invite: Annotated[bool, Field(description="Mail the address a link to choose a password.")] = (
        False
    )


class UserPatch(ProfilePatch):
    """A merge patch (RFC 7396). A new address is unverified until its owner follows a link."""

    email: Email = Field(default_factory=str)


@router.get(_PATH, responses={200: {"model": UserPage}, **_LIST_REFUSALS})
async def list_users(
    call: Reader,
    page: PageRequest,
    q: Annotated[str | None, Query(description=_Q, min_length=3, max_length=200)] = None,
    email: Annotated[str | None, Query(description=_EMAIL)] = None,
    status: Annotated[Status | None, Query()] = None,
    role: Annotated[str | None, Query(max_length=63)] = None,
    created_after: Annotated[
        str | None, Query(description=_AFTER, json_schema_extra=_MOMENT)
    ] = None,
    created_before: Annotated[
        str | None, Query(description=_BEFORE, json_schema_extra=_MOMENT)
    ] = None,
    sort: Annotated[Sort, Query(description=_SORT)] = "-created_at",
) -> Response:
    """List or search users. Addresses in a query get into logs of proxies; a search in a body
    does not: POST /v1/users/search."""
    query = UserQuery.checked(
        search=q,
        email=email,
        status=status and UserStatus(status),
        role=role,
        created_after=moment(created_after, "/query/created_after"),
        created_before=moment(created_before, "/query/created_before"),
        sort=UserSort(sort.removeprefix("-")),
        descending=sort.startswith("-"),
        pointer="/query",
    )
    return await _found(call, query, page)


@router.post(_PATH + "/search", responses={200: {"model": UserPage}, **_LIST_REFUSALS})
async def search_users(call: Reader, body: UserSearch) -> Response:
    """Search users, with nothing personal in the URL."""
    query = UserQuery.checked(
        search=body.q,
        email=body.email,
        status=body.status and UserStatus(body.status),
        role=body.role,
        created_after=moment(body.created_after, "/created_after"),
        created_before=moment(body.created_before, "/created_before"),
        sort=UserSort(body.sort.removeprefix("-")),
        descending=body.sort.startswith("-"),
    )
    return await _found(call, query, Page(body.limit, body.cursor))


@router.post(
    _PATH,
    status_code=201,
    responses={
        201: {"model": UserBody, "headers": VERSIONED},
        **refusals(PermissionDenied, EmailTaken, UsernameTaken, *KEYED),
    },
)
def create_user(call: Writer, key: OptionalKey, body: NewUserBody) -> Response:
    """Create a user, who is pending until they accept an invitation."""
    profile: dict[str, Any] = body.model_dump(
        exclude={"email", "username", "invite"}, exclude_none=True
    )
    principal = call.principal
    response = answer_once(
        call,
        key,
        work=lambda context: call.core.administration.create(
            context,
            principal,
            email=body.email,
            username=body.username,
            profile=profile,
            invite=body.invite,
        ),
        render=lambda user: stored(user_body(user), status=201),
    )
    return with_etag(response, location=_PATH)


@router.get(
    _ONE,
    openapi_extra={"parameters": [IF_NONE_MATCH]},
    responses={
        200: {"model": UserBody, "headers": VERSIONED},
        **UNCHANGED,
        **refusals(NotFound, PermissionDenied),
    },
)
def read_user(call: Reader, user_id: UUID) -> Response:
    """Read a user."""
    return read_response(
        call.request, call.core.directory.user(call.context(), call.principal, user_id)
    )


@router.patch(
    _ONE,
    openapi_extra={"parameters": [IF_MATCH]},
    responses={
        200: {"model": UserBody, "headers": VERSIONED},
        **_WRITE_REFUSALS,
        **refusals(EmailTaken, UsernameTaken, LastAdministrator, TooManyRequests),
    },
)
def change_user(call: Writer, user_id: UUID, body: UserPatch) -> Response:
    """Change a user. With If-Match only if nobody else did in between.

    A new address is unverified, and lets nobody in until its owner follows the link mailed there.
    """
    changed = call.core.administration.change(
        call.context(),
        call.principal,
        user_id,
        changes={name: getattr(body, name) for name in body.model_fields_set},
        precondition=partial(expected_version, call.request),
    )
    return user_response(changed)


@router.delete(
    _ONE,
    status_code=202,
    openapi_extra={"parameters": [IF_MATCH]},
    responses={
        202: {"model": Deactivation},
        **_WRITE_REFUSALS,
        **refusals(LastAdministrator),
    },
)
def delete_user(call: Deleter, user_id: UUID) -> Response:
    """Close an account at once, and have it erased after a time of grace."""
    due_at = call.core.lifecycle.delete(
        call.context(),
        call.principal,
        user_id,
        precondition=partial(expected_version, call.request),
    )
    return json_response(deactivation(due_at), status=202)


async def _found(call: SignedCall, query: UserQuery, page: Page) -> Response:
    """Waits for a turn in the event loop, not in a thread, unless an index holds the list."""
    if query.by_index:
        return await call.in_thread(_page, call, query, page)
    caller = await call.in_thread(_reader, call)
    bulkhead: Bulkhead = call.request.app.state.bulkhead
    async with bulkhead.turn(caller) as turn:
        call.exchange.share = call.shares.searches
        return await call.in_thread(_page, call, query, page, costly=turn.costly)


def _reader(call: SignedCall) -> UUID:
    """Raises PermissionDenied: who may not search keeps nobody from it."""
    call.principal.require(Permission.USERS_READ)
    return call.actor


def _page(
    call: SignedCall, query: UserQuery, page: Page, *, costly: Callable[[], object] = lambda: None
) -> Response:
    cursors = call.core.cursors
    after = None
    if page.cursor is not None:
        key, user_id = cursors.decode(query.name, page.cursor)
        after = (key, user_id)
    found = call.core.directory.page(
        call.context(), call.principal, query, after=after, limit=page.limit + 1, costly=costly
    )
    return page_response(
        call.request,
        page,
        found,
        item=user_body,
        cursor=lambda last: cursors.encode(query.name, query.position(last)),
    )
