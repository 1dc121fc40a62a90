"""Stops of the tour: signing up, verifying, one's own account, passwords."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from tests.plans.tour import Tour, email
from tests.support.people import PASSWORD, proof

_ME = "/v1/users/me"
_REGISTER = "POST /v1/auth/register"
_VERIFY = "POST /v1/auth/verify-email"
_RESEND = "POST /v1/auth/verify-email/resend"
_FORGOT = "POST /v1/auth/password/forgot"
_RESET = "POST /v1/auth/password/reset"
_CHANGE = "POST /v1/users/me/password"
_NEW_PASSWORD = "another horse battery staple"
_NOBODY = "nobody@example.org"
_NO_CODE = "A" * 43


def signing_up(tour: Tour) -> None:
    body = {"email": "new@example.org", "password": PASSWORD}
    tour.ask(_REGISTER, "an unknown address", expect=202, json=body)
    tour.deliver("a mail with the link of a sign-up")
    code = proof(tour.mailbox.last("new@example.org").token)
    tour.ask(_VERIFY, "a sign-up", expect=200, json=code)
    tour.ask(_VERIFY, "no such code", expect=400, json={"token": _NO_CODE})
    tour.ask(_REGISTER, "a known address", expect=202, json=body | {"email": email(10)})
    tour.deliver("a mail to the owner of an address that signed up again")

    key = [("idempotency-key", secrets.token_hex(8))]
    body = {"email": "keyed@example.org", "password": PASSWORD}
    for case in ("with an Idempotency-Key", "repeated with its Idempotency-Key"):
        tour.ask(_REGISTER, case, expect=202, json=body, headers=key)

    body = {"email": "renamed@example.org", "password": PASSWORD, "username": "Name_5"}
    tour.server.client().request("POST", "/v1/auth/register", json=body)
    code = proof(tour.mailbox.last("renamed@example.org").token)
    tour.ask(_VERIFY, "a sign-up whose username is taken", expect=200, json=code)

    body = {"email": "flooded@example.org", "password": PASSWORD}
    for _ in range(5):
        tour.server.client().request("POST", "/v1/auth/register", json=body)
    tour.ask(_REGISTER, "an address that got enough mails", expect=202, json=body)
    tour.mailbox.deliver()


def verifying_again(tour: Tour) -> None:
    # Made by population.sql: one that nobody has verified, and a user who has not.
    for case, address, chosen in (
        ("a sign-up", "pending-5@example.com", {"new_password": PASSWORD}),
        ("an account", email(51), {}),
    ):
        tour.ask(_RESEND, case, expect=202, json={"email": address})
        tour.deliver(f"a mail with the link again, of {case}")
        code = {"token": tour.mailbox.last(address).token}
        tour.ask(_VERIFY, f"the link again, of {case}", expect=200, json=code | chosen)
    tour.ask(_RESEND, "an unknown address", expect=202, json={"email": _NOBODY})
    tour.deliver("a mail that is owed to nobody")
    for _ in range(2):
        body = {"email": "twice@example.org", "password": PASSWORD}
        tour.server.client().request("POST", "/v1/auth/register", json=body)
    tour.mailbox.deliver()
    tour.ask(_RESEND, "two sign-ups", expect=202, json={"email": "twice@example.org"})
    tour.deliver("a mail with the link again, of two sign-ups")
    code = proof(tour.mailbox.last("twice@example.org").token, _NEW_PASSWORD)
    tour.ask(_VERIFY, "not the password of a sign-up", expect=422, json=code)


def oneself(tour: Tour) -> None:
    token = tour.log_in(email(40))["access_token"]
    read = tour.ask(f"GET {_ME}", expect=200, token=token)
    tag = [("if-none-match", read.header("etag") or "")]
    tour.ask(f"GET {_ME}", "not modified", expect=304, token=token, headers=tag)
    tour.ask(f"GET {_ME}", "not an access token", expect=401, token="a.b.c")
    patch = f"PATCH {_ME}"
    tour.ask(patch, "a name", expect=200, token=token, json={"display_name": "Someone"})
    tour.ask(patch, "a username", expect=200, token=token, json={"username": "someone"})
    tour.ask(patch, "a taken username", expect=409, token=token, json={"username": "name_5"})
    stale = [("if-match", '"1"')]
    tour.ask(patch, "a stale version", expect=412, token=token, json={}, headers=stale)
    tour.ask(f"DELETE {_ME}", expect=202, token=token)
    tour.deliver("a mail about a closed account")


def forgetting_a_password(tour: Tour) -> None:
    tour.ask(_FORGOT, "a known address", expect=202, json={"email": email(42)})
    tour.deliver("a mail with the link to a new password")
    body = {"token": tour.mailbox.last(email(42)).token, "password": _NEW_PASSWORD}
    tour.ask(_RESET, expect=204, json=body)
    tour.deliver("a mail about a new password")
    tour.ask(_RESET, "no such code", expect=400, json=body)
    tour.ask(_FORGOT, "an unknown address", expect=202, json={"email": _NOBODY})
    tour.deliver("a mail with a link that is owed to nobody")


def changing_a_password(tour: Tour) -> None:
    tour.set_credential(43, "temporary", True)
    tour.set_credential(43, "changed_at", datetime.now(UTC))
    token = tour.log_in(email(43))["access_token"]
    tour.ask(f"GET {_ME}", "the password has to be changed", expect=403, token=token)
    wrong = {"current_password": _NEW_PASSWORD, "new_password": _NEW_PASSWORD + "!"}
    tour.ask(_CHANGE, "the wrong current password", expect=422, token=token, json=wrong)
    body = {"current_password": PASSWORD, "new_password": _NEW_PASSWORD}
    tour.ask(_CHANGE, expect=204, token=token, json=body)
    tour.mailbox.deliver()
