"""What keeps the offline deployment from AWS, and its pretending from growing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra.deploy import stubs
from tests.infra.deploy.server import environment
from tests.infra.moto_extension.guard import NotATestError, refuse_real

PORT = 5000


def test_its_own_environment_is_let_through() -> None:
    refuse_real(environment(PORT))


@pytest.mark.parametrize(
    "change",
    [
        {"AWS_ENDPOINT_URL": "https://rds.us-east-1.amazonaws.com"},
        {"AWS_ENDPOINT_URL": ""},
        {"AWS_ENDPOINT_URL": "http://localhost.example.com:5000"},
        {"AWS_ACCESS_KEY_ID": "somebody"},
        {"AWS_ENDPOINT_URL_S3": "http://localhost:5000"},
        {"AWS_PROFILE": "production"},
        {"https_proxy": "http://proxy.example.com:3128"},
    ],
)
def test_whatever_could_lead_to_aws_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(NotATestError):
        refuse_real(environment(PORT) | change)


def test_another_account_is_refused() -> None:
    with pytest.raises(NotATestError):
        refuse_real(environment(PORT), "210987654321")


def test_a_stub_of_the_caller_s_aws_settings_does_not_travel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody who is logged in to AWS may run it: nothing of that reaches a process."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    refuse_real(environment(PORT))


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        ("AWS::Route53::HealthCheck\n", "new stubs"),
        ("", "no stubs any more"),
    ],
)
def test_the_list_of_stubs_is_what_was_pretended(tmp_path: Path, seen: str, fault: str) -> None:
    listed = stubs.LISTED.read_text(encoding="utf-8")
    found = tmp_path / "seen.txt"
    found.write_text(listed + seen if seen else "")
    with pytest.raises(AssertionError, match=fault):
        stubs.check(found)


def test_what_the_service_stands_on_is_never_pretended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "stubbed.txt"
    listed.write_text(stubs.LISTED.read_text(encoding="utf-8") + "AWS::RDS::DBProxy\n")
    monkeypatch.setattr(stubs, "LISTED", listed)
    with pytest.raises(AssertionError, match="never to be stubs"):
        stubs.check(listed)


def test_the_list_has_not_grown() -> None:
    """Seven types stood on it when it was written; each has to be made by its API one day."""
    assert len(stubs.LISTED.read_text(encoding="utf-8").split()) <= 7
