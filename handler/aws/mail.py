"""Amazon SES (API v2) as the relay of MAIL_URL=ses://REGION?configuration_set=NAME."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from core.lazy import lazy
from core.ports.messaging import MailFailed

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client
    from types_boto3_sesv2.type_defs import SendEmailRequestTypeDef

# What SendEmail says of one message; all else concerns every mail alike and can be mended.
_ABOUT_THE_MAIL = frozenset({"BadRequestException", "MessageRejected"})


@dataclass(frozen=True)
class SesRelay:
    """Implements MailRelay. `timeout` in seconds is spent on one try: a third for the connection,
    the rest for the answer."""

    region: str
    configuration_set: str | None
    timeout: float

    @classmethod
    def parse(cls, url: str, timeout: float) -> SesRelay:
        """Of a URL that core.config has checked."""
        parts = urlsplit(url)
        named = parse_qs(parts.query).get("configuration_set")
        return cls(parts.netloc, named[0] if named else None, timeout)

    @lazy
    def _client(self) -> SESV2Client:
        # Most invocations send no mail, and loading the service's model takes its time.
        deadlines = Config(
            connect_timeout=self.timeout / 3,
            read_timeout=self.timeout * 2 / 3,
            retries={"mode": "standard", "total_max_attempts": 1},
        )
        return boto3.client("sesv2", region_name=self.region, config=deadlines)

    def hand_over(self, *, sender: str, to: str, message: bytes) -> None:
        request: SendEmailRequestTypeDef = {
            "FromEmailAddress": sender,
            "Destination": {"ToAddresses": [to]},
            "Content": {"Raw": {"Data": message}},
        }
        if self.configuration_set is not None:
            request["ConfigurationSetName"] = self.configuration_set
        try:
            self._client.send_email(**request)
        except (BotoCoreError, ClientError) as error:
            raise _failure(error) from None

    def check(self, *, sender: str) -> str:
        """Whether the sender's address or domain is verified, and the configuration set there."""
        try:
            if self.configuration_set is not None:
                self._client.get_configuration_set(ConfigurationSetName=self.configuration_set)
            if not any(self._verified(identity) for identity in _identities(sender)):
                raise MailFailed(f"SES has not verified the sender {sender}", permanent=False)
        except (BotoCoreError, ClientError) as error:
            raise _failure(error) from None
        return f"SES in {self.region}, the sender is verified"

    def _verified(self, identity: str) -> bool:
        try:
            return self._client.get_email_identity(EmailIdentity=identity)[
                "VerifiedForSendingStatus"
            ]
        except self._client.exceptions.NotFoundException:
            return False


def _identities(sender: str) -> list[str]:
    """What SES may know the sender by: the address, its domain, and the domains above that."""
    domain = sender.rpartition("@")[2]
    labels = domain.split(".")
    return [sender, domain, *(".".join(labels[at:]) for at in range(1, len(labels) - 1))]


def _failure(error: BotoCoreError | ClientError) -> MailFailed:
    """Never the text of an answer, which repeats addresses; its request id finds it in AWS."""
    if not isinstance(error, ClientError):
        return MailFailed(f"no mail could be handed over: {type(error).__name__}", permanent=False)
    told = error.response.get("Error", {})
    code = told.get("Code", "no code")
    # In the sandbox, or with a sender that is not verified, every mail is rejected like this.
    setup = "not verified" in told.get("Message", "")
    where = error.response.get("ResponseMetadata", {}).get("RequestId", "unknown")
    unverified = ": an address is not verified" if setup else ""
    return MailFailed(
        f"SES answered {code}{unverified} (request {where})",
        permanent=code in _ABOUT_THE_MAIL and not setup,
    )
