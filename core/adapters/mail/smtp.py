"""Mails over SMTP (RFC 5321), encrypted, each within one deadline."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from core.adapters.mail.compose import Sender, compose
from core.errors import ConfigurationError
from core.ports.messaging import Mail, MailFailed

# 530: the relay wants a login or STARTTLS first (RFC 4954 section 6, RFC 3207 section 4).
_ABOUT_THE_CONNECTION = frozenset({530})
_REPLY_LENGTH = 200

Envelope = tuple[str, str, bytes]
"""Sender, recipient and message."""


class Security(StrEnum):
    """How a connection is encrypted; `NONE` is for a relay on this very machine."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, kw_only=True)
class SmtpServer:
    """A relay. With credentials it is logged in to before the mail."""

    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> SmtpServer:
        """Reads `smtp://user:password@host:587` or `smtps://...`, with percent-encoded credentials.

        Default ports: 587 (RFC 6409) and 465 (RFC 8314). Raises ConfigurationError.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ConfigurationError("MAIL_URL has a host or port that cannot be used") from None
        if not host or not host.isascii() or parts.path.strip("/") or parts.query or parts.fragment:
            raise ConfigurationError("MAIL_URL must look like smtp://user:password@host:587")
        username, password = _credential(parts.username), _credential(parts.password)
        if (username is None) != (password is None):
            raise ConfigurationError("MAIL_URL needs both a user and a password, or neither")
        if parts.scheme == "smtps":
            security, default = Security.IMPLICIT, 465
        else:
            security, default = Security.NONE if _loopback(host) else Security.STARTTLS, 587
        return cls(
            host=host,
            port=port or default,
            security=security,
            username=username,
            password=password,
        )


class SmtpMailer:
    """Hands each mail to one relay over a connection of its own.

    `timeout` in seconds bounds the whole of it, name lookup included. `tls` verifies the relay's
    certificate; by default against the system's authorities (OpenSSL heeds SSL_CERT_FILE).
    """

    def __init__(
        self,
        *,
        server: SmtpServer,
        sender: Sender,
        timeout: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._sender = sender
        self._timeout = timeout
        self._tls = tls

    def send(self, mail: Mail) -> None:
        """Returns when the relay has taken responsibility for the mail.

        Raises:
            MailFailed: permanent when the relay refuses this mail with a 5yz reply. Whatever is
                wrong with the connection, the encryption or the login concerns every mail alike
                and can be mended, so it is not.
        """
        message = compose(mail, self._sender)
        self._talk((self._sender.address, mail.to, message.as_bytes()))

    def check(self) -> str:
        """Connects, encrypts and logs in as for a mail, and then says goodbye.

        Raises:
            MailFailed: a mail would have failed too.
        """
        self._talk(None)
        server = self._server
        encrypted = "in clear" if server.security is Security.NONE else f"by {server.security}"
        login = "logged in" if server.username is not None else "without a login"
        return f"{server.host} port {server.port} {encrypted}, {login}"

    def _talk(self, envelope: Envelope | None) -> None:
        attempt = _Attempt(
            self._server,
            self._tls or ssl.create_default_context(),
            # Longer than the deadline, which so always speaks first and says what happened.
            timeout=2 * self._timeout,
            hello=self._sender.domain,
            envelope=envelope,
        )
        attempt.start()
        try:
            attempt.accepted.result(self._timeout)
        except TimeoutError:
            attempt.abandon()
            reason = f"the relay did not take it within {self._timeout:g} s"
            raise MailFailed(reason, permanent=False) from None
        except OSError as error:
            raise _failure(error, envelope[1] if envelope else None) from error


class _Attempt(threading.Thread):
    """One conversation with the relay, without an envelope only up to the login.

    smtplib's timeout counts anew with every read, and a name lookup has none; so the talk goes on
    in a thread of its own, which the sender leaves at the deadline.
    """

    def __init__(
        self,
        server: SmtpServer,
        tls: ssl.SSLContext,
        *,
        timeout: float,
        hello: str,
        envelope: Envelope | None,
    ) -> None:
        super().__init__(name="smtp", daemon=True)
        self.accepted: Future[None] = Future()
        self._server = server
        self._tls = tls
        self._envelope = envelope
        self._abandoned = threading.Event()
        self._smtp = (
            smtplib.SMTP_SSL(local_hostname=hello, timeout=timeout, context=tls)
            if server.security is Security.IMPLICIT
            else smtplib.SMTP(local_hostname=hello, timeout=timeout)
        )
        # The name that the certificate must show. The constructor sets it only when it is to
        # connect at once, and then `abandon` would have nothing to close.
        self._smtp._host = server.host  # type: ignore[attr-defined]

    def run(self) -> None:
        try:
            self._hand_over()
        except BaseException as error:  # noqa: BLE001  raised again in the thread that sends
            self.accepted.set_exception(error)
        else:
            self.accepted.set_result(None)
            # The mail is the relay's now; how the goodbye goes is no matter.
            with suppress(OSError):
                self._smtp.quit()
        finally:
            self._smtp.close()

    def abandon(self) -> None:
        """Ends the conversation wherever it is, so that no mail goes out after all."""
        self._abandoned.set()
        connected = self._smtp.sock
        if connected is not None:
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def _hand_over(self) -> None:
        server = self._server
        code, reply = self._smtp.connect(server.host, server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, reply)
        if server.security is Security.STARTTLS:
            self._smtp.starttls(context=self._tls)
        if server.username is not None and server.password is not None:
            self._smtp.login(server.username, server.password)
        if self._abandoned.is_set():
            raise smtplib.SMTPServerDisconnected("abandoned")
        if self._envelope is None:
            self._smtp.ehlo_or_helo_if_needed()
        else:
            self._smtp.sendmail(*self._envelope)


def _failure(error: OSError, to: str | None) -> MailFailed:
    about_the_mail = True
    text: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPDataError):
        code, text = error.smtp_code, error.smtp_error
    elif isinstance(error, smtplib.SMTPResponseException):
        about_the_mail = False
        # What a relay says about a login may repeat it.
        login = isinstance(error, smtplib.SMTPAuthenticationError)
        code, text = error.smtp_code, "the login was refused" if login else error.smtp_error
    else:
        return MailFailed(f"no mail could be handed over: {error}", permanent=False)
    permanent = about_the_mail and 500 <= code <= 599 and code not in _ABOUT_THE_CONNECTION
    return MailFailed(f"the relay answered {code} {_legible(text, to)}", permanent=permanent)


def _legible(reply: bytes | str, to: str | None) -> str:
    """A reply fit for logs: one line of printable ASCII, and the address taken out."""
    text = reply.decode("ascii", "replace") if isinstance(reply, bytes) else reply
    line = " ".join("".join(ch if " " <= ch <= "~" else " " for ch in text).split())
    if to is not None:
        line = re.sub(re.escape(to), "(address)", line, flags=re.IGNORECASE)
    return line[:_REPLY_LENGTH]


def _credential(text: str | None) -> str | None:
    if text is None:
        return None
    decoded = unquote(text)
    # smtplib encodes the login as ASCII.
    if not decoded.isascii() or not decoded.isprintable():
        raise ConfigurationError("MAIL_URL has a user or password that is not printable ASCII")
    return decoded


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
