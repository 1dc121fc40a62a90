"""Writes that wait while their caller is put out: what ended the session came first, and counts.

The end stands in a transaction that is open until the write waits for it, so that the caller was
let in before.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.test_bola import GUARDED, Cast, Things, call, cast, outcome
from tests.support.clients import Client
from tests.support.endpoints import ENDPOINTS, Access
from tests.support.row_locks import held
from tests.support.server import ServerProcess
from tests.support.staff import Staff

__all__ = ["cast"]

READS = {"POST /v1/users/search"}
WRITES = [name for name in GUARDED if not name.startswith("GET") and name not in READS]
OWN_WRITES = [name for name in WRITES if ENDPOINTS[name].access is Access.ONESELF]

SUSPEND = "UPDATE users SET status = 'suspended', version = version + 1 WHERE id = %(id)s"
REACTIVATE = "UPDATE users SET status = 'active', version = version + 1 WHERE id = %(id)s"
REVOKE = (
    "UPDATE sessions SET revoked_at = now(), revoke_reason = 'suspended' WHERE user_id = %(id)s"
)
CLOSED, ENDED = (
    {"suspended": [SUSPEND]},
    {"revoked": [REVOKE], "back": [REVOKE, SUSPEND, REACTIVATE]},
)


@pytest.mark.parametrize("end", CLOSED | ENDED)
@pytest.mark.parametrize("operation", WRITES)
def test_a_write_behind_the_end_of_its_session_is_refused(
    cast: Cast, client: Client, operation: str, end: str
) -> None:
    """And changes nothing: behind a suspension, a revocation, or both and a reactivation."""
    row = ENDPOINTS[operation]
    caller = cast.staff.member("admin")
    if row.access is Access.ONESELF:
        things = Things("", cast.staff.log_in(caller.person).session_id, "")
    else:
        things = Things.of(cast, row)
    with ThreadPoolExecutor(1) as pool:
        with held(cast.url, *(CLOSED | ENDED)[end], of=caller.id) as holding:
            # Before the write, which waits for a lock only so long.
            after_the_end = "".join(holding.run(*cast.digesting()))
            write = pool.submit(call, client, operation, things, caller.token)
            holding.until(1)
        answer = write.result()
    denied = row.access is Access.PERMITTED and end in CLOSED
    expected = (403, "permission-denied") if denied else (401, "unauthenticated")
    assert outcome(answer) == expected
    assert cast.digest() == after_the_end


@pytest.mark.parametrize("action", ["suspend", "deactivate", "revoke-sessions"])
@pytest.mark.parametrize("operation", OWN_WRITES)
def test_a_write_on_oneself_waits_for_an_administrator(
    server: ServerProcess, staff: Staff, superuser_url: str, operation: str, action: str
) -> None:
    """Neither in a circle, and none undoes the other."""
    client, member = server.client(), staff.member()
    things = Things("", staff.log_in(member.person).session_id, "")
    path, admin = f"/v1/users/{member.id}", staff.admin.token
    hold = "SELECT FROM users WHERE id = %(id)s FOR UPDATE"
    with ThreadPoolExecutor(2) as pool:
        with held(superuser_url, hold, of=member.id) as holding:
            ending = pool.submit(client.request, "POST", f"{path}/{action}", token=admin)
            holding.until(1)
            write = pool.submit(call, client, operation, things, member.token)
            holding.until(2)
        assert ending.result().status == 200
        assert outcome(write.result()) == (401, "unauthenticated")
    shown = client.request("GET", path, token=admin).json()
    statuses = {"suspend": "suspended", "deactivate": "deactivated", "revoke-sessions": "active"}
    assert (shown["status"], shown["display_name"]) == (statuses[action], None)
