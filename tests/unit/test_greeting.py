"""What `user-api dev` prints when it is ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from handler.local.greeting import Greeting

EVERYWHERE = "0.0.0.0"  # noqa: S104  shown only


def greeting(
    data: Path,
    *,
    mail_page: bool = True,
    metrics_port: int | None = None,
    password: str | None = None,
    listens_on: str = "127.0.0.1",
) -> str:
    return str(
        Greeting(
            url="http://localhost:3000",
            listens_on=listens_on,
            seconds=1.25,
            data=data,
            mail_page=mail_page,
            metrics_port=metrics_port,
            admin="admin@example.com",
            password=password,
        )
    )


def test_a_first_start_shows_the_one_time_password(tmp_path: Path) -> None:
    shown = greeting(tmp_path, password="once-only")
    assert "password  once-only" in shown
    assert "POST /v1/users/me/password" in shown


def test_a_later_start_says_how_to_get_a_lost_password_back(tmp_path: Path) -> None:
    shown = greeting(tmp_path)
    assert "password  " not in shown
    assert "The first administrator was admin@example.com." in shown
    assert "POST http://localhost:3000/v1/auth/password/forgot" in shown


def test_no_mail_page_is_promised_where_mails_go_elsewhere(tmp_path: Path) -> None:
    assert "/dev/mail" not in greeting(tmp_path, mail_page=False)


def test_the_metrics_are_where_it_says(tmp_path: Path) -> None:
    """On a port that the next start changes, and on this machine only."""
    assert "Metrics   http://127.0.0.1:40123/metrics" in greeting(tmp_path, metrics_port=40123)
    assert "/metrics" not in greeting(tmp_path)


def test_a_folder_below_is_named_as_one_types_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "./.user-api (kept" in greeting(tmp_path / ".user-api")
    assert f"{tmp_path.parent / 'other'} (kept" in greeting(tmp_path.parent / "other")


@pytest.mark.parametrize("address", [EVERYWHERE, "::", "192.0.2.7", "2001:db8::7"])
def test_what_listening_elsewhere_means_is_told(tmp_path: Path, address: str) -> None:
    """Who asks for it learns who else reaches what, and that the mails stay here."""
    shown = greeting(tmp_path, listens_on=address)
    assert f"Listening on {address}: other machines of your network reach the API too" in shown
    assert "The mails are shown to this machine only." in shown
    assert "mails are shown" not in greeting(tmp_path, listens_on=address, mail_page=False)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1"])
def test_nothing_is_told_of_others_where_none_can_come(tmp_path: Path, address: str) -> None:
    assert "other machines" not in greeting(tmp_path, listens_on=address)
