"""What `user-api dev` keeps between starts: database, key, mails, and that it was here before."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigurationError

_KEY_BYTES = 32


@dataclass(frozen=True)
class DataFolder:
    """`database_url` is "" where the folder has a database of its own."""

    path: Path
    database_url: str = ""

    @classmethod
    def open(cls, path: Path, *, database_url: str = "") -> DataFolder:
        """The folder, made if it is missing.

        Raises:
            ConfigurationError: it cannot be made or written, or is no folder.
        """
        folder = cls(path.absolute(), database_url)
        with folder._told():
            # Others may pass through but not look: PostgreSQL runs as another user than root.
            folder.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            folder.mail.mkdir(mode=0o700, exist_ok=True)
            if not os.access(folder.path, os.W_OK | os.X_OK):
                raise ConfigurationError(f"the data folder {folder.path} cannot be written")
        return folder

    @property
    def database(self) -> Path:
        return self.path / "postgres"

    @property
    def mail(self) -> Path:
        return self.path / "mail"

    @property
    def first_start(self) -> bool:
        return not self._first_start_done.exists()

    def remember_first_start(self) -> None:
        """From now on the first administrator is known to exist. Raises ConfigurationError."""
        with self._told():
            self._first_start_done.touch(mode=0o600)

    def forget_first_start(self) -> None:
        """The database is a new one, without an administrator. Raises ConfigurationError."""
        with self._told():
            self._first_start_done.unlink(missing_ok=True)

    def secret_key(self) -> str:
        """SECRET_KEY of this folder, made on the first start.

        Raises:
            ConfigurationError: it is damaged, or missing where a database was made with it.
        """
        with self._told():
            if not self._key.exists():
                if not self.first_start:
                    raise ConfigurationError(
                        f"{self._key} is missing, and the data was made with it: "
                        f"restore it, or remove {self.path} to start afresh"
                    )
                self._make_key()
            text = self._key.read_text(encoding="ascii", errors="replace").strip()
        if not _is_key(text):
            raise ConfigurationError(
                f"{self._key} is damaged: restore it, or remove {self.path} to start afresh"
            )
        return text

    @property
    def _key(self) -> Path:
        return self.path / "secret-key"

    @property
    def _first_start_done(self) -> Path:
        """One a database, because each has its own first administrator."""
        # The URL may hold a password, which is no part of which database it is.
        place = self.database_url.rpartition("@")[2].partition("?")[0]
        digest = hashlib.sha256(place.encode()).hexdigest()[:16]
        return self.path / f"first-start-done{f'-{digest}' if self.database_url else ''}"

    def _make_key(self) -> None:
        unfinished = self._key.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
        unfinished.rename(self._key)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            raise ConfigurationError(
                f"the data folder {self.path} cannot be used: {error.filename} is no folder"
            ) from error
        except OSError as error:
            where = error.filename or self.path
            raise ConfigurationError(
                f"the data folder {self.path} cannot be used: {error.strerror}: {where}"
            ) from error


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) >= _KEY_BYTES
    except (binascii.Error, ValueError):
        return False
