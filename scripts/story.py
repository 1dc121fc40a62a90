"""The first story over HTTP: register, verify, log in, change, refresh, log out, be robbed.

Standard library only, so that it runs wherever the service does. It is the demo, and the smoke test
of a deployment.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from scripts.story_client import Answer, HttpClient, StoryFailed

_PHONE = "the-phone/1.0"
_THIEF = "somebody-else/1.0"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who plays: an account that is verified already, or a new one of a random address."""

    email: str
    password: str
    verified: bool

    @classmethod
    def fresh(cls) -> Account:
        return cls(
            email=f"ada-{secrets.token_hex(4)}@example.com",
            password=secrets.token_urlsafe(18),
            verified=False,
        )


@dataclass(frozen=True, kw_only=True)
class Tokens:
    access: str
    refresh: str

    @classmethod
    def of(cls, answer: Answer) -> Tokens:
        return cls(access=answer.text("access_token"), refresh=answer.text("refresh_token"))

    @property
    def header(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.access}"}


class Story:
    """Plays against one service; the first unexpected answer raises StoryFailed with one line."""

    def __init__(self, http: HttpClient, account: Account) -> None:
        self._http = http
        self._account = account

    def play(self) -> None:
        self._is_up()
        if not self._account.verified:
            self._signs_up()
        tokens = self._logs_in()
        self._changes_the_profile(tokens)
        tokens = self._refreshes(tokens)
        self._logs_out(tokens)
        self._refuses_a_stolen_token(self._logs_in())

    def _is_up(self) -> None:
        self._tell("Is the service up, and its database?")
        self._send("GET", "/health").expect(200)
        self._send("GET", "/health/ready").expect(200)

    def _signs_up(self) -> None:
        account = self._account
        self._tell("Sign up. The answer is the same for an address that is known.")
        body = {"email": account.email, "password": account.password, "display_name": "Ada"}
        self._send("POST", "/v1/auth/register", body).expect(202)

        self._tell("Logging in is too early: the address is not verified.")
        self._send("POST", "/v1/auth/login", self._credentials()).expect_problem(
            403, "email-not-verified"
        )

        self._tell("The mail is there; its link carries a token.")
        token = self._token_from_mail()

        self._tell("The token proves the address, not who signed up: a password is needed too.")
        self._send("POST", "/v1/auth/verify-email", {"token": token}).expect_problem(
            422, "invalid-input"
        )
        proof = {"token": token, "password": account.password}
        self._send("POST", "/v1/auth/verify-email", proof).expect(200, 204)

        self._tell("It works once.")
        self._send("POST", "/v1/auth/verify-email", proof).expect_problem(400, "invalid-code")

    def _token_from_mail(self) -> str:
        mail = self._http.mail_to(self._account.email)
        self._http.tell(f"  {mail.get('subject')!r} to {self._account.email}")
        for link in mail.get("links", ()):
            token = dict(parse_qsl(urlsplit(str(link)).fragment)).get("token", "")
            if token:
                return token
        raise StoryFailed(f"the mail to {self._account.email} holds no link with a token")

    def _logs_in(self) -> Tokens:
        self._tell("Log in.")
        answer = self._send("POST", "/v1/auth/login", self._credentials()).expect(200)
        answer.expect_fields(token_type="Bearer")  # noqa: S106
        return Tokens.of(answer)

    def _credentials(self) -> dict[str, Any]:
        return {"identifier": self._account.email, "password": self._account.password}

    def _changes_the_profile(self, tokens: Tokens) -> None:
        self._tell("Who am I?")
        me = self._send("GET", "/v1/users/me", headers=tokens.header).expect(200)
        me.expect_fields(email=self._account.email, email_verified=True, status="active")

        self._tell("Change the profile, if nobody else did in between (If-Match).")
        patch = {"display_name": f"Ada {secrets.token_hex(2)}", "time_zone": "Europe/London"}
        changed = self._patch_me(patch, tokens, etag=me.header("etag")).expect(200)
        changed.expect_fields(**patch)

        self._tell("A second change of the old version is refused.")
        self._patch_me(patch, tokens, etag=me.header("etag")).expect_problem(
            412, "version-mismatch"
        )

    def _patch_me(self, patch: dict[str, Any], tokens: Tokens, *, etag: str) -> Answer:
        headers = {
            **tokens.header,
            "If-Match": etag,
            "Content-Type": "application/merge-patch+json",
        }
        return self._send("PATCH", "/v1/users/me", patch, headers=headers)

    def _refreshes(self, tokens: Tokens) -> Tokens:
        self._tell("Refresh: a new pair of tokens for the same session.")
        body = {"refresh_token": tokens.refresh}
        renewed = Tokens.of(self._send("POST", "/v1/auth/refresh", body).expect(200))
        if renewed.refresh == tokens.refresh:
            raise StoryFailed("POST /v1/auth/refresh gave back the refresh token that it was given")

        self._tell("The answer got lost? A retry of the same client gets the same successor.")
        again = Tokens.of(self._send("POST", "/v1/auth/refresh", body).expect(200))
        if again.refresh != renewed.refresh:
            raise StoryFailed("a retried refresh gave another successor")
        return again

    def _logs_out(self, tokens: Tokens) -> None:
        self._tell("Where am I logged in?")
        sessions = self._send("GET", "/v1/users/me/sessions", headers=tokens.header).expect(200)
        if not sessions.objects("data"):
            raise StoryFailed("GET /v1/users/me/sessions shows no session, though one is in use")

        self._tell("Log out. The access token is refused at once, though it has not expired.")
        self._send("POST", "/v1/auth/logout", headers=tokens.header).expect(204)
        self._refused(tokens)

    def _refuses_a_stolen_token(self, tokens: Tokens) -> None:
        body = {"refresh_token": tokens.refresh}
        renewed = Tokens.of(self._send("POST", "/v1/auth/refresh", body).expect(200))

        self._tell("Somebody else replays the old refresh token: the whole session ends.")
        self._send("POST", "/v1/auth/refresh", body, agent=_THIEF).expect_problem(
            401, "invalid-refresh-token"
        )
        self._refused(renewed)

    def _refused(self, tokens: Tokens) -> None:
        self._send("GET", "/v1/users/me", headers=tokens.header).expect_problem(
            401, "unauthenticated"
        )

    def _tell(self, step: str) -> None:
        self._http.tell(f"\n{step}")

    def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        agent: str = _PHONE,
    ) -> Answer:
        return self._http.send(method, path, body, headers={"User-Agent": agent, **(headers or {})})
