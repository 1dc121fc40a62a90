"""The documentation in a real browser, without the open network."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.visit import Visit

pytestmark = pytest.mark.browser


def test_an_operation_can_be_read_and_tried(visit: Visit) -> None:
    """The policy lets the page work; a script or style of another host would be a complaint."""
    visit.open("/docs")
    expect(visit.page.locator(".opblock")).not_to_have_count(0)
    visit.page.locator("#operations-Operations-liveness .opblock-summary-control").click()
    visit.press("Try it out")
    visit.press("Execute")
    status = visit.page.locator(".live-responses-table td.response-col_status").last
    expect(status).to_contain_text("200")


def test_the_page_of_a_problem_can_be_read(visit: Visit) -> None:
    visit.open("/problems/version-mismatch")
    expect(visit.page.get_by_role("heading", name="Changed in between")).to_be_visible()
    expect(visit.page.get_by_role("link", name="All operations")).to_be_visible()
