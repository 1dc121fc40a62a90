"""SMTP: encryption, login, and what a relay's refusals mean."""

from __future__ import annotations

import socket
import ssl
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from core.adapters.mail.smtp import Security
from core.ports.messaging import MailFailed
from tests.support.certificates import certificate
from tests.support.smtp_relay import Relay, failed_handshakes, scripted_relay, smtp_relay
from tests.support.smtp_sending import MAIL, failure, mailer


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return certificate(tmp_path_factory.mktemp("tls"), address="127.0.0.1")


def encrypting_relay(security: Security, tls: ssl.SSLContext) -> AbstractContextManager[Relay]:
    if security is Security.STARTTLS:
        return smtp_relay(starttls=tls)
    return smtp_relay(implicit_tls=tls)


# --- encryption and login ----------------------------------------------------------------------


def test_starttls_encrypts_before_login_and_mail(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """The password and the mail go over the wire encrypted, and the login is the one given."""
    with smtp_relay(starttls=tls[0], logins={"relay user": "p@ss:w/rd%"}) as relay:
        login = ("relay user", "p@ss:w/rd%")
        mailer(relay.port, security=Security.STARTTLS, login=login, tls=tls[1]).send(MAIL)
        [delivery] = relay.deliveries
    assert delivery.encrypted
    assert delivery.login == login
    assert (delivery.sender, delivery.recipients) == ("no-reply@example.com", [MAIL.to])


def test_smtps_encrypts_from_the_first_byte(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """An smtps relay gets the mail without STARTTLS (RFC 8314)."""
    with smtp_relay(implicit_tls=tls[0]) as relay:
        mailer(relay.port, security=Security.IMPLICIT, tls=tls[1]).send(MAIL)
        assert len(relay.deliveries) == 1


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.IMPLICIT])
def test_an_unknown_certificate_gets_no_mail(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], security: Security
) -> None:
    """A relay that nobody vouches for is not talked to; mending that lets the mail go later."""
    with failed_handshakes(), encrypting_relay(security, tls[0]) as relay:
        refusal = failure(mailer(relay.port, security=security))
        assert relay.deliveries == []
    assert "certificate" in str(refusal)
    assert not refusal.permanent


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.IMPLICIT])
def test_a_certificate_of_another_host_gets_no_mail(tmp_path: Path, security: Security) -> None:
    """A trusted certificate counts for its own host only."""
    server_tls, client_tls = certificate(tmp_path, address="127.0.0.2")
    with failed_handshakes(), encrypting_relay(security, server_tls) as relay:
        refusal = failure(mailer(relay.port, security=security, tls=client_tls))
        assert relay.deliveries == []
    assert "127.0.0.1" in str(refusal)
    assert not refusal.permanent


def test_a_relay_without_starttls_gets_no_mail(relay: Relay) -> None:
    """Stripping STARTTLS from the relay's offer does not make the mail go in clear."""
    refusal = failure(mailer(relay.port, security=Security.STARTTLS, login=("user", "secret")))
    assert "STARTTLS" in str(refusal)
    assert not refusal.permanent
    assert relay.deliveries == []


def test_a_refused_login_can_be_mended(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """After a wrong password was set right the mail still goes out; the reason does not tell it."""
    with smtp_relay(starttls=tls[0], logins={"user": "right"}) as relay:
        sending = mailer(
            relay.port, security=Security.STARTTLS, login=("user", "wr0ng-secret"), tls=tls[1]
        )
        refusal = failure(sending)
        assert relay.deliveries == []
    assert not refusal.permanent
    assert "535" in str(refusal)
    assert "wr0ng-secret" not in str(refusal)
    assert "wr0ng-secret" not in repr(sending._server)


def test_a_relay_that_wants_a_login_can_be_given_one(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """530, login required (RFC 4954), is about the settings and not about the mail."""
    with smtp_relay(starttls=tls[0], logins={"user": "right"}) as relay:
        refusal = failure(mailer(relay.port, security=Security.STARTTLS, tls=tls[1]))
    assert "530" in str(refusal)
    assert not refusal.permanent


@pytest.mark.parametrize("password", ["right", "wr0ng-secret"])
def test_a_check_logs_in_and_sends_nothing(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], password: str
) -> None:
    """Encrypted as a mail would be; a refused login is told without the password."""
    with smtp_relay(starttls=tls[0], logins={"user": "right"}) as relay:
        sending = mailer(
            relay.port, security=Security.STARTTLS, login=("user", password), tls=tls[1]
        )
        if password == "right":
            assert sending.check() == f"127.0.0.1 port {relay.port} by starttls, logged in"
        else:
            with pytest.raises(MailFailed, match="535 the login was refused"):
                sending.check()
        assert relay.deliveries == []


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "permanent"),
    [
        ("450 4.2.1 mailbox busy", False),
        ("451 4.3.0 try again", False),
        ("550 5.1.1 no such user", True),
        ("554 5.7.1 refused", True),
    ],
)
@pytest.mark.parametrize("stage", ["recipient", "data"])
def test_a_refusal_is_permanent_when_the_relay_says_so(
    relay: Relay, stage: str, reply: str, permanent: bool
) -> None:
    """4yz is tried again, 5yz is not (RFC 5321 section 4.2.1)."""
    replies = relay.recipient_replies if stage == "recipient" else relay.data_replies
    replies[MAIL.to] = reply
    refusal = failure(mailer(relay.port))
    assert refusal.permanent is permanent
    assert reply in str(refusal)
    assert relay.deliveries == []


def test_a_reason_names_nobody(relay: Relay) -> None:
    """The reason of a refusal may stand in logs: one line, without the address."""
    relay.recipient_replies[MAIL.to] = f"550 <{MAIL.to.lower()}>: \x1b[31mno such user {MAIL.to}"
    reason = str(failure(mailer(relay.port)))
    assert "no such user" in reason
    assert "lovelace" not in reason.lower()
    assert reason.isprintable()


@pytest.mark.parametrize("greeting", [b"421 busy\r\n", b"554 no service here\r\n", b"hello\r\n"])
def test_a_relay_that_is_out_of_service_is_tried_again(greeting: bytes) -> None:
    """What is said before any mail is not about this mail."""
    with scripted_relay(lambda caller: caller.sendall(greeting)) as port:
        refusal = failure(mailer(port))
    assert not refusal.permanent
    assert str(refusal).startswith("the relay answered")


def test_a_relay_that_is_not_there_is_tried_again() -> None:
    """A refused connection is temporary and says so."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    refusal = failure(mailer(port))
    assert not refusal.permanent
    assert "refused" in str(refusal)


def test_a_relay_that_hangs_up_is_tried_again() -> None:
    """A connection that ends half-way is temporary."""
    with scripted_relay(lambda caller: caller.close()) as port:
        assert not failure(mailer(port)).permanent
