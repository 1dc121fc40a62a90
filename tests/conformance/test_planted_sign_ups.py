"""Somebody who signs up with an address that is not theirs learns nothing by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from core.bootstrap import Core
from tests.conformance.test_sign_ups import CHOSEN, PLANTED, RESEND, log_in, verify
from tests.support.clients import Answer, Client, random_address
from tests.support.people import PASSWORD, People, random_email
from tests.support.storage import query


@dataclass(frozen=True)
class Planter:
    """Somebody who signed up with an address that is not theirs, and watches."""

    people: People
    email: str

    def sees(self) -> list[tuple[int, str, str | None]]:
        """Every answer that they can get: of the same requests in the same order."""
        here = self.people.client.from_address(random_address())
        answers = [
            People(here, self.people.mailbox).register(self.email, password=PLANTED)[1],
            log_in(here, self.email, PLANTED),
            log_in(here, self.email, "what nobody signed up with"),
            here.request("POST", RESEND, json={"email": self.email}),
            here.request("POST", "/v1/auth/password/forgot", json={"email": self.email}),
        ]
        return [told(answer) for answer in answers]


def told(answer: Answer) -> tuple[int, str, str | None]:
    body = {key: value for key, value in answer.json().items() if key != "request_id"}
    return answer.status, str(body), answer.header("retry-after")


Happening = Callable[[People, str], None]


def nobody(people: People, email: str) -> None:
    """The address stays as it is."""


def opens(people: People, email: str) -> None:
    people.verified(email)


def opens_by_choosing(people: People, email: str) -> None:
    token = people.mailbox.last(email).token
    assert verify(people.client, {"token": token, "new_password": CHOSEN}).status == 200


def signs_up(people: People, email: str) -> None:
    people.register(email)


def uses_up_the_mails(people: People, email: str) -> None:
    for _ in range(6):
        people.register(email)
        people.client.request("POST", RESEND, json={"email": email})


def opens_and_leaves(people: People, email: str) -> None:
    token = people.log_in(people.verified(email)).access
    assert people.client.request("DELETE", "/v1/users/me", token=token).status == 202


QUIET = [nobody, signs_up, uses_up_the_mails]
STORIES = [
    *((before, during) for before in QUIET for during in [*QUIET, opens, opens_and_leaves]),
    *((before, during) for before in (opens, opens_and_leaves) for during in QUIET),
    (signs_up, opens_by_choosing),
]


@pytest.mark.parametrize(("before", "during"), STORIES, ids=lambda happening: happening.__name__)
def test_a_planted_sign_up_tells_nothing(
    people: People, before: Happening, during: Happening
) -> None:
    """Neither that the address has an account, nor that one is opened or closed, nor that anybody
    else signs up: whatever happens before and meanwhile, the answers are the same."""
    seen = []
    for happening, other in ((nobody, nobody), (before, during)):
        planter = Planter(people, random_email())
        happening(people, planter.email)
        first = planter.sees()
        other(people, planter.email)
        seen.append(first + planter.sees())
    assert seen[0] == seen[1]
    assert [status for status, *_ in seen[0]] == [202, 403, 401, 202, 202] * 2


@pytest.mark.parametrize("during", [opens, opens_by_choosing, opens_and_leaves])
def test_the_counter_of_guesses_tells_of_no_account(people: People, during: Happening) -> None:
    """It goes on when an account is opened at the address; it does not begin anew."""
    email = random_email()
    watching = people.client.from_address(random_address())
    people.register(email, password=PLANTED)

    def tries(number: int) -> list[int]:
        body = {"identifier": email, "password": PLANTED}
        sent = [watching.request("POST", "/v1/auth/login", json=body) for _ in range(number)]
        return [answer.status for answer in sent]

    assert tries(6) == [403] * 6
    during(people, email)
    assert tries(6) == [403] * 4 + [429] * 2


def test_guesses_before_an_account_is_opened_do_not_keep_its_owner_out(
    people: People, client: Client, core: Core, superuser_url: str
) -> None:
    """Where the link was followed the owner can log in, whatever strangers have used up."""
    email = random_email()
    assert log_in(client, email, PLANTED).status == 401
    key = core.authentication.throttling.strangers(f"typed:{email}").key
    query(superuser_url, "UPDATE throttles SET failures = 101 WHERE key = %s", (key,))
    person = people.verified(email)
    assert log_in(client, email, PASSWORD).status == 429
    assert people.log_in(person).person.user_id == person.user_id
