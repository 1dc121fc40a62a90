"""Reading the mails that the service has sent."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from core.bootstrap import Core

_LINK = re.compile(r"https?://\S+")
# What `/account/` serves; every link leads there.
_PAGES = ("/account/verify", "/account/reset")


@dataclass(frozen=True)
class ReceivedMail:
    to: str
    subject: str
    text: str
    html: str

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.text)

    @property
    def token(self) -> str:
        """The code in the link's fragment."""
        for link in self.links:
            if "#token=" in link:
                return link.partition("#token=")[2]
        raise AssertionError(f"no link with a token in the mail {self.subject!r}")


class Mailbox:
    """Runs the worker's part until nothing is due, then reads the folder."""

    def __init__(self, core: Core, folder: Path) -> None:
        self._core = core
        self._folder = folder

    def deliver(self) -> None:
        for _ in range(100):
            if not self._core.deliveries.run_once(owner="tests"):
                return
        raise AssertionError("the outbox does not run empty")

    def to(self, address: str) -> list[ReceivedMail]:
        """All mails to an address, oldest first."""
        self.deliver()
        mails = [_read(path) for path in sorted(self._folder.glob("*.eml"))]
        return [mail for mail in mails if mail.to.lower() == address.lower()]

    def last(self, address: str) -> ReceivedMail:
        mails = self.to(address)
        assert mails, f"no mail came to {address}"
        return mails[-1]


# Of thousands in a session each is read once.
@cache
def _read(path: Path) -> ReceivedMail:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    parts = {"plain": "", "html": ""}
    for kind in parts:
        part = message.get_body(preferencelist=(kind,))
        assert part is not None, f"{path.name} has no {kind} part"
        parts[kind] = part.get_content()
    mail = ReceivedMail(
        to=str(message["To"]),
        subject=str(message["Subject"]),
        text=parts["plain"],
        html=parts["html"],
    )
    for link in mail.links:
        assert urlsplit(link).path in _PAGES, f"{mail.subject!r} links to {link.partition('#')[0]}"
    return mail
