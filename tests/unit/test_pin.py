"""`make pin`, with a registry's answers from a program that stands where docker does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts import pin

NEW = "sha256:" + "5" * 64


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for path in pin.FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pin.ROOT / path, tmp_path / path)
    return tmp_path


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_every_pinned_image_gets_its_present_digest(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in(project, monkeypatch, f"echo {NEW}")
    assert pin.main(project) == 0
    shown = capsys.readouterr().out
    for path in pin.FILES:
        found = list(pin.PINNED.finditer((project / path).read_text()))
        assert found
        assert {each["digest"] for each in found} == {NEW}
        assert all(each["tag"] in shown for each in found)


def test_a_registry_that_refuses_changes_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [(project / path).read_text() for path in pin.FILES]
    stand_in(project, monkeypatch, "echo 'toomanyrequests: slow down' >&2; exit 1")
    assert pin.main(project) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pin: ")
    assert "slow down" in line
    assert [(project / path).read_text() for path in pin.FILES] == before


def test_without_a_tool_it_says_what_it_needs(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(project))
    assert pin.main(project) == 1
    assert capsys.readouterr().err == "pin: needs docker with buildx, or skopeo\n"
