"""MAIL_URL and MAIL_FROM: which mailer they mean, and what is refused in one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.adapters.mail import mailer_for
from core.adapters.mail.compose import Sender
from core.adapters.mail.directory import DirectoryMailer
from core.adapters.mail.smtp import Security, SmtpMailer, SmtpServer
from core.config import DEVELOPMENT_SECRET_KEY, Settings
from core.errors import ConfigurationError


def settings(mail_url: str, mail_from: str = "Example <no-reply@example.com>") -> Settings:
    return Settings.from_environ(
        {
            "ENVIRONMENT": "development",
            "DATABASE_URL": "postgresql://localhost/x",
            "SECRET_KEY": DEVELOPMENT_SECRET_KEY,
            "MAIL_URL": mail_url,
            "MAIL_FROM": mail_from,
        }
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 587, Security.STARTTLS, None, None)),
        ("smtp://mail.example.com:25", ("mail.example.com", 25, Security.STARTTLS, None, None)),
        ("smtps://mail.example.com", ("mail.example.com", 465, Security.IMPLICIT, None, None)),
        ("smtp://localhost:1025", ("localhost", 1025, Security.NONE, None, None)),
        ("smtp://127.0.0.1:1025", ("127.0.0.1", 1025, Security.NONE, None, None)),
        ("smtp://[::1]:1025/", ("::1", 1025, Security.NONE, None, None)),
        ("smtp://10.0.0.1:1025", ("10.0.0.1", 1025, Security.STARTTLS, None, None)),
        ("smtp://127.0.0.1.example", ("127.0.0.1.example", 587, Security.STARTTLS, None, None)),
        (
            "smtps://a%40b.c:p%40ss%2F%3A%25@mail.example.com:2465",
            ("mail.example.com", 2465, Security.IMPLICIT, "a@b.c", "p@ss/:%"),
        ),
    ],
)  # fmt: skip
def test_a_url_names_a_relay(
    url: str, expected: tuple[str, int, Security, str | None, str | None]
) -> None:
    """Only a relay on this very machine is spoken to in clear; credentials are percent-decoded."""
    server = SmtpServer.parse(url)
    assert (
        server.host, server.port, server.security, server.username, server.password
    ) == expected  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "smtp://",
        "smtp://user:secret@",
        "smtp://user:secret@mail.example.com:99999",
        "smtp://user:secret@mail.example.com:x",
        "smtp://user:secret@mail.example.com/folder",
        "smtp://user:secret@mail.example.com?starttls=never",
        "smtp://secret@mail.example.com",
        "smtp://user:secr%C3%A9t@mail.example.com",
        "smtp://user:secret%0D%0A@mail.example.com",
        "smtp://user:secret@[::1",
        "directory://secret/folder",
        "directory:secret",
        "directory:///folder?secret=1",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_shown(url: str) -> None:
    """A mistake in MAIL_URL stops the start with its name, and never prints the password."""
    with pytest.raises(ConfigurationError, match=r"^MAIL_URL ") as refusal:
        mailer_for(settings(url))
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Example",
        "Example <no-reply>",
        "no-reply@exämple.com",
        "Example <no-reply@example.com>\r\nBcc: eve@example.com",
        "Exa\x07mple <no-reply@example.com>",
        "a@b@example.com",
    ],
)
def test_a_sender_that_cannot_be_used_is_refused(text: str) -> None:
    """A mistake in MAIL_FROM stops the start, not the first mail."""
    with pytest.raises(ConfigurationError, match=r"^MAIL_FROM "):
        Sender.parse(text)


def test_a_sender_without_a_name_is_called_by_its_domain() -> None:
    """Mails always say which service sent them."""
    assert Sender.parse("no-reply@example.com").service == "example.com"
    assert Sender.parse("Example <no-reply@localhost>").service == "Example"
    assert Sender.parse('"R&D, Lab" <no-reply@example.com>').service == "R&D, Lab"


def test_the_url_chooses_the_mailer(tmp_path: Path) -> None:
    """smtp:// and smtps:// send, directory:// writes files; neither connects at the start."""
    assert isinstance(mailer_for(settings("smtp://mail.example.com")), SmtpMailer)
    assert isinstance(mailer_for(settings("smtps://mail.example.com")), SmtpMailer)
    folder = tmp_path / "mail of today"
    mailer = mailer_for(settings(f"directory://{str(folder).replace(' ', '%20')}"))
    assert isinstance(mailer, DirectoryMailer)
    assert mailer._folder == folder
    assert not folder.exists()
