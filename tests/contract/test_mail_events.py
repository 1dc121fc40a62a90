"""Bounces and complaints out of a queue: who is mailed no more, and what stays in the queue."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from core.bootstrap import Core, build_core
from core.config import Settings
from core.domain.requests import RequestContext
from core.errors import ConfigurationError, StorageUnavailable
from core.ports.messaging import Mail
from core.services.suppressions import Suppressions
from handler.aws.mail_events import MailEvents, UnreadableEvent, refusals
from handler.local.postgres import LocalPostgres
from handler.worker import run_job
from tests.support.aws import REGION, aws_secrets
from tests.support.databases import migrated
from tests.support.environment import service_environment
from tests.support.log_lines import told_by
from tests.support.people import PASSWORD, random_email
from tests.support.storage import CONTEXT, query

DATABASE = "mail_events"


class Relay:
    """Implements Mailer: notes whom it mails."""

    def __init__(self) -> None:
        self.mailed: list[str] = []

    def send(self, mail: Mail) -> None:
        self.mailed.append(mail.to)

    def check(self) -> str:
        raise AssertionError("the worker sends, and does not ask before")


def bounce(address: str, kind: str = "Permanent") -> dict[str, Any]:
    """As in "Examples of event data that Amazon SES publishes to Amazon SNS"."""
    return {
        "eventType": "Bounce",
        "bounce": {
            "feedbackId": "010001",
            "bounceType": kind,
            "bounceSubType": "General",
            "bouncedRecipients": [
                {"emailAddress": address, "action": "failed", "status": "5.1.1"},
            ],
            "timestamp": "2026-08-05T00:41:02.669Z",
        },
        "mail": {"messageId": "EXAMPLE7", "destination": [address]},
    }


def complaint(address: str, feedback: str = "abuse") -> dict[str, Any]:
    return {
        "eventType": "Complaint",
        "complaint": {
            "complainedRecipients": [{"emailAddress": address}],
            "complaintFeedbackType": feedback,
        },
        "mail": {"messageId": "EXAMPLE7"},
    }


@dataclass
class Post:
    core: Core
    database: str
    sqs: Any
    queue: str
    dead: str
    relay: Relay

    def put(self, body: object) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=text)

    def read(self) -> int:
        return MailEvents(self.queue, self.core.suppressions).run_once()

    def waiting(self, queue: str) -> int:
        """Messages that are there, those too that a reader has in hand."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        found = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=list(names))
        return sum(int(found["Attributes"][name]) for name in names)

    def events(self) -> list[tuple[str, dict[str, str]]]:
        return query(
            self.database,
            "SELECT type, payload FROM audit_events JOIN audit_payloads ON event_id = id"
            " WHERE type LIKE 'mail.%%' ORDER BY id",
        )

    def mailed(self, address: str) -> bool:
        """Whether a mail to it goes out when it signs up."""
        self.core.sign_ups.register(
            CONTEXT, email=address, password=PASSWORD, username=None, profile={}
        )
        deliveries = replace(self.core.deliveries, mailer=self.relay)
        assert deliveries.run_once(owner="test") == 1
        assert query(self.database, "SELECT id FROM outbox") == []
        return address in self.relay.mailed


@pytest.fixture(scope="module")
def database(postgres: LocalPostgres) -> Iterator[LocalPostgres]:
    with migrated(postgres, DATABASE):
        yield postgres


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with aws_secrets() as moto:
        yield moto.endpoint


@pytest.fixture
def post(database: LocalPostgres, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    """A queue whose messages come back after a second, and are given up after two tries."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    sqs = boto3.client("sqs", region_name=REGION)
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    redrive = {"deadLetterTargetArn": arn["Attributes"]["QueueArn"], "maxReceiveCount": 2}
    queue = sqs.create_queue(
        QueueName="events",
        Attributes={"VisibilityTimeout": "1", "RedrivePolicy": json.dumps(redrive)},
    )["QueueUrl"]
    url = database.url(role="user_api", database=DATABASE)
    environ = service_environment(url, Path("/nowhere")) | {"MAIL_EVENTS_QUEUE_URL": queue}
    core = build_core(Settings.from_environ(environ))
    superuser = database.url(role="postgres", database=DATABASE)
    query(superuser, "TRUNCATE audit_events, audit_payloads, outbox, mail_suppressions")
    yield Post(core, superuser, sqs, queue, dead, Relay())
    core.close()
    for each in (queue, dead):
        sqs.delete_queue(QueueUrl=each)


@pytest.mark.parametrize(("report", "reason"), [(bounce, "bounced"), (complaint, "complained")])
def test_an_address_that_refuses_is_mailed_no_more(report: Any, reason: str, post: Post) -> None:
    """In whatever case it is reported, once in the trail however often, until it is allowed."""
    address, other = random_email(), random_email()
    local, _, domain = address.partition("@")
    for spelling in (address, f"{local.upper()}@{domain}", address):
        post.put(report(spelling))
    assert post.read() == 3
    assert post.waiting(post.queue) == 0
    assert not post.mailed(address)
    assert post.mailed(other)
    assert post.events() == [("mail.suppressed", {"reason": reason})]
    page = post.core.metrics.exposition()[1].decode()
    assert 'outbox_deliveries_total{outcome="suppressed"} 1.0' in page

    context = RequestContext(request_id="test")
    assert post.core.suppressions.lift(context, address.upper())
    assert not post.core.suppressions.lift(context, address)
    assert post.mailed(address)
    assert [kind for kind, _ in post.events()] == ["mail.suppressed", "mail.allowed"]


def test_the_database_knows_no_refused_address(post: Post) -> None:
    """A digest that another key makes differently; the trail names the user, if there is one."""
    address = random_email()
    post.put(bounce(address))
    post.read()
    ((key,),) = query(post.database, "SELECT address_key FROM mail_suppressions")
    assert len(bytes(key)) == 32
    for table in ("audit_events", "audit_payloads", "mail_suppressions"):
        rows = query(post.database, f"SELECT row_told::text FROM {table} AS row_told")
        assert rows
        assert address not in str(rows)


@pytest.mark.parametrize(
    "passing", [bounce("a@example.com", "Transient"), complaint("a@example.com", "not-spam")]
)
def test_what_may_pass_stops_nothing(passing: dict[str, Any], post: Post) -> None:
    """A full mailbox, and a reader who takes the complaint back; neither comes again."""
    post.put(passing)
    assert post.read() == 1
    assert post.waiting(post.queue) == 0
    assert post.events() == []


def test_what_cannot_be_read_becomes_a_dead_letter(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """And stops nothing behind it; the log tells which message it was, never what it said."""
    address = random_email()
    post.put("ada@example.com is not JSON")
    post.put(bounce(address))
    with caplog.at_level("WARNING"):
        assert post.read() == 2
    assert "is left to the dead letters: no JSON" in caplog.text
    assert "ada@example.com" not in caplog.text
    assert not post.mailed(address)
    deadline = time.monotonic() + 20
    while post.waiting(post.dead) == 0:
        assert time.monotonic() < deadline
        post.read()
    assert post.waiting(post.queue) == 0


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        '{"eventType": "Delivery"}',
        '{"eventType": "Bounce"}',
        '{"eventType": "Bounce", "bounce": []}',
        '{"eventType": "Bounce", "bounce": {"bounceType": "Permanent"}}',
        '{"eventType": "Bounce", "bounce": {"bouncedRecipients": [{}]}}',
        '{"eventType": "Complaint", "complaint": {"complainedRecipients": ["a@example.com"]}}',
        '{"Type": "Notification", "Message": "{}"}',
    ],
)
def test_anything_but_a_report_is_refused(body: str) -> None:
    """SNS' envelope too: the subscription delivers raw messages."""
    with pytest.raises(UnreadableEvent):
        list(refusals(body))


def test_a_report_that_was_not_stored_stays(post: Post) -> None:
    """The database is away: the queue keeps the report, and it comes again."""
    address = random_email()
    post.put(bounce(address))
    away = Settings.from_environ(service_environment("postgresql://x@127.0.0.1:1/x", Path("/no")))
    unreachable = build_core(away)
    with pytest.raises(StorageUnavailable):
        MailEvents(post.queue, unreachable.suppressions).run_once()
    unreachable.close()
    assert post.waiting(post.queue) == 1
    deadline = time.monotonic() + 20
    while post.waiting(post.queue):
        assert time.monotonic() < deadline
        post.read()
    assert not post.mailed(address)


def test_the_job_reads_reports_before_it_sends(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """So that the Lambda schedule needs no job of its own; a queue that fails keeps no mail."""
    address = random_email()
    post.put(bounce(address))
    post.core.sign_ups.register(
        CONTEXT, email=address, password=PASSWORD, username=None, profile={}
    )
    core = replace(post.core, deliveries=replace(post.core.deliveries, mailer=post.relay))
    assert run_job(core, "outbox", 20) == {"handled": 1, "mail_events": 1}
    assert post.relay.mailed == []
    post.sqs.delete_queue(QueueUrl=post.queue)
    assert run_job(core, "outbox", 20) == {"handled": 0, "mail_events": 0}
    (told,) = told_by("handler.worker", caplog)
    assert told.startswith("mail events wait: the queue of mail events answered")
    post.sqs.create_queue(QueueName="events")


def test_a_queue_that_is_not_there_is_told_in_one_line(post: Post) -> None:
    """Without an address, and within the deadlines of the client."""
    with pytest.raises(ConfigurationError, match="the queue of mail events answered"):
        MailEvents(f"{post.queue}-other", post.core.suppressions).run_once()


def test_an_address_that_this_service_never_writes_to_is_passed_over(post: Post) -> None:
    """Not a reason to keep the message for ever."""
    suppressions: Suppressions = post.core.suppressions
    post.put(bounce("Zoë <nobody@localhost>"))
    assert post.read() == 1
    assert post.waiting(post.queue) == 0
    assert query(post.database, "SELECT 1 FROM mail_suppressions") == []
    assert not suppressions.lift(CONTEXT, random_email())
