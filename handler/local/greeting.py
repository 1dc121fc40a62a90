"""What `user-api dev` prints when it is ready: what to open, and what to try."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from itertools import chain
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Greeting:
    """`seconds` is how long the start took; `password` is there on the first start only;
    `listens_on` is the address of the listening socket; `metrics_port` is None without such a
    page."""

    url: str
    listens_on: str
    seconds: float
    data: Path
    mail_page: bool
    metrics_port: int | None
    admin: str
    password: str | None

    def __str__(self) -> str:
        parts = (self._places(), self._network(), [""], self._administrator(), self._example())
        return "\n".join(["", *chain.from_iterable(parts), ""])

    def _places(self) -> list[str]:
        mail = [f"  Mail      {self.url}/dev/mail"] if self.mail_page else []
        metrics = (
            [f"  Metrics   http://127.0.0.1:{self.metrics_port}/metrics"]
            if self.metrics_port
            else []
        )
        return [
            f"user-api is ready in {self.seconds:.1f} s",
            "",
            f"  API docs  {self.url}/docs",
            *mail,
            *metrics,
            f"  Data      {_short(self.data)} (kept; remove it to start afresh)",
        ]

    def _network(self) -> list[str]:
        if ip_address(self.listens_on).is_loopback:
            return []
        mails = ["  The mails are shown to this machine only."] if self.mail_page else []
        return [
            "",
            f"Listening on {self.listens_on}: other machines of your network reach the API too,",
            "  without encryption and with the settings of development. Anybody there can sign up,",
            "  and read what you send, passwords and tokens included.",
            *mails,
        ]

    def _administrator(self) -> list[str]:
        if self.password is None:
            lost = f"POST {self.url}/v1/auth/password/forgot"
            return [f"The first administrator was {self.admin}. Password lost? {lost}", ""]
        return [
            "First administrator, shown this once:",
            f"  email     {self.admin}",
            f"  password  {self.password}",
            "  It is a one-time password: log in with it, then POST /v1/users/me/password.",
            "",
        ]

    def _example(self) -> list[str]:
        follow = "open the mail and follow its link" if self.mail_page else "follow the mail's link"
        return [
            "Try it:",
            f"  curl {self.url}/v1/auth/register -H 'Content-Type: application/json' \\",
            """    -d '{"email": "ada@example.com", "password": "violet-otter-sings-9"}'""",
            f"  ({follow})",
            f"  curl {self.url}/v1/auth/login -H 'Content-Type: application/json' \\",
            """    -d '{"identifier": "ada@example.com", "password": "violet-otter-sings-9"}'""",
            "  or, in another terminal: make demo",
            "",
            "Ctrl-C stops everything.",
        ]


def _short(path: Path) -> str:
    """Relative to where the command was started, if it is below."""
    here = Path.cwd()
    return f"./{path.relative_to(here)}" if path.is_relative_to(here) else str(path)
