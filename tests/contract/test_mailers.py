"""What every mailer promises, shown on each of them: SMTP to a real relay, and the folder."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from core.adapters.mail.compose import Sender
from core.adapters.mail.directory import DirectoryMailer
from core.adapters.mail.smtp import Security, SmtpMailer, SmtpServer
from core.ports.messaging import MAIL_VARIABLES, Mail, Mailer, MailFailed, MailTemplate
from tests.support.smtp_relay import smtp_relay

SENDER = Sender.parse("Müller & Söhne <no-reply@example.com>")
LINK = f"https://id.example.com/account/verify#token={'v1.AbC-_9' * 12}"


@dataclass(frozen=True)
class Post:
    """A mailer and what arrived through it, oldest first."""

    mailer: Mailer
    arrived: Callable[[], list[EmailMessage]]


@pytest.fixture(params=["smtp", "directory"])
def post(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Post]:
    if request.param == "directory":
        mailer = DirectoryMailer(folder=tmp_path / "a" / "mail", sender=SENDER)
        yield Post(mailer, lambda: [_parse(path) for path in sorted(tmp_path.glob("a/mail/*"))])
        return
    with smtp_relay() as relay:
        server = SmtpServer(host="127.0.0.1", port=relay.port, security=Security.NONE)
        smtp = SmtpMailer(server=server, sender=SENDER, timeout=10)
        yield Post(smtp, lambda: [delivery.message for delivery in relay.deliveries])


def _parse(path: Path) -> EmailMessage:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def a_mail(
    template: MailTemplate = MailTemplate.VERIFY_EMAIL,
    *,
    to: str = "ada@example.com",
    message_id: str = "01890a5d-ac96-774b-bcce-b302099a8057",
) -> Mail:
    samples = {"link": LINK, "reset_link": "https://id.example.com/account/reset"}
    variables = {name: samples.get(name, "24") for name in MAIL_VARIABLES[template]}
    return Mail(template=template, to=to, message_id=message_id, variables=variables)


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body(preferencelist=(kind,))
    assert found is not None
    content: str = found.get_content()
    return content


@pytest.mark.parametrize("template", list(MailTemplate))
def test_a_mail_arrives_as_text_and_html(post: Post, template: MailTemplate) -> None:
    """Readers without HTML get the text, the others both, whatever the mail is about."""
    post.mailer.send(a_mail(template))
    [message] = post.arrived()
    assert message.get_content_type() == "multipart/alternative"
    kinds = [child.get_content_type() for child in message.iter_parts()]
    assert kinds == ["text/plain", "text/html"]
    assert "Müller & Söhne" in part(message, "plain")
    assert "Müller &amp; Söhne" in part(message, "html")
    assert not message.defects


def test_a_check_sends_nothing(post: Post) -> None:
    """What it reached is told, and nobody gets a mail."""
    assert post.mailer.check()
    assert post.arrived() == []


def test_a_link_arrives_unbroken(post: Post) -> None:
    """A link longer than a line of mail comes out of both parts as it went in."""
    post.mailer.send(a_mail())
    [message] = post.arrived()
    assert LINK in part(message, "plain").splitlines()
    assert f'href="{LINK}"' in part(message, "html")


def test_the_headers_say_who_to_whom_and_about_what(post: Post) -> None:
    """A name beyond ASCII arrives readable in From and Subject (RFC 2047)."""
    post.mailer.send(a_mail())
    [message] = post.arrived()
    [sender] = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Müller & Söhne", "no-reply@example.com")
    assert [address.addr_spec for address in message["To"].addresses] == ["ada@example.com"]
    assert message["Subject"] == "Confirm your email address for Müller & Söhne"


def test_no_vacation_notice_answers(post: Post) -> None:
    """Mails say that a machine sent them (RFC 3834 section 5)."""
    post.mailer.send(a_mail())
    [message] = post.arrived()
    assert message["Auto-Submitted"] == "auto-generated"


def test_the_date_is_now(post: Post) -> None:
    """Mailboxes sort by a Date with its zone (RFC 5322 section 3.6.1)."""
    post.mailer.send(a_mail())
    [message] = post.arrived()
    age = datetime.now(UTC) - parsedate_to_datetime(message["Date"])
    assert timedelta(seconds=-2) < age < timedelta(minutes=1)


def test_a_repeated_mail_can_be_told(post: Post) -> None:
    """A retry carries the same Message-ID, another mail another one."""
    post.mailer.send(a_mail(message_id="one"))
    post.mailer.send(a_mail(message_id="one"))
    post.mailer.send(a_mail(message_id="two"))
    ids = [message["Message-ID"] for message in post.arrived()]
    assert set(ids) == {"<one@example.com>", "<two@example.com>"}
    assert ids[-1] == "<two@example.com>"


@pytest.mark.parametrize(
    "to",
    [
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\nBcc: eve@example.com",
        "ada@example.com, eve@example.com",
        "ada@example.com> <eve@example.com",
        "ada@example.com\r\n\r\nHello",
        '"ada\r\n"@example.com',
        "a@b@example.com",
        "",
    ],
)
def test_an_address_cannot_add_headers_or_recipients(post: Post, to: str) -> None:
    """An address that is more than an address is never sent to, now or later."""
    with pytest.raises(MailFailed) as refusal:
        post.mailer.send(a_mail(to=to))
    assert refusal.value.permanent
    assert post.arrived() == []


@pytest.mark.parametrize("message_id", ["", "a\r\nBcc: eve@example.com", "a> <b", "../a", "*", "é"])
def test_a_message_id_cannot_add_headers_or_leave_the_folder(post: Post, message_id: str) -> None:
    """A message id is a name and nothing else."""
    with pytest.raises(MailFailed) as refusal:
        post.mailer.send(a_mail(message_id=message_id))
    assert refusal.value.permanent
    assert post.arrived() == []
