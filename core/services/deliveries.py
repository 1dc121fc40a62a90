"""The worker's half of every mail: finding out who gets which, deriving the link, sending,
retrying."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from core.config import Settings
from core.domain.codes import CodePurpose, OneTimeCode
from core.domain.requests import RequestContext
from core.domain.user import OPEN_STATUSES, UserStatus
from core.errors import StorageUnavailable
from core.ports.messaging import Mail, Mailer, MailFailed, MailTemplate
from core.ports.runtime import Clock, Metrics
from core.ports.security import CodeSecrets
from core.ports.storage import OutboxMessage, Storage, UnitOfWork
from core.services.suppressions import Suppressions

BATCH = 10
ATTEMPTS = 12
FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(hours=1)

_SPARE_SECONDS = 5.0
"""What a message takes besides the sending: two transactions within their deadlines."""

_INTERRUPTED = "its worker ended during each attempt"

logger = logging.getLogger(__name__)


class Outcome(StrEnum):
    """How the handling of one message ended.

    `DROPPED` had nothing to say any more, or nobody to say it to; `SUPPRESSED` was for an address
    that refuses our mail; `LOST` took so long that another
    worker has the message, and may send it a second time.
    """

    SENT = "sent"
    RETRIED = "retried"
    PARKED = "parked"
    DROPPED = "dropped"
    SUPPRESSED = "suppressed"
    LOST = "lost"


def delay_after(attempt: int, message_id: UUID) -> timedelta:
    """Until the next one: doubled each time, and a little less by what is random in the id.

    Else all that an outage of the relay has failed would come back to it at one moment.
    """
    spread = (message_id.int & 0xFFFF) / 0x10000
    return min(FIRST_DELAY * (1 << attempt - 1), LONGEST_DELAY) * (1 - spread / 4)


@dataclass(frozen=True, kw_only=True)
class Deliveries:
    settings: Settings
    storage: Storage
    mailer: Mailer
    codes: CodeSecrets
    suppressions: Suppressions
    clock: Clock
    metrics: Metrics

    @property
    def longest_batch(self) -> float:
        """Seconds that `run_once` takes when every mail times out."""
        return BATCH * (self.settings.mail_timeout + _SPARE_SECONDS)

    def run_once(self, *, owner: str, stopping: Callable[[], bool] = lambda: False) -> int:
        """Leases due messages and handles each; returns how many.

        At least once: a kill leaves a lease to run out. When `stopping` turns true, the message at
        hand is the last; `release` hands back the others.
        """
        now = self.clock.now()
        until = now + timedelta(seconds=self.longest_batch)
        with self.storage.write(RequestContext(request_id=owner)) as uow:
            messages = uow.outbox.lease(owner=owner, limit=BATCH, until=until, now=now)
            uow.commit()
        for handled, message in enumerate(messages):
            if stopping():
                return handled
            try:
                self._handle(message, owner)
            except StorageUnavailable:
                raise
            except Exception as error:
                # The messages behind it must not wait for their lease to run out.
                logger.exception("message %s could not be handled", message.id)
                self._put_off(message, owner, error)
        return len(messages)

    def release(self, *, owner: str) -> None:
        """Hands back what is leased, so that another worker need not wait for the lease to run
        out."""
        with self.storage.write(RequestContext(request_id=owner)) as uow:
            uow.outbox.release(owner=owner, now=self.clock.now())
            uow.commit()

    def _handle(self, message: OutboxMessage, owner: str) -> None:
        context = RequestContext(
            request_id=message.payload.get("request_id", owner),
            trace_id=message.payload.get("trace_id"),
        )
        with self.storage.write(context) as uow:
            attempt = uow.outbox.begin(message.id, owner=owner, until=self._at_hand())
            if attempt is None:
                logger.info("message %s is another worker's by now", message.id)
                return
            mail: Mail | None = None
            failure: MailFailed | None = None
            outcome = Outcome.DROPPED
            if attempt > ATTEMPTS:
                attempt, failure = attempt - 1, MailFailed(_INTERRUPTED, permanent=True)
                outcome = self._settle(uow, message, owner, attempt, failure)
            else:
                mail = self._compose(uow, message)
                if mail is not None and self.suppressions.holds(uow, mail.to):
                    logger.info("mail %s is dropped: its address is suppressed", message.id)
                    mail, outcome = None, Outcome.SUPPRESSED
                if mail is None:
                    uow.outbox.done(message.id, owner=owner)
            uow.commit()
        if mail is not None:
            failure = self._send(mail)
            with self.storage.write(context) as uow:
                outcome = self._settle(uow, message, owner, attempt, failure)
                uow.commit()
        self._tell(message, outcome, attempt, failure)

    def _at_hand(self) -> datetime:
        # Twice what it can take, so that nobody else begins while it is under way.
        return self.clock.now() + timedelta(seconds=2 * self.longest_batch / BATCH)

    def _send(self, mail: Mail) -> MailFailed | None:
        try:
            self.mailer.send(mail)
        except MailFailed as failure:
            return failure
        except Exception as error:
            logger.exception("a mail could not be sent")
            return MailFailed(type(error).__name__, permanent=False)
        return None

    def _put_off(self, message: OutboxMessage, owner: str, error: Exception) -> None:
        failure = MailFailed(type(error).__name__, permanent=False)
        with self.storage.write(RequestContext(request_id=owner)) as uow:
            attempt = uow.outbox.begin(message.id, owner=owner, until=self._at_hand())
            if attempt is None:
                return
            outcome = self._settle(uow, message, owner, attempt, failure)
            uow.commit()
        self._tell(message, outcome, attempt, failure)

    def _tell(
        self, message: OutboxMessage, outcome: Outcome, attempt: int, failure: MailFailed | None
    ) -> None:
        """Behind the commit: before it nothing is so yet."""
        self.metrics.delivery(outcome)
        if outcome is Outcome.PARKED:
            logger.error("mail %s parked after attempt %d: %s", message.id, attempt, failure)
        elif outcome is Outcome.RETRIED:
            delay = delay_after(attempt, message.id)
            logger.warning("mail %s failed, next try in %s: %s", message.id, delay, failure)
        elif outcome is Outcome.LOST:
            logger.warning("the lease of mail %s was lost while it was sent", message.id)

    def _settle(
        self,
        uow: UnitOfWork,
        message: OutboxMessage,
        owner: str,
        attempt: int,
        failure: MailFailed | None,
    ) -> Outcome:
        now = self.clock.now()
        if failure is None:
            outcome, held = Outcome.SENT, uow.outbox.done(message.id, owner=owner)
        elif failure.permanent or attempt >= ATTEMPTS:
            outcome = Outcome.PARKED
            held = uow.outbox.park(message.id, owner=owner, error=str(failure), now=now)
        else:
            outcome, at = Outcome.RETRIED, now + delay_after(attempt, message.id)
            held = uow.outbox.retry(message.id, owner=owner, at=at, error=str(failure))
        return outcome if held else Outcome.LOST

    def _compose(self, uow: UnitOfWork, message: OutboxMessage) -> Mail | None:
        """None when there is nothing to send any more, or nobody to send it to."""
        template = MailTemplate(message.payload["template"])
        if "code_id" in message.payload:
            code = uow.codes.by_id(UUID(message.payload["code_id"]))
            if code is None or code.expires_at <= self.clock.now():
                return None
            if code.purpose is CodePurpose.RESET_PASSWORD:
                return self._reset_mail(uow, message, code)
            if code.purpose is CodePurpose.INVITATION:
                return self._invitation_mail(uow, message, code)
            return self._verification_mail(uow, message, code)
        if "event_id" in message.payload:
            return self._notice_of_event(uow, message, template)
        user = uow.users.by_id(UUID(message.payload["user_id"]))
        if user is None:
            return None
        variables = {
            MailTemplate.PASSWORD_CHANGED: {"reset_link": self._page("reset")},
            MailTemplate.CHOOSE_NEW_PASSWORD: {"reset_link": self._page("reset")},
            MailTemplate.ACCOUNT_DEACTIVATED: {
                "erasure_days": str(self.settings.erasure_grace.days)
            },
        }[template]
        return self._mail(message, template, user.email, variables)

    def _notice_of_event(
        self, uow: UnitOfWork, message: OutboxMessage, template: MailTemplate
    ) -> Mail | None:
        """To the address that an account had: it stands in the event only, until its erasure."""
        payload = uow.audit.payload(UUID(message.payload["event_id"]))
        former = payload and payload.get("former_email")
        return self._mail(message, template, former, {}) if isinstance(former, str) else None

    def _reset_mail(
        self, uow: UnitOfWork, message: OutboxMessage, code: OneTimeCode
    ) -> Mail | None:
        user = uow.users.by_email(code.email_normalised)
        if user is None or user.status is not UserStatus.ACTIVE:
            return None
        uow.codes.bind(code.id, user_id=user.id)
        return self._mail(
            message,
            MailTemplate.RESET_PASSWORD,
            user.email,
            {"link": self._link("reset", code), "expires_minutes": self._left(code.expires_at)},
        )

    def _invitation_mail(
        self, uow: UnitOfWork, message: OutboxMessage, code: OneTimeCode
    ) -> Mail | None:
        user = uow.users.by_id(code.user_id) if code.user_id else None
        if user is None or user.status is not UserStatus.PENDING:
            return None
        return self._mail(
            message,
            MailTemplate.INVITATION,
            user.email,
            {"link": self._link("reset", code), "expires_minutes": self._left(code.expires_at)},
        )

    def _verification_mail(
        self, uow: UnitOfWork, message: OutboxMessage, code: OneTimeCode
    ) -> Mail | None:
        """A known address gets a notice, never a second account; a closed account gets no link."""
        link = {
            "link": self._link("verify", code),
            "expires_minutes": self._left(code.expires_at),
        }
        user = uow.users.by_email(code.email_normalised)
        if user is not None and (user.email_verified or code.registration_id is not None):
            reset = {"reset_link": self._page("reset")}
            return self._mail(message, MailTemplate.ALREADY_REGISTERED, user.email, reset)
        if user is not None:
            if user.status not in OPEN_STATUSES:
                return None
            uow.codes.bind(code.id, user_id=user.id)
            return self._mail(message, MailTemplate.VERIFY_EMAIL, user.email, link)
        if code.registration_id is not None:
            sign_up = uow.registrations.by_id(code.registration_id)
        else:
            sign_up = uow.registrations.newest(code.email_normalised, now=self.clock.now())
        if sign_up is None:
            return None
        # A link that was sent again is void as soon as the last sign-up is.
        link["expires_minutes"] = self._left(min(code.expires_at, sign_up.expires_at))
        return self._mail(message, MailTemplate.CONFIRM_SIGN_UP, sign_up.email, link)

    def _mail(
        self, message: OutboxMessage, template: MailTemplate, to: str, variables: dict[str, str]
    ) -> Mail:
        return Mail(template=template, to=to, message_id=str(message.id), variables=variables)

    def _page(self, page: str) -> str:
        base = self.settings.account_url or f"{self.settings.public_url}/account"
        return f"{base}/{page}"

    def _link(self, page: str, code: OneTimeCode) -> str:
        """The code stands in the fragment, which browsers send to nobody."""
        return f"{self._page(page)}#token={self.codes.derive(code.id, code.purpose)}"

    def _left(self, until: datetime) -> str:
        remaining = until - self.clock.now()
        return str(max(1, round(remaining.total_seconds() / 60)))
