"""Addresses that refuse our mail: noted from what the relay reports, until an operator lifts it.

Whoever goes on mailing them is taken for a spammer, and then no mail of anybody arrives.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.domain.addresses import EmailAddress
from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.errors import InvalidInput
from core.ports.messaging import SuppressionReason
from core.ports.runtime import Clock
from core.ports.security import Pseudonyms
from core.ports.storage import Storage, Stores


@dataclass(frozen=True, kw_only=True)
class Suppressions:
    storage: Storage
    pseudonyms: Pseudonyms
    clock: Clock

    def holds(self, stores: Stores, address: str) -> bool:
        """Whether no mail may go to this address; one statement."""
        return stores.suppressions.holds(self._key(EmailAddress.parse(address)))

    def note(self, context: RequestContext, address: str, reason: SuppressionReason) -> bool:
        """False when it was known before, or is no address that this service writes to.

        Reports arrive more than once: only the first is an event.
        """
        try:
            parsed = EmailAddress.parse(address)
        except InvalidInput:
            return False
        with self.storage.write(context) as uow:
            added = uow.suppressions.add(self._key(parsed), reason, now=self.clock.now())
            if added:
                user = uow.users.by_email(parsed.normalised)
                uow.record(
                    Event(
                        type=EventType.MAIL_SUPPRESSED,
                        actor=None,
                        subject=user.id if user else None,
                        details={"reason": reason},
                    )
                )
            uow.commit()
        return added

    def lift(self, context: RequestContext, address: str) -> bool:
        """Lets mail go there again; False when it did already. Raises InvalidInput."""
        parsed = EmailAddress.parse(address)
        with self.storage.write(context) as uow:
            lifted = uow.suppressions.lift(self._key(parsed))
            if lifted:
                user = uow.users.by_email(parsed.normalised)
                uow.record(
                    Event(
                        type=EventType.MAIL_ALLOWED, actor=None, subject=user.id if user else None
                    )
                )
            uow.commit()
        return lifted

    def _key(self, address: EmailAddress) -> bytes:
        return self.pseudonyms.of("mail-suppression", address.normalised)
