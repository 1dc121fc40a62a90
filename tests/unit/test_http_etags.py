"""Entity tags: who changes what, and what need not be sent again (RFC 9110 section 13)."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from core.errors import VersionMismatch
from handler.http.etags import etag, expected_version, unchanged
from handler.http.problems import HttpProblem
from tests.support.http_probe import http_scope


def request(*headers: tuple[str, str]) -> Request:
    return Request(http_scope("GET", "/", headers))


def test_an_etag_is_the_version_in_quotes() -> None:
    assert etag(3) == '"3"'


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], None),
        (['"3"'], 3),
        (["*"], None),
        (['"2", "3"'], 3),
        (['"2"', '"3"'], 3),
    ],
)
def test_a_change_goes_through_when_if_match_names_the_version(
    lines: list[str], expected: int | None
) -> None:
    headers = [("if-match", line) for line in lines]
    assert expected_version(request(*headers), 3) == expected


@pytest.mark.parametrize("line", ['"2"', 'W/"3"', '"2", "4"', '"03"', '"a"'])
def test_a_change_of_another_version_is_refused(line: str) -> None:
    """Weak tags never match here (section 13.1.1)."""
    with pytest.raises(VersionMismatch):
        expected_version(request(("if-match", line)), 3)


@pytest.mark.parametrize("line", ["3", "", '"3', '3"', '"3";', '"3" "4"', '"a"' * 400, "é"])
def test_an_if_match_that_is_no_tag_is_a_bad_request(line: str) -> None:
    """Silently ignoring it would overwrite what the client meant to protect."""
    with pytest.raises(HttpProblem) as refused:
        expected_version(request(("if-match", line)), 3)
    assert refused.value.status_code == 400


@pytest.mark.parametrize("line", ['"3"', 'W/"3"', '"2", W/"3"', "*"])
def test_what_the_client_has_is_not_sent_again(line: str) -> None:
    assert unchanged(request(("if-none-match", line)), 3)


@pytest.mark.parametrize("line", ['"2"', "3", "", "junk", None])
def test_what_the_client_may_lack_is_sent(line: str | None) -> None:
    assert not unchanged(request(*([] if line is None else [("if-none-match", line)])), 3)
