"""Where one is logged in."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from starlette.responses import Response
from typing_extensions import TypedDict

from core.domain.session import Session
from core.errors import InvalidCursor, InvalidInput, NotFound
from handler.http.answers import Moment, timestamp
from handler.http.auth import Signed, SignedCall
from handler.http.body import json_router
from handler.http.openapi import refusals
from handler.http.paging import PageRequest, page_response

router = json_router("Sessions")

_PATH = "/v1/users/me/sessions"


class SessionItem(TypedDict):
    """`current` marks the session of the token that asks."""

    id: UUID
    current: bool
    client_id: str
    user_agent: str | None
    address: str | None
    amr: list[str]
    created_at: Moment
    last_used_at: Moment
    expires_at: Moment


class SessionPage(TypedDict):
    data: list[SessionItem]
    next_cursor: str | None


@router.get(_PATH, responses={200: {"model": SessionPage}, **refusals(InvalidInput, InvalidCursor)})
def list_sessions(call: Signed, page: PageRequest) -> Response:
    """One's own living sessions, newest first."""
    principal = call.principal
    after = _position(call, page.cursor) if page.cursor is not None else None
    return page_response(
        call.request,
        page,
        call.core.sessions.page(principal, after=after, limit=page.limit + 1),
        item=lambda session: _item(session, principal.session_id),
        cursor=lambda last: _cursor(call, last),
    )


@router.delete(
    _PATH + "/{session_id:uuid}",
    status_code=204,
    responses={204: {"description": "Done"}, **refusals(NotFound)},
)
def revoke_session(call: Signed, session_id: UUID) -> Response:
    """End one of one's own sessions, at once."""
    principal = call.principal
    call.core.sessions.revoke(call.context(), principal, session_id=session_id)
    return Response(status_code=204)


def _item(session: Session, current: UUID) -> SessionItem:
    return SessionItem(
        id=session.id,
        current=session.id == current,
        client_id=session.client_id,
        user_agent=session.user_agent,
        address=session.address,
        amr=list(session.amr),
        created_at=timestamp(session.created_at),
        last_used_at=timestamp(session.last_used_at),
        expires_at=timestamp(session.expires_at),
    )


def _query(call: SignedCall) -> str:
    """A cursor is good for the list of its own user only."""
    return f"sessions:{call.principal.user.id}"


def _cursor(call: SignedCall, last: Session) -> str:
    return call.core.cursors.encode(_query(call), [last.created_at.isoformat(), str(last.id)])


def _position(call: SignedCall, cursor: str) -> tuple[datetime, UUID]:
    created_at, session_id = call.core.cursors.decode(_query(call), cursor)
    return datetime.fromisoformat(created_at), UUID(session_id)
