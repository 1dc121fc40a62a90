"""The development sink: mails become files that the local page shows, and lines in the log."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from core.adapters.mail.compose import Sender, compose
from core.ports.messaging import Mail, MailFailed

logger = logging.getLogger(__name__)


class DirectoryMailer:
    """Writes each mail as `<time>-<message id>.eml` into a folder. For development only.

    The files, and the log lines with their links, are as good as the mailbox that they stand for:
    production refuses a directory as MAIL_URL.
    """

    def __init__(self, *, folder: Path, sender: Sender) -> None:
        self._folder = folder
        self._sender = sender

    def send(self, mail: Mail) -> None:
        """Writes the file whole or not at all; the same message id again replaces its file.

        Raises:
            MailFailed: permanent when the mail cannot be composed, else when the disk refuses.
        """
        message = compose(mail, self._sender)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            target = next(self._written(mail.message_id), self._new(mail.message_id))
            unfinished = target.with_suffix(".tmp")
            unfinished.write_bytes(message.as_bytes())
            unfinished.replace(target)
        except OSError as error:
            raise MailFailed(f"the mail folder: {error.strerror}", permanent=False) from error
        link = mail.variables.get("link") or mail.variables.get("reset_link") or "no link"
        logger.info("mail to %s: %s: %s", mail.to, message["Subject"], link)

    def check(self) -> str:
        """A folder that is not there yet must be one that the first mail can make.

        Raises:
            MailFailed: no file can be written there.
        """
        try:
            present = next(path for path in (self._folder, *self._folder.parents) if path.exists())
            with tempfile.TemporaryFile(dir=present):
                return f"files in {self._folder}"
        except OSError as error:
            reason = f"the mail folder {self._folder}: {error.strerror}"
            raise MailFailed(reason, permanent=False) from error

    def _written(self, message_id: str) -> Iterator[Path]:
        for path in self._folder.glob(f"*-{message_id}.eml"):
            if path.name.partition("-")[2] == f"{message_id}.eml":
                yield path

    def _new(self, message_id: str) -> Path:
        time = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]
        return self._folder / f"{time}Z-{message_id}.eml"
