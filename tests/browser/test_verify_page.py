"""The page that confirms an address, in a real browser against the real server."""

from __future__ import annotations

import re
import secrets

import psycopg2
import pytest
from playwright.sync_api import Route, expect

from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, People, Person
from tests.support.server import ServerProcess
from tests.support.storage import query
from tests.support.visit import Visit, expect_heading, log_in

pytestmark = pytest.mark.browser

VERIFY = "/v1/auth/verify-email"
SIGNED_UP_WITH = "Password that you signed up with"
PLANTED = "a stranger's own passphrase"
CHOSEN = "seven quiet otters swim home"


def confirm(visit: Visit, password: str = PASSWORD) -> None:
    """What somebody does on the page who signed up."""
    visit.press("Confirm the address")
    field = visit.page.get_by_label(SIGNED_UP_WITH)
    expect(field).to_be_focused()
    field.fill(password)
    visit.press("Open the account")
    expect_heading(visit, "The address is confirmed")


def besieged(people: People, mailbox: Mailbox) -> str:
    """An address with links of a stranger's, and none of its owner's, whose sign-up came last."""
    email = f"victim-{secrets.token_hex(6)}@example.com"
    for _ in range(5):
        people.register(email, password=PLANTED, display_name="Mallory")
    people.register(email, display_name="Ada")
    assert len(mailbox.to(email)) == 5
    return email


def named(people: People, email: str, password: str) -> str | None:
    """The name that somebody finds who logs in."""
    session = people.log_in(Person("", email, password))
    shown = people.client.request("GET", "/v1/users/me", token=session.access).json()
    name: str | None = shown["display_name"]
    return name


def test_a_click_confirms_the_address_and_nothing_before_it_does(
    visit: Visit, people: People, mailbox: Mailbox
) -> None:
    """Sign up, open the link, press the button, type the password, log in. Opening alone, as
    scanners do, sends nothing and uses nothing up."""
    email, _ = people.register()
    visit.follow(mailbox.last(email).links[0])
    expect(visit.page.get_by_role("button", name="Confirm the address")).to_be_visible()
    visit.page.wait_for_load_state("networkidle")
    assert visit.posts == []
    assert log_in(people, email, PASSWORD) == 403
    confirm(visit)
    assert visit.posts == [VERIFY, VERIFY]
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
    confirm(visit)
    visit.page.evaluate("hash => { location.hash = hash; }", f"token={mailbox.last(second).token}")
    confirm(visit)
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
    confirm(visit)


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
    confirm(visit)
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
    confirm(visit)


def test_a_lost_answer_is_given_again(visit: Visit, people: People, mailbox: Mailbox) -> None:
    """The code is used up but the answer got lost: pressing again says confirmed, not too late."""
    email, _ = people.register()
    visit.follow(mailbox.last(email).links[0])
    visit.press("Confirm the address")
    visit.page.get_by_label(SIGNED_UP_WITH).fill(PASSWORD)

    def lose(route: Route) -> None:
        assert route.fetch().status == 200
        route.abort()

    visit.page.route(f"**{VERIFY}", lose, times=1)
    visit.press("Open the account")
    expect(visit.page.get_by_role("status")).to_contain_text("could not be reached")
    visit.press("Open the account")
    expect_heading(visit, "The address is confirmed")
    assert visit.posts == [VERIFY] * 3


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
    field = visit.page.get_by_label(SIGNED_UP_WITH)
    expect(field).to_be_focused()
    assert visit.posts == [VERIFY]
    field.fill(PASSWORD)
    visit.page.get_by_role("button", name="Open the account").dblclick()
    expect_heading(visit, "The address is confirmed")
    assert visit.posts == [VERIFY, VERIFY]


def test_a_strangers_link_opens_ones_own_account(
    visit: Visit, people: People, mailbox: Mailbox
) -> None:
    """The mailbox holds a stranger's links alone: her own password gives her her own account, the
    stranger's none."""
    email = besieged(people, mailbox)
    visit.follow(mailbox.to(email)[2].links[0])
    confirm(visit)
    assert named(people, email, PASSWORD) == "Ada"
    assert log_in(people, email, PLANTED) == 403


def test_who_did_not_sign_up_chooses_a_password(
    visit: Visit, people: People, mailbox: Mailbox
) -> None:
    """By keyboard alone; what a stranger typed is no part of the account."""
    email = besieged(people, mailbox)
    visit.follow(mailbox.to(email)[0].links[0])
    keyboard, page = visit.page.keyboard, visit.page
    expect(page.get_by_role("button", name="Confirm the address")).to_be_visible()
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(page.get_by_label(SIGNED_UP_WITH)).to_be_focused()
    for _ in range(3):
        keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose a new password")).to_be_focused()
    keyboard.press("Enter")
    field = page.get_by_label("New password")
    expect(field).to_be_focused()
    assert field.get_attribute("autocomplete") == "new-password"
    keyboard.type("too short")
    keyboard.press("Enter")
    expect(page.get_by_text("Use 15 characters or more; this has 9.")).to_be_visible()
    keyboard.press("Control+A")
    keyboard.type(CHOSEN)
    keyboard.press("Enter")
    expect_heading(visit, "The address is confirmed")
    expect(page.get_by_role("heading", name="The address is confirmed")).to_be_focused()
    assert field.input_value() == ""
    assert named(people, email, CHOSEN) is None
    assert log_in(people, email, PLANTED) == 403


def test_a_wrong_password_is_told_and_can_be_typed_again(
    visit: Visit, people: People, mailbox: Mailbox
) -> None:
    """Or another way taken, and taken back; the link stays good."""
    email, _ = people.register(display_name="Ada")
    visit.follow(mailbox.last(email).links[0])
    visit.press("Confirm the address")
    field = visit.page.get_by_label(SIGNED_UP_WITH)
    assert field.get_attribute("autocomplete") == "current-password"
    visit.press("Open the account")
    expect(visit.page.get_by_text("Enter the password.")).to_be_visible()
    field.fill("not the one of the sign-up")
    visit.press("Show password")
    assert field.get_attribute("type") == "text"
    visit.press("Open the account")
    refusal = "The password is not that of a sign-up with this address."
    expect(visit.page.get_by_text(refusal)).to_be_visible()
    expect(field).to_be_focused()
    assert (field.get_attribute("type"), field.get_attribute("aria-invalid")) == (
        "password",
        "true",
    )
    visit.press("Choose a new password")
    expect(visit.page.get_by_label("New password")).to_be_focused()
    visit.press("Use that password")
    expect(field).to_be_focused()
    field.fill(PASSWORD)
    visit.press("Open the account")
    expect_heading(visit, "The address is confirmed")
    assert named(people, email, PASSWORD) == "Ada"


def test_the_address_of_an_account_takes_no_password(
    visit: Visit, people: People, mailbox: Mailbox, superuser_url: str
) -> None:
    """One click, as the account has a password."""
    person = people.verified()
    unverify = "UPDATE users SET email_verified = false WHERE id = %s"
    query(superuser_url, unverify, (person.user_id,))
    people.client.request("POST", f"{VERIFY}/resend", json={"email": person.email})
    visit.follow(mailbox.last(person.email).links[0])
    visit.press("Confirm the address")
    expect_heading(visit, "The address is confirmed")
    assert visit.posts == [VERIFY]
    assert log_in(people, person.email, PASSWORD) == 200
