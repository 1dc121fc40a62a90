"""The account pages can be read and used by everybody, and run nothing that is not theirs."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.mailbox import Mailbox
from tests.support.people import People
from tests.support.visit import OpenVisit, Visit

pytestmark = pytest.mark.browser

PATHS = ["/account/", "/account/verify", "/account/verify#token=x", "/account/reset#token=x"]

# The least contrast of any text with what is behind it (WCAG 2.2, "relative luminance").
LEAST_CONTRAST = """() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const channel = (value) => linear(value / 255);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    const color = parse(getComputedStyle(element).backgroundColor);
    return color[3] === 0 ? behind(element.parentElement) : color;
  };
  const ratios = [...document.querySelectorAll("body *")]
    .filter((element) => element.checkVisibility() &&
      [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((element) => [light(parse(getComputedStyle(element).color)), light(behind(element))])
    .map(([one, other]) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
  return ratios.length ? Math.min(...ratios) : 0;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS)
def test_text_can_be_read_in_light_and_dark(open_visit: OpenVisit, path: str, scheme: str) -> None:
    """Every text has a contrast of at least 4.5 (WCAG 2.2, 1.4.3), and dark is dark."""
    visit = open_visit(color_scheme=scheme)
    visit.open(path)
    visit.page.wait_for_load_state("networkidle")
    assert visit.page.evaluate(LEAST_CONTRAST) >= 4.5
    behind = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(re.findall(r"\d+", behind)[0])
    assert (red < 64) is (scheme == "dark")


@pytest.mark.parametrize("path", PATHS)
def test_a_page_fits_a_small_screen(open_visit: OpenVisit, path: str) -> None:
    """320 px wide, nothing has to be scrolled sideways (WCAG 2.2, 1.4.10), not even messages."""
    visit = open_visit(viewport={"width": 320, "height": 480})
    visit.open(path)
    button = visit.page.locator("button[type=submit]:visible")
    if button.count():
        button.click()
        visit.page.wait_for_load_state("networkidle")
    sizes = visit.page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert sizes == [320, 320]


@pytest.mark.parametrize("path", PATHS[1:])
def test_without_javascript_the_page_says_what_is_missing(open_visit: OpenVisit, path: str) -> None:
    """No dead button: a sentence says what to do."""
    visit = open_visit(java_script_enabled=False)
    visit.open(path)
    # Playwright finds no text inside of noscript.
    message = visit.page.locator("noscript p")
    expect(message).to_be_visible()
    assert "This page needs JavaScript" in message.inner_text()
    assert visit.page.get_by_role("button").count() == 0


@pytest.mark.parametrize("path", PATHS)
def test_a_page_has_its_headers(visit: Visit, path: str) -> None:
    """Nothing inline runs, nothing is framed, stored or told to others; files may be cached."""
    answer = visit.page.goto(visit.url + path)
    assert answer is not None
    headers = answer.headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    page = answer.text()
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page)
    for name in ("account.css", "account.js"):
        asset = visit.context.request.get(f"{visit.url}/account/{name}")
        assert "max-age" in asset.headers["cache-control"]


@pytest.mark.parametrize("way", ["prove", "choose"])
def test_the_ways_to_an_account_can_be_read_and_fit(
    open_visit: OpenVisit, people: People, mailbox: Mailbox, way: str
) -> None:
    """The parts of a page that only a sign-up's link leads to."""
    email, _ = people.register()
    visit = open_visit(viewport={"width": 320, "height": 480})
    visit.follow(mailbox.last(email).links[0])
    visit.press("Confirm the address")
    if way == "choose":
        visit.press("Choose a new password")
    visit.press("Open the account")
    expect(visit.page.locator(f"#{way} .fault")).not_to_be_empty()
    assert visit.page.evaluate(LEAST_CONTRAST) >= 4.5
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 320
