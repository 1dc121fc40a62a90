"""The pages that links in mails open, in a real browser against the real server."""

from __future__ import annotations

import re

import psycopg2
import pytest
from playwright.sync_api import Route, expect

from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, People
from tests.support.server import ServerProcess
from tests.support.visit import OpenVisit, Visit

pytestmark = pytest.mark.browser

NEW_PASSWORD = "seven quiet otters swim home"
VERIFY = "/v1/auth/verify-email"
RESET = "/v1/auth/password/reset"


def log_in(people: People, email: str, password: str) -> int:
    body = {"identifier": email, "password": password}
    return people.client.request("POST", "/v1/auth/login", json=body).status


def ask_for_reset(people: People, email: str) -> None:
    answer = people.client.request("POST", "/v1/auth/password/forgot", json={"email": email})
    assert answer.status == 202


def expect_heading(visit: Visit, name: str) -> None:
    expect(visit.page.get_by_role("heading", name=name, exact=True)).to_be_visible()


# --- confirming an address ---------------------------------------------------------------------


def test_a_click_confirms_the_address_and_nothing_before_it_does(
    visit: Visit, people: People, mailbox: Mailbox
) -> None:
    """Sign up, open the link, press the button, log in. Opening alone, as scanners do, sends
    nothing and uses nothing up."""
    email, _ = people.register()
    visit.follow(mailbox.last(email).links[0])
    expect(visit.page.get_by_role("button", name="Confirm the address")).to_be_visible()
    visit.page.wait_for_load_state("networkidle")
    assert visit.posts == []
    assert log_in(people, email, PASSWORD) == 403
    visit.press("Confirm the address")
    expect_heading(visit, "The address is confirmed")
    assert visit.posts == [VERIFY]
    assert log_in(people, email, PASSWORD) == 200


def test_the_code_leaves_the_address_bar(visit: Visit, people: People, mailbox: Mailbox) -> None:
    """The code is neither in the address bar nor in the history, storage or any request's line."""
    email, _ = people.register()
    mail = mailbox.last(email)
    visit.follow(mail.links[0])
    expect(visit.page.get_by_role("button", name="Confirm the address")).to_be_visible()
    assert visit.page.url == f"{visit.url}/account/verify"
    stored = visit.page.evaluate("[{...localStorage}, {...sessionStorage}, document.cookie]")
    assert stored == [{}, {}, ""]
    visit.page.goto("about:blank")
    visit.page.go_back()
    assert "#" not in visit.page.url
    for request in visit.requests:
        assert mail.token not in request.url
        assert not request.headers.get("referer")


def test_a_second_link_in_the_same_tab_works(
    visit: Visit, people: People, mailbox: Mailbox
) -> None:
    """A link that differs in its code only loads nothing anew, and still counts."""
    first, _ = people.register()
    second, _ = people.register()
    visit.follow(mailbox.last(first).links[0])
    visit.press("Confirm the address")
    expect_heading(visit, "The address is confirmed")
    visit.page.evaluate("hash => { location.hash = hash; }", f"token={mailbox.last(second).token}")
    visit.press("Confirm the address")
    expect_heading(visit, "The address is confirmed")
    assert log_in(people, second, PASSWORD) == 200


def test_an_expired_link_shows_the_way_to_a_new_one(
    visit: Visit, people: People, mailbox: Mailbox, superuser_url: str
) -> None:
    """Too late is no dead end: the page says why and has a new mail sent, whose link works."""
    email, _ = people.register()
    link = mailbox.last(email).links[0]
    expire_codes(superuser_url, email)
    visit.follow(link)
    visit.press("Confirm the address")
    notice = visit.page.get_by_role("status")
    expect(notice).to_contain_text("This link does not work any more")
    expect(notice).to_be_focused()
    visit.page.get_by_label("Email address").fill(email)
    visit.press("Send a new link")
    expect_heading(visit, "Look into your mailbox")
    mails = mailbox.to(email)
    assert len(mails) == 2
    visit.follow(mails[-1].links[0])
    visit.press("Confirm the address")
    expect_heading(visit, "The address is confirmed")


def expire_codes(superuser_url: str, email: str) -> None:
    connection = psycopg2.connect(superuser_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE one_time_codes SET expires_at = created_at + interval '1 millisecond'"
            " WHERE email_normalised = %s",
            [email],
        )
        assert cursor.rowcount == 1
    connection.close()


def test_a_used_or_broken_link_says_so(visit: Visit, people: People, mailbox: Mailbox) -> None:
    """A link works once; one that lost a part on the way is told the same."""
    email, _ = people.register()
    link = mailbox.last(email).links[0]
    visit.follow(link)
    visit.press("Confirm the address")
    expect_heading(visit, "The address is confirmed")
    for broken in (link, link[:-3], f"{link.partition('#')[0]}#token=x", f"{link}{'x' * 5000}"):
        visit.open("/account/")
        visit.follow(broken)
        visit.press("Confirm the address")
        expect(visit.page.get_by_role("status")).to_contain_text("does not work any more")
        expect(visit.page.get_by_label("Email address")).to_be_visible()


def test_without_a_code_a_page_offers_a_mail(visit: Visit) -> None:
    """Who reloads the page, or finds it by the way, is not shown a button that cannot work."""
    visit.open("/account/")
    visit.page.get_by_role("link", name="Confirm your email address").click()
    expect_heading(visit, "Get a new link")
    expect(visit.page.get_by_role("button", name="Confirm the address")).to_be_hidden()
    visit.open("/account/")
    visit.page.get_by_role("link", name="Choose a new password").click()
    expect_heading(visit, "Get a link by mail")
    visit.press("Send a link")
    expect(visit.page.get_by_text("Enter your email address.")).to_be_visible()
    email = visit.page.get_by_label("Email address")
    expect(email).to_be_focused()
    email.fill("not an address")
    visit.press("Send a link")
    expect(visit.page.get_by_text("This is no email address")).to_be_visible()
    assert email.get_attribute("aria-invalid") == "true"


# --- when the service does not answer ----------------------------------------------------------


def test_a_lost_connection_is_told_and_can_be_tried_again(
    visit: Visit, people: People, mailbox: Mailbox
) -> None:
    """Offline, the page says so; online again, the same button works."""
    email, _ = people.register()
    visit.follow(mailbox.last(email).links[0])
    visit.context.set_offline(True)
    visit.press("Confirm the address")
    expect(visit.page.get_by_role("status")).to_contain_text("could not be reached")
    visit.context.set_offline(False)
    visit.press("Confirm the address")
    expect_heading(visit, "The address is confirmed")


def test_a_lost_answer_is_given_again(visit: Visit, people: People, mailbox: Mailbox) -> None:
    """The code is used up but the answer got lost: pressing again says confirmed, not too late."""
    email, _ = people.register()
    visit.follow(mailbox.last(email).links[0])

    def lose(route: Route) -> None:
        assert route.fetch().status == 200
        route.abort()

    visit.page.route(f"**{VERIFY}", lose, times=1)
    visit.press("Confirm the address")
    expect(visit.page.get_by_role("status")).to_contain_text("could not be reached")
    visit.press("Confirm the address")
    expect_heading(visit, "The address is confirmed")
    assert visit.posts == [VERIFY, VERIFY]


def test_too_many_tries_are_told_with_the_time_to_wait(visit: Visit, server: ServerProcess) -> None:
    """A limit is no riddle: the page says how long to wait."""
    client = server.client().from_address(visit.address)
    for _ in range(60):
        client.request("POST", VERIFY, json={"token": "x"})
    visit.open("/account/verify#token=x")
    visit.press("Confirm the address")
    expect(visit.page.get_by_role("status")).to_contain_text(
        re.compile(r"Too many tries\. Wait (a second|\d+ seconds) and try again\.")
    )
    expect(visit.page.get_by_role("button", name="Confirm the address")).to_be_visible()


def test_a_double_click_sends_once(visit: Visit, people: People, mailbox: Mailbox) -> None:
    """While an answer is awaited the button does nothing."""
    email, _ = people.register()
    visit.follow(mailbox.last(email).links[0])
    visit.page.get_by_role("button", name="Confirm the address").dblclick()
    expect_heading(visit, "The address is confirmed")
    assert visit.posts == [VERIFY]


# --- choosing a new password -------------------------------------------------------------------


def test_a_password_is_reset_by_keyboard_alone(
    visit: Visit, people: People, mailbox: Mailbox
) -> None:
    """Tab, typing and Enter are enough; focus goes in reading order and shows where it is."""
    person = people.verified()
    ask_for_reset(people, person.email)
    visit.follow(mailbox.last(person.email).links[0])
    keyboard = visit.page.keyboard
    field = visit.page.get_by_label("New password")
    expect(field).to_be_visible()
    keyboard.press("Tab")
    expect(field).to_be_focused()
    assert visit.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    keyboard.type("too short")
    keyboard.press("Enter")
    expect(visit.page.get_by_text("Use 15 characters or more; this has 9.")).to_be_visible()
    expect(field).to_be_focused()
    assert visit.posts == []
    keyboard.press("Tab")
    expect(visit.page.get_by_role("button", name="Show password")).to_be_focused()
    keyboard.press("Enter")
    expect(visit.page.get_by_role("button", name="Hide password")).to_be_focused()
    assert field.get_attribute("type") == "text"
    keyboard.press("Shift+Tab")
    keyboard.press("Control+A")
    keyboard.type(NEW_PASSWORD)
    keyboard.press("Tab")
    keyboard.press("Tab")
    expect(visit.page.get_by_role("button", name="Set the new password")).to_be_focused()
    keyboard.press("Space")
    expect_heading(visit, "The new password is set")
    expect(visit.page.get_by_role("heading", name="The new password is set")).to_be_focused()
    assert visit.posts == [RESET]
    assert log_in(people, person.email, NEW_PASSWORD) == 200
    assert log_in(people, person.email, person.password) == 401


def test_password_managers_and_the_clipboard_work(
    visit: Visit, people: People, mailbox: Mailbox
) -> None:
    """A password can be pasted, is offered to password managers as a new one, and is hidden again
    before it is sent."""
    person = people.verified()
    ask_for_reset(people, person.email)
    visit.follow(mailbox.last(person.email).links[0])
    field = visit.page.get_by_label("New password")
    assert field.get_attribute("autocomplete") == "new-password"
    assert field.get_attribute("maxlength") is None
    visit.press("Show password")
    field.fill(NEW_PASSWORD)
    for keys in ("Control+A", "Control+X", "Control+V"):
        field.press(keys)
    expect(field).to_have_value(NEW_PASSWORD)
    visit.press("Set the new password")
    expect_heading(visit, "The new password is set")
    assert field.get_attribute("type") == "password"
    expect(field).to_have_value("")
    assert log_in(people, person.email, NEW_PASSWORD) == 200


def test_a_password_that_the_service_refuses_can_be_mended(
    visit: Visit, people: People, mailbox: Mailbox
) -> None:
    """What the service says stands at the field, and the link still works afterwards."""
    person = people.verified()
    ask_for_reset(people, person.email)
    visit.follow(mailbox.last(person.email).links[0])
    field = visit.page.get_by_label("New password")
    field.fill("a" * 20)
    visit.press("Set the new password")
    fault = visit.page.get_by_text("The password must not")
    expect(fault).to_be_visible()
    assert fault.get_attribute("id") in (field.get_attribute("aria-describedby") or "").split()
    field.fill(NEW_PASSWORD)
    visit.press("Set the new password")
    expect_heading(visit, "The new password is set")


def test_length_is_counted_as_the_service_counts(visit: Visit) -> None:
    """A character is a character, whether it takes one unit, two, or is composed of several."""
    visit.open("/account/reset#token=x")
    field = visit.page.get_by_label("New password")
    for password, length in (("🦦" * 14, 14), ("e\u0301" * 14, 14)):
        field.fill(password)
        visit.press("Set the new password")
        expect(visit.page.get_by_text(f"this has {length}.")).to_be_visible()
    assert visit.posts == []


# --- for everybody -----------------------------------------------------------------------------

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
