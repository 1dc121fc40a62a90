"""The page that confirms an address, in a real browser against the real server."""

from __future__ import annotations

import re

import psycopg2
import pytest
from playwright.sync_api import Route, expect

from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, People
from tests.support.server import ServerProcess
from tests.support.visit import Visit, expect_heading, log_in

pytestmark = pytest.mark.browser

VERIFY = "/v1/auth/verify-email"


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
