"""What `user-api dev` prints when it is ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from handler.local.greeting import Greeting


def greeting(
    data: Path,
    *,
    mail_page: bool = True,
    metrics_port: int | None = None,
    password: str | None = None,
) -> str:
    return str(
        Greeting(
            url="http://localhost:3000",
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
