"""The owner of an account that is under attack: logs in, and notes how long it took."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.clients import Answer, Client, random_address
from tests.support.mailbox import Mailbox
from tests.support.people import People, Person

# An address may log in 60 times a minute; the owner has three, and each stays below that.
_PLACES = 3
_EACH_SECONDS = 0.4
_ANOTHER = "an entirely different sentence"


@dataclass
class Logins:
    """Statuses and seconds, in their order."""

    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[98]


class Owner:
    """A person with three places from which they have logged in before."""

    def __init__(self, client: Client, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._client = client
        self._places = [client.from_address(random_address()) for _ in range(_PLACES)]
        self._elsewhere = client.from_address(random_address())
        self.person: Person = People(self._places[0], mailbox).verified()
        for place in self._places:
            self._expect(self._log_in(place), 200)

    def log_in_for(self, seconds: float) -> Logins:
        """Regularly, from the known places in turn."""
        logins, ends = Logins(), time.monotonic() + seconds
        while time.monotonic() < ends:
            self._once(logins)
            time.sleep(_EACH_SECONDS)
        return logins

    @contextmanager
    def logging_in(self) -> Iterator[Logins]:
        """The same, as long as the block lasts; an exception of a login is raised behind it."""
        logins, over, faults = Logins(), threading.Event(), list[BaseException]()

        def go_on() -> None:
            try:
                while not over.is_set():
                    self._once(logins)
                    over.wait(_EACH_SECONDS)
            except Exception as fault:  # noqa: BLE001  raised in the other thread
                faults.append(fault)

        thread = threading.Thread(target=go_on, name="owner")
        thread.start()
        try:
            yield logins
        finally:
            over.set()
            thread.join()
        for fault in faults:
            raise fault

    def log_in_elsewhere(self) -> int:
        """From an address that is new; the status."""
        return self._log_in(self._elsewhere).status

    def reset_password(self) -> None:
        """By a link in a mail."""
        body = {"email": self.person.email}
        ask = self._elsewhere.request
        self._expect(ask("POST", "/v1/auth/password/forgot", json=body), 202)
        reset = {"token": self._mailbox.last(self.person.email).token, "password": _ANOTHER}
        self._expect(ask("POST", "/v1/auth/password/reset", json=reset), 204)
        self.person = Person(self.person.user_id, self.person.email, _ANOTHER)

    def _once(self, logins: Logins) -> None:
        place = self._places[len(logins.statuses) % _PLACES]
        began = time.perf_counter()
        status = self._log_in(place).status
        logins.seconds.append(time.perf_counter() - began)
        logins.statuses.append(status)

    def _log_in(self, place: Client) -> Answer:
        body = {"identifier": self.person.email, "password": self.person.password}
        return place.request("POST", "/v1/auth/login", json=body)

    def _expect(self, answer: Answer, status: int) -> None:
        if answer.status != status:
            raise RuntimeError(f"the service answered {answer.status}, not {status}")
