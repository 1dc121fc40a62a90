"""The offline check of requirements/*.txt finds what would make an install differ or fail."""

from __future__ import annotations

import tomllib
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from scripts.lock_pins import ROOT, compare, read_pins, wanted

HASH = "    --hash=sha256:00\n"


def test_pins_with_hashes_are_read() -> None:
    """A lock as uv writes it, with extras, markers and comments, has no fault."""
    text = (
        "# written by: make lock\n"
        f"PyJWT[crypto]==2.15.1 ; python_version < '4' \\\n{HASH}    # via user-api\n"
        f"uvloop==0.23.0 \\\n{HASH}    # via -r requirements/run.txt\n"
    )
    assert read_pins(text) == ({"pyjwt": "2.15.1", "uvloop": "0.23.0"}, [])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"--index-url https://packages.example/simple\na==1 \\\n{HASH}", "names a place"),
        (f"--find-links wheels\na==1 \\\n{HASH}", "names a place"),
        (f"a @ https://packages.example/a.whl\nb==1 \\\n{HASH}", "names a place"),
        (f"a==1 \\\n{HASH}    # via -c /home/me/constraints.txt\n", "names a place"),
        ("a==1\n", "has no hash for a"),
        (f"a==1 \\\n{HASH}a==2 \\\n{HASH}", "pins a twice"),
    ],
)
def test_a_lock_that_leaks_or_lacks_something_is_a_fault(text: str, fault: str) -> None:
    """No index, URL or folder of the machine that compiled it, and a hash for every pin."""
    assert fault in read_pins(text)[1][0]


@pytest.mark.parametrize(
    ("pins", "faults"),
    [
        ({"uvicorn": "0.54.0"}, []),
        ({"uvicorn": "0.53.1"}, ["has 0.53.1 for uvicorn>=0.54"]),
        ({}, ["has nothing for uvicorn>=0.54"]),
    ],
)
def test_a_requirement_without_a_fitting_pin_is_a_fault(
    pins: dict[str, str], faults: list[str]
) -> None:
    """A requirement added or raised in pyproject.toml needs `make lock`."""
    assert compare(["uvicorn>=0.54"], pins) == faults


def test_each_lock_holds_what_its_users_need() -> None:
    """The image adds AWS to the runtime, `make run` PostgreSQL; tests add their tools to both."""
    project: dict[str, dict[str, object]] = {
        "project": {"dependencies": ["a"], "optional-dependencies": {"local": ["b"], "aws": ["e"]}},
        "dependency-groups": {"build": ["c"], "dev": ["d"], "infra": ["f"], "checkov": ["g"]},
    }
    assert wanted(project) == {
        "image": ["a", "e"],
        "run": ["a", "b", "c"],
        "dev": ["a", "e", "a", "b", "c", "d", "f"],
        "checkov": ["g"],
    }


def test_uvicorn_is_pinned_exactly_while_its_private_names_are_used() -> None:
    """A release that moves them would break each request, and be let in by an image build."""
    private = "uvicorn.protocols" in (ROOT / "handler/http/protocol.py").read_text()
    assert private, "no private names any more: pin uvicorn like the others, and drop this test"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [requirement] = [
        each
        for each in map(Requirement, project["project"]["dependencies"])
        if each.name == "uvicorn"
    ]
    [specifier] = requirement.specifier
    assert (specifier.operator, specifier.version) == ("==", version("uvicorn"))
    assert "*" not in specifier.version
