"""Mails through a relay that the entry point brings."""

from __future__ import annotations

from core.adapters.mail.compose import Sender, compose
from core.ports.messaging import Mail, MailRelay


class RelayedMailer:
    """Implements Mailer."""

    def __init__(self, *, relay: MailRelay, sender: Sender) -> None:
        self._relay = relay
        self._sender = sender

    def send(self, mail: Mail) -> None:
        message = compose(mail, self._sender).as_bytes()
        self._relay.hand_over(sender=self._sender.address, to=mail.to, message=message)

    def check(self) -> str:
        return self._relay.check(sender=self._sender.address)
