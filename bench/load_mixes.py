"""What each load sends, and what an honest caller of the same routes sends.

A caller is a generator: it yields a request and gets the answer, or None when there was none.
"""

from __future__ import annotations

import itertools
import json
import random
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.body_kinds import body_limit, full_attributes, nested, short_names, unknown_names
from bench.line import Answer, request
from core.adapters.crypto import base64url
from core.domain.profile import ATTRIBUTES_BYTES
from handler.http.strict_json import MAX_DEPTH
from tests.support.people import PASSWORD, LoggedIn, random_email

Caller = Generator[bytes, Answer | None, None]

ME = "/v1/users/me"
SESSIONS = "/v1/users/me/sessions"
PASSWORDS = "/v1/users/me/password"
LOGIN, REGISTER = "/v1/auth/login", "/v1/auth/register"
REFRESH = "/v1/auth/refresh"

_JUNK_NAMES = 29_500
_CREDENTIALS_A_SECOND = 1.0
"""Below the limit by address, which is 60 a minute."""


@dataclass(frozen=True, kw_only=True)
class Honest:
    """Requests of one route, `rate` a second; `callers` gives one caller more as often as it is
    asked, until there are no more people."""

    rate: float
    callers: Iterator[Caller]


@dataclass(frozen=True, kw_only=True)
class Load:
    """`connections` callers that wait for nothing but their answers; `people` are whom they may be
    or attack. `honest` gives the honest callers by route: of these people, from this address."""

    connections: int
    callers: Callable[[Sequence[LoggedIn]], Iterator[Caller]]
    honest: Callable[[Sequence[LoggedIn], str], dict[str, Honest]]
    times_judged: bool = True
    at_once: bool = False


def own_address() -> str:
    """One that no other caller has."""
    return ".".join(["10", *(str(secrets.randbelow(254) + 1) for _ in range(3))])


def repeating(requests: Sequence[bytes]) -> Caller:
    turns = itertools.cycle(requests)
    while True:
        yield next(turns)


def reading(person: LoggedIn, address: str, path: str = ME) -> Caller:
    return repeating([request("GET", path, address=address, token=person.access)])


def changing(person: LoggedIn, address: str) -> Caller:
    """Another display name each time."""
    for number in itertools.count():
        body: dict[str, object] = {"display_name": f"Ann {number}"}
        yield request("PATCH", ME, address=address, token=person.access, body=body)


def refreshing(person: LoggedIn, address: str) -> Caller:
    token = person.refresh
    while True:
        body: dict[str, object] = {"refresh_token": token}
        answer = yield request("POST", REFRESH, address=address, body=body)
        if answer is not None and answer.status == 200:
            token = json.loads(answer.body)["refresh_token"]


def logging_in(people: Sequence[LoggedIn], address: Callable[[], str]) -> Caller:
    """A random one each time."""
    while True:
        yield login(random.choice(people).person.email, PASSWORD, address())  # noqa: S311  a mix


def login(identifier: str, password: str, address: str) -> bytes:
    body: dict[str, object] = {"identifier": identifier, "password": password}
    return request("POST", LOGIN, address=address, body=body)


def registering(address: str) -> Caller:
    while True:
        body: dict[str, object] = {"email": random_email(), "password": PASSWORD}
        yield request("POST", REGISTER, address=address, body=body)


def choosing_passwords(people: Iterator[LoggedIn], address: str) -> Caller:
    """Somebody else each time: a new password ends the session."""
    body: dict[str, object] = {
        "current_password": PASSWORD,
        "new_password": "an entirely different sentence",
    }
    for person in people:
        yield request("POST", PASSWORDS, address=address, token=person.access, body=body)


def junk_tokens(genuine: str) -> list[str]:
    """No token, one of an unknown key, and one with another's signature."""
    head, payload, signature = genuine.split(".")
    unknown = {**json.loads(base64url.decode(head)), "kid": "unknown"}
    encoded = base64url.encode(json.dumps(unknown).encode())
    turned = base64url.encode(base64url.decode(signature)[::-1])
    return ["x", f"{encoded}.{payload}.{signature}", f"{head}.{payload}.{turned}"]


def _junk(people: Sequence[LoggedIn]) -> Iterator[Caller]:
    members = dict.fromkeys(itertools.islice(short_names(), _JUNK_NAMES), 0)
    limit = body_limit("PATCH", ME)
    bodies = [json.dumps(members, separators=(",", ":")).encode(), unknown_names(limit)]
    for person in people:
        address = own_address()
        yield repeating(
            [
                request("PATCH", ME, address=address, token=token, body=body)
                for token in junk_tokens(person.access)
                for body in bodies
            ]
        )


def _ordinary(people: Sequence[LoggedIn]) -> Iterator[Caller]:
    size = body_limit("PATCH", ME)
    full = json.dumps({"attributes": full_attributes(ATTRIBUTES_BYTES)}).encode()
    for number, person in enumerate(people):
        address = own_address()

        def send(method: str, path: str, body: bytes | None = None) -> bytes:
            return request(method, path, address=address, token=person.access, body=body)  # noqa: B023  called at once

        requests = [
            send("PATCH", ME, unknown_names(size)),
            send("GET", ME),
            send("PATCH", ME, nested(MAX_DEPTH, size)),
            send("PATCH", ME, full),
            send("GET", SESSIONS),
            send("POST", PASSWORDS, unknown_names(body_limit("POST", PASSWORDS))),
        ]
        # Not all the same at the same time.
        turn = number % len(requests)
        yield repeating([*requests[turn:], *requests[:turn]])


def _credentials(people: Sequence[LoggedIn]) -> Iterator[Caller]:
    targets = [each.person.email for each in people]
    for number, person in enumerate(people):
        yield _attacking(person, targets, turn=number % 5)


def _attacking(person: LoggedIn, targets: Sequence[str], *, turn: int) -> Caller:
    """Wrong passwords, unknown accounts, sign-ups and refreshes in turn, from one address."""
    address = own_address()
    genuine, sign_ups = refreshing(person, address), registering(address)
    following = next(genuine)
    junk: dict[str, object] = {"refresh_token": person.refresh[:-4] + "AAAA"}
    for number in itertools.count(turn):
        match number % 5:
            case 0:
                yield login(random.choice(targets), "a guess at the password", address)  # noqa: S311  a mix
            case 1:
                yield login(random_email(), "a guess at the password", address)
            case 2:
                yield next(sign_ups)
            case 3:
                following = genuine.send((yield following))
            case _:
                yield request("POST", REFRESH, address=address, body=junk)


def _logins(people: Sequence[LoggedIn]) -> Iterator[Caller]:
    # A new address for each login: the limit by address is no help.
    return (logging_in(people, own_address) for _ in people)


def _reads(people: Sequence[LoggedIn]) -> Iterator[Caller]:
    return (reading(person, own_address()) for person in people)


def _honest_changes(people: Sequence[LoggedIn], address: str) -> dict[str, Honest]:
    callers = (changing(person, address) for person in people)
    return {f"PATCH {ME}": Honest(rate=10, callers=callers)}


def _honest_ordinary(people: Sequence[LoggedIn], address: str) -> dict[str, Honest]:
    others = iter(people)

    def each(make: Callable[[LoggedIn, str], Caller]) -> Iterator[Caller]:
        return (make(person, address) for person in others)

    return {
        f"PATCH {ME}": Honest(rate=3, callers=each(changing)),
        f"GET {ME}": Honest(rate=3, callers=each(reading)),
        f"GET {SESSIONS}": Honest(
            rate=3, callers=(reading(person, address, SESSIONS) for person in others)
        ),
        f"POST {PASSWORDS}": Honest(
            rate=_CREDENTIALS_A_SECOND,
            callers=itertools.repeat(choosing_passwords(others, address), 1),
        ),
    }


def _honest_credentials(people: Sequence[LoggedIn], address: str) -> dict[str, Honest]:
    first, *others = people
    return {
        f"POST {LOGIN}": Honest(
            rate=_CREDENTIALS_A_SECOND / 2, callers=_always(logging_in, [first], address)
        ),
        f"POST {REGISTER}": Honest(
            rate=_CREDENTIALS_A_SECOND / 2,
            callers=(registering(address) for _ in itertools.count()),
        ),
        f"POST {REFRESH}": Honest(
            rate=9, callers=(refreshing(person, address) for person in others)
        ),
    }


def _honest_logins(people: Sequence[LoggedIn], address: str) -> dict[str, Honest]:
    callers = _always(logging_in, people[:1], address)
    return {f"POST {LOGIN}": Honest(rate=_CREDENTIALS_A_SECOND, callers=callers)}


def _always(
    make: Callable[[Sequence[LoggedIn], Callable[[], str]], Caller],
    people: Sequence[LoggedIn],
    address: str,
) -> Iterator[Caller]:
    return (make(people, lambda: address) for _ in itertools.count())


def _no_one(_: Sequence[LoggedIn], __: str) -> dict[str, Honest]:
    return {}


LOADS: Mapping[str, Load] = {
    "junk": Load(connections=30, callers=_junk, honest=_honest_changes),
    "ordinary": Load(connections=30, callers=_ordinary, honest=_honest_ordinary),
    "credentials": Load(connections=30, callers=_credentials, honest=_honest_credentials),
    "logins16": Load(connections=16, callers=_logins, honest=_honest_logins),
    "logins32": Load(connections=32, callers=_logins, honest=_honest_logins),
    "concurrency": Load(
        connections=16, callers=_reads, honest=_no_one, times_judged=False, at_once=True
    ),
}
