"""What a refresh token is worth that lost the rotation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.domain.session import RefreshOutcome, Session, SessionPolicy, judge_lost_rotation

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = SessionPolicy(
    sliding=timedelta(days=30), absolute=timedelta(days=90), grace=timedelta(seconds=10)
)
SESSION = Session(
    id=UUID(int=1),
    user_id=UUID(int=2),
    client_id="user-api",
    user_agent=None,
    address=None,
    amr=("pwd",),
    epoch=1,
    generation=5,
    rotated_at=NOW - timedelta(seconds=3),
    authenticated_at=NOW - timedelta(days=1),
    created_at=NOW - timedelta(days=1),
    last_used_at=NOW,
    expires_at=NOW + timedelta(days=1),
    absolute_expires_at=NOW + timedelta(days=2),
    revoked_at=None,
)


@pytest.mark.parametrize(
    ("session", "generation", "same_client", "outcome"),
    [
        (SESSION, 4, True, RefreshOutcome.SAME_SUCCESSOR),
        (SESSION, 4, False, RefreshOutcome.REUSED),
        (SESSION, 3, True, RefreshOutcome.REUSED),
        (SESSION, 5, True, RefreshOutcome.DEAD),
        (SESSION, 6, True, RefreshOutcome.DEAD),
        (None, 4, True, RefreshOutcome.DEAD),
        (replace(SESSION, revoked_at=NOW), 4, True, RefreshOutcome.DEAD),
        (replace(SESSION, expires_at=NOW), 4, True, RefreshOutcome.DEAD),
        (replace(SESSION, rotated_at=NOW - timedelta(seconds=10)), 4, True, "same_successor"),
        (replace(SESSION, rotated_at=NOW - timedelta(seconds=11)), 4, True, RefreshOutcome.REUSED),
    ],
)
def test_each_case_has_one_outcome(
    session: Session | None, generation: int, same_client: bool, outcome: str
) -> None:
    judged = judge_lost_rotation(
        session, generation=generation, same_client=same_client, now=NOW, policy=POLICY
    )
    assert judged == outcome


def test_a_session_slides_to_its_absolute_end() -> None:
    """30 days without use, 90 in all."""
    assert POLICY.expiry(NOW, NOW) == NOW + timedelta(days=30)
    late = NOW + timedelta(days=80)
    assert POLICY.expiry(NOW, late) == NOW + timedelta(days=90)
