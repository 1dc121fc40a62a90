"""The page that sets a new password, in a real browser against the real server."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.mailbox import Mailbox
from tests.support.people import People
from tests.support.visit import Visit, expect_heading, log_in

pytestmark = pytest.mark.browser

NEW_PASSWORD = "seven quiet otters swim home"
RESET = "/v1/auth/password/reset"


def ask_for_reset(people: People, email: str) -> None:
    answer = people.client.request("POST", "/v1/auth/password/forgot", json={"email": email})
    assert answer.status == 202


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
