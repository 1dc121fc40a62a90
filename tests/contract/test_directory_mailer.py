"""The folder that stands for a mailbox while developing."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from core.adapters.mail.compose import Sender
from core.adapters.mail.directory import DirectoryMailer
from core.ports.messaging import Mail, MailFailed, MailTemplate

SENDER = Sender.parse("Example <no-reply@example.com>")
LINK = "https://id.example.com/account/reset#token=v1.AbC"


def a_mail(message_id: str = "one", *, minutes: str = "30") -> Mail:
    return Mail(
        template=MailTemplate.RESET_PASSWORD,
        to="ada@example.com",
        message_id=message_id,
        variables={"link": LINK, "expires_minutes": minutes},
    )


def test_a_retry_shows_one_mail(tmp_path: Path) -> None:
    """The same message id written again replaces the file, under the name of the first one."""
    mailer = DirectoryMailer(folder=tmp_path, sender=SENDER)
    mailer.send(a_mail(minutes="30"))
    [first] = tmp_path.iterdir()
    mailer.send(a_mail(minutes="29"))
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
    assert b"29 minutes" in first.read_bytes()
    assert re.fullmatch(r"\d{8}T\d{9}Z-one\.eml", first.name)


def test_ids_that_end_alike_are_two_mails(tmp_path: Path) -> None:
    """A mail replaces its own file and nobody else's."""
    mailer = DirectoryMailer(folder=tmp_path, sender=SENDER)
    for message_id in ("b-one", "one", "a-b-one", "one"):
        mailer.send(a_mail(message_id))
    names = sorted(path.name.partition("-")[2] for path in tmp_path.iterdir())
    assert names == ["a-b-one.eml", "b-one.eml", "one.eml"]


def test_the_log_shows_the_link(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever develops can follow the link from the terminal: one line with subject and link."""
    with caplog.at_level(logging.INFO):
        DirectoryMailer(folder=tmp_path, sender=SENDER).send(a_mail())
    [record] = caplog.records
    line = record.getMessage()
    assert record.levelname == "INFO"
    assert LINK in line
    assert "Choose a new password for Example" in line
    assert "\n" not in line


def test_a_check_leaves_no_trace(tmp_path: Path) -> None:
    """A folder that is not there yet is not made, and one that cannot be made is told."""
    DirectoryMailer(folder=tmp_path / "a" / "mail", sender=SENDER).check()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("not a folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "mail"):
        with pytest.raises(MailFailed, match="mail folder"):
            DirectoryMailer(folder=folder, sender=SENDER).check()


def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    """A full or broken disk keeps the mail in the outbox."""
    (tmp_path / "file").write_text("not a folder")
    mailer = DirectoryMailer(folder=tmp_path / "file" / "mail", sender=SENDER)
    with pytest.raises(MailFailed, match="mail folder") as refusal:
        mailer.send(a_mail())
    assert not refusal.value.permanent
