"""Mails through Amazon SES: what moto keeps, what SES may refuse, and the deadline."""

from __future__ import annotations

import email.policy
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from email import message_from_string
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from moto.ses.models import ses_backends

from core.adapters.mail import mailer_for
from core.config import Settings
from core.errors import ConfigurationError
from core.ports.messaging import Mail, Mailer, MailFailed, MailTemplate
from handler.relays import open_relay
from tests.support.aws import REGION, aws_secrets
from tests.support.environment import service_environment

NOWHERE = Path("/nowhere")
ACCOUNT = "123456789012"
SET = "user-api-test"
MAIL = Mail(
    template=MailTemplate.VERIFY_EMAIL,
    to="ada@example.com",
    message_id="0190a5d0-ac96-774b-bcce-b302099a8057",
    variables={"link": "https://id.example.com/account/verify#token=t", "expires_minutes": "5"},
)


@pytest.fixture
def settings() -> Settings:
    environ = service_environment("postgresql://nowhere/x", NOWHERE)
    url = f"ses://{REGION}?configuration_set={SET}"
    sender = "Example <no-reply@id.example.com>"
    return Settings.from_environ({**environ, "MAIL_URL": url, "MAIL_FROM": sender})


def at(endpoint: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Mailer:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    return mailer_for(settings, open_relay)


@pytest.fixture
def mailer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailer]:
    """On an account where only the sender's domain is verified."""
    with aws_secrets() as moto:
        mailer = at(moto.endpoint, settings, monkeypatch)
        ses = boto3.client("sesv2", region_name=REGION)
        ses.create_configuration_set(ConfigurationSetName=SET)
        ses.create_email_identity(EmailIdentity="example.com")
        known = ses_backends[ACCOUNT][REGION]
        known.email_identities["example.com"].verified_for_sending_status = True
        # moto judges a mail by the exact domain.
        known.verify_domain("id.example.com")
        yield mailer
        ses_backends.reset()


def test_ses_gets_the_mail_that_a_relay_gets(mailer: Mailer) -> None:
    """One recipient, both parts, and the message id that stays over retries."""
    mailer.send(MAIL)
    (sent,) = ses_backends[ACCOUNT][REGION].sent_messages
    assert sent.source == "no-reply@id.example.com"
    assert set(sent.destinations) == {MAIL.to}
    message = message_from_string(sent.raw_data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message["Message-ID"] == f"<{MAIL.message_id}@id.example.com>"
    kinds = [part.get_content_type() for part in message.iter_parts()]
    assert kinds == ["text/plain", "text/html"]


def test_a_check_tells_what_a_mail_would_meet(mailer: Mailer, settings: Settings) -> None:
    """A sender that nobody verified, and a configuration set that is not there."""
    assert mailer.check() == "SES in us-east-1, the sender is verified"
    strange = replace(settings, mail_from="x@example.org")
    with pytest.raises(MailFailed, match=r"has not verified the sender x@example"):
        mailer_for(strange, open_relay).check()
    absent = replace(settings, mail_url=f"ses://{REGION}?configuration_set=other")
    with pytest.raises(MailFailed, match=r"SES answered (ConfigurationSetDoesNotExist|NotFound)"):
        mailer_for(absent, open_relay).check()


class _Refusing(BaseHTTPRequestHandler):
    status = 400
    error = ""
    text = ""
    requests = 0

    def do_POST(self) -> None:
        type(self).requests += 1
        body = json.dumps({"message": self.text}).encode()
        self.send_response(self.status)
        self.send_header("x-amzn-ErrorType", self.error)
        self.send_header("x-amzn-RequestId", "r-1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Silent."""


@contextmanager
def refusing(status: int, error: str, text: str) -> Iterator[tuple[str, type[_Refusing]]]:
    routes = type("_Bound", (_Refusing,), {"status": status, "error": error, "text": text})
    server = ThreadingHTTPServer(("127.0.0.1", 0), routes)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", routes
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "error", "text", "permanent"),
    [
        (400, "MessageRejected", "the content is refused", True),
        (400, "BadRequestException", "Illegal address", True),
        (400, "MessageRejected", "Email address is not verified.", False),
        (400, "AccountSuspendedException", "suspended", False),
        (400, "SendingPausedException", "paused", False),
        (400, "MailFromDomainNotVerifiedException", "no", False),
        (429, "TooManyRequestsException", "slow down", False),
        (400, "LimitExceededException", "quota", False),
        (403, "AccessDeniedException", "no right", False),
        (500, "InternalFailure", "", False),
    ],
)
def test_a_refusal_is_final_only_when_it_is_about_the_mail(
    status: int,
    error: str,
    text: str,
    permanent: bool,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One try each, since the outbox repeats; what SES says of an address is not repeated."""
    with refusing(status, error, f"{text} {MAIL.to}") as (endpoint, routes):
        with pytest.raises(MailFailed) as failure:
            at(endpoint, settings, monkeypatch).send(MAIL)
        assert routes.requests == 1
    assert failure.value.permanent is permanent
    assert str(failure.value).startswith(f"SES answered {error}")
    assert MAIL.to not in str(failure.value)


def callers(listener: socket.socket) -> int:
    """How many have connected."""
    listener.setblocking(False)
    number = 0
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            number += 1
    return number


def test_a_silent_ses_is_given_up_within_the_mail_timeout(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MAIL_TIMEOUT, and no second try within it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        mailer = at(endpoint, replace(settings, mail_timeout=1.5), monkeypatch)
        began = time.monotonic()
        with pytest.raises(MailFailed, match="ReadTimeoutError") as failure:
            mailer.send(MAIL)
        assert time.monotonic() - began < 20
        assert callers(silent) == 1
    assert not failure.value.permanent


@pytest.mark.parametrize(
    "url",
    [
        "ses://",
        "ses://us-east-1?other=1",
        "ses://us-east-1/x",
        "ses://us-east-1?configuration_set=",
    ],
)
def test_a_url_that_names_no_region_or_set_is_refused(url: str, settings: Settings) -> None:
    """At the start, and not with the first mail."""
    environ = service_environment("postgresql://nowhere/x", NOWHERE)
    with pytest.raises(ConfigurationError, match="MAIL_URL must look like ses://us-east-1"):
        Settings.from_environ({**environ, "MAIL_URL": url})
