"""The data folder of `user-api dev`: what is kept, who may read it, and words when it is broken."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from handler.local.data_folder import DataFolder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_key_is_random_private_and_kept(tmp_path: Path) -> None:
    """Sessions outlive a restart, because the second start uses the key of the first."""
    first = DataFolder.open(tmp_path / "one").secret_key()
    assert len(base64.b64decode(first, validate=True)) == 32
    assert mode(tmp_path / "one" / "secret-key") == 0o600
    assert DataFolder.open(tmp_path / "one").secret_key() == first
    assert DataFolder.open(tmp_path / "two").secret_key() != first


def test_mails_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    """A mail holds a link that is as good as a password."""
    assert mode(DataFolder.open(tmp_path / "data").mail) == 0o700


def test_a_start_that_was_killed_while_it_made_the_key_is_made_good(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    (tmp_path / "secret-key.unfinished").write_text("half")
    assert len(folder.secret_key()) == 44


def test_a_lost_key_is_not_replaced_where_data_was_made_with_it(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    folder.secret_key()
    folder.remember_first_start()
    (tmp_path / "secret-key").unlink()
    with pytest.raises(ConfigurationError, match=r"secret-key is missing.*restore it, or remove"):
        folder.secret_key()


@pytest.mark.parametrize("content", ["", "c2hvcnQ=\n", "not base64!", "é" * 44])
def test_a_damaged_key_is_told(tmp_path: Path, content: str) -> None:
    folder = DataFolder.open(tmp_path)
    (tmp_path / "secret-key").write_text(content)
    with pytest.raises(ConfigurationError, match="secret-key is damaged"):
        folder.secret_key()


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(
        ConfigurationError, match=r"folder .*/data cannot be used: .*/data is no folder"
    ):
        DataFolder.open(tmp_path / "data")


def test_a_folder_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(ConfigurationError, match="cannot be used: Not a directory"):
        DataFolder.open(tmp_path / "file" / "data")


def test_it_is_the_first_start_until_it_is_remembered(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    assert folder.first_start
    folder.remember_first_start()
    assert not DataFolder.open(tmp_path).first_start
    folder.forget_first_start()
    assert DataFolder.open(tmp_path).first_start


def test_each_database_has_a_first_start_of_its_own(tmp_path: Path) -> None:
    """Else who goes on with DATABASE_URL would be told of an administrator who is not there."""
    url = "postgresql://me:secret@db.example.com/mine"
    DataFolder.open(tmp_path).remember_first_start()
    other = DataFolder.open(tmp_path, database_url=url)
    assert other.first_start
    other.remember_first_start()
    changed = url.replace("secret", "another") + "?sslmode=require"
    assert not DataFolder.open(tmp_path, database_url=changed).first_start
