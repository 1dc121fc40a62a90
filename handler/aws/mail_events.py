"""What became of mails: reports of Amazon SES out of a queue of Amazon SQS.

SES publishes them to SNS, which delivers them raw: a message's body is the event itself ("Contents
of event data that Amazon SES publishes", SES developer guide).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from core.domain.requests import RequestContext
from core.errors import ConfigurationError
from core.lazy import lazy
from core.ports.messaging import SuppressionReason
from core.services.suppressions import Suppressions

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

BATCH = 10
WAIT_SECONDS = 1
"""A long poll, since a short one asks only some of the queue's servers; mails wait meanwhile."""

_DEADLINES = Config(
    connect_timeout=2,
    read_timeout=WAIT_SECONDS + 4,
    retries={"mode": "standard", "total_max_attempts": 1},
)
_HOST = re.compile(r"sqs\.([a-z0-9-]+)\.amazonaws\.com")

logger = logging.getLogger(__name__)


class UnreadableEvent(ValueError):
    """It is no report of a bounce or a complaint."""


@dataclass(frozen=True)
class MailEvents:
    """The queue `url`. What cannot be read stays there, and so comes to its dead-letter queue."""

    url: str
    suppressions: Suppressions

    @lazy
    def _client(self) -> SQSClient:
        host = _HOST.fullmatch(urlsplit(self.url).hostname or "")
        return boto3.client("sqs", region_name=host[1] if host else None, config=_DEADLINES)

    def run_once(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Handles one batch; returns how many messages it took.

        A message is deleted after its report is stored: one that comes twice changes nothing.

        Raises:
            ConfigurationError: the queue cannot be read.
            StorageUnavailable: what was not stored stays in the queue.
        """
        try:
            answer = self._client.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=WAIT_SECONDS
            )
            messages = answer.get("Messages", [])
            for message in messages:
                if stopping():
                    break
                if self._handle(message["MessageId"], message["Body"]):
                    self._client.delete_message(
                        QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"]
                    )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "no code")
            raise ConfigurationError(f"the queue of mail events answered {code}") from None
        except BotoCoreError as error:
            kind = type(error).__name__
            raise ConfigurationError(f"the queue of mail events: {kind}") from None
        return len(messages)

    def _handle(self, message_id: str, body: str) -> bool:
        try:
            found = list(refusals(body))
        except UnreadableEvent as error:
            # Never its content, which has addresses.
            logger.warning("mail event %s is left to the dead letters: %s", message_id, error)
            return False
        for address, reason in found:
            if self.suppressions.note(RequestContext(request_id=message_id), address, reason):
                logger.info("mail event %s: an address is mailed no more: %s", message_id, reason)
        return True


def refusals(body: str) -> Iterator[tuple[str, SuppressionReason]]:
    """Whom not to mail again, and why; a bounce that may pass yields nobody.

    Raises:
        UnreadableEvent: the body is something else.
    """
    event = _read(body)
    kind = event.get("eventType")
    if kind == "Bounce":
        report, recipients, reason = "bounce", "bouncedRecipients", SuppressionReason.BOUNCED
    elif kind == "Complaint":
        report, recipients, reason = (
            "complaint",
            "complainedRecipients",
            SuppressionReason.COMPLAINED,
        )
    else:
        raise UnreadableEvent("neither a bounce nor a complaint")
    told = event.get(report)
    listed = told.get(recipients) if isinstance(told, dict) else None
    if not isinstance(told, dict) or not isinstance(listed, list):
        raise UnreadableEvent(f"a {report} without recipients")
    # A mailbox that is full, or a reader who says that it was no spam after all.
    lasting = (
        told.get("bounceType") == "Permanent"
        if kind == "Bounce"
        else (told.get("complaintFeedbackType") != "not-spam")
    )
    for each in listed:
        address = each.get("emailAddress") if isinstance(each, dict) else None
        if not isinstance(address, str):
            raise UnreadableEvent(f"a {report} with a recipient without address")
        if lasting:
            yield address, reason


def _read(body: str) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableEvent("no JSON") from None
    if not isinstance(event, dict):
        raise UnreadableEvent("no JSON object")
    return event
