"""What stands in the mails."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from core.adapters.mail.render import TEMPLATES, Words, render
from core.ports.messaging import MAIL_VARIABLES, Mail, MailTemplate

LINK = "https://id.example.com/account/verify#token=v1.AbC-_9"
SAMPLES = {
    "link": LINK,
    "reset_link": "https://id.example.com/account/reset",
    "expires_minutes": "30",
    "erasure_days": "30",
}
every_template = pytest.mark.parametrize("template", list(MailTemplate))


def words(template: MailTemplate, **changes: str) -> Words:
    variables = {name: SAMPLES[name] for name in MAIL_VARIABLES[template]} | changes
    return render(template, service="Example", to="ada@example.com", variables=variables)


class Readable(HTMLParser):
    """The text of the body and the targets of its links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.targets: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())


def test_every_template_is_a_text_file_and_an_html_file_and_nothing_lies_about() -> None:
    """Each mail has a text part and an HTML part."""
    pairs = {f"{template}.{kind}" for template in MailTemplate for kind in ("txt", "html")}
    shared = {"layout.html", "button.html"}
    assert {path.name for path in TEMPLATES.iterdir()} == pairs | shared
    assert MAIL_VARIABLES.keys() == set(MailTemplate)


@every_template
def test_a_template_needs_each_variable_of_the_table_and_no_other(template: MailTemplate) -> None:
    """What the worker passes is what the templates ask for: each variable shows in both parts."""
    complete = words(template)
    for name in MAIL_VARIABLES[template]:
        assert SAMPLES[name] in complete.text
        assert SAMPLES[name] in Readable(complete.html).text
        without = {other: SAMPLES[other] for other in MAIL_VARIABLES[template] - {name}}
        with pytest.raises(UndefinedError):
            render(template, service="Example", to="ada@example.com", variables=without)


@every_template
def test_a_mail_with_other_variables_cannot_be_made(template: MailTemplate) -> None:
    """A caller that strays from the table fails where it makes the mail, not when it is sent."""
    right = {name: SAMPLES[name] for name in MAIL_VARIABLES[template]}
    Mail(template=template, to="ada@example.com", message_id="1", variables=right)
    with pytest.raises(ValueError, match=str(template)):
        Mail(
            template=template,
            to="ada@example.com",
            message_id="1",
            variables={**right, "display_name": "Ada"},
        )


@every_template
def test_text_and_html_say_the_same(template: MailTemplate) -> None:
    """Whoever reads the text part misses nothing that the HTML part has, and no link."""
    mail = words(template)
    html = Readable(mail.html)
    paragraphs = [" ".join(paragraph.split()) for paragraph in mail.text.split("\n\n")]
    for paragraph in paragraphs:
        for sentence in re.split(r"(?<=[.:,]) ", paragraph):
            assert sentence in html.text
    in_text = set(re.findall(r"https?://\S+", mail.text))
    assert set(html.targets) == in_text


@pytest.mark.parametrize(
    "template",
    [
        each
        for each in MailTemplate
        if each not in {"invitation", "choose_new_password", "email_changed"}
    ],
)
def test_a_mail_says_what_to_do_when_it_was_somebody_else(template: MailTemplate) -> None:
    """Nobody is left alone with a mail that they did not cause; the others say that it was an
    administrator."""
    assert re.search(r"If it was not you,", words(template).text)
    assert "If it was you," in words(template).text or "probably you" in words(template).text


@every_template
def test_the_text_part_fits_a_terminal(template: MailTemplate) -> None:
    """Lines are at most 78 characters (RFC 5322 section 2.1.1); a link has a line of its own."""
    mail = words(template)
    assert mail.text.endswith("\n")
    for line in mail.text.splitlines():
        assert len(line) <= 78 or line.startswith("https://")
        assert "https://" not in line or " " not in line


def test_a_closed_account_may_have_been_closed_by_either() -> None:
    """Administrators delete users too, who then must not be told that they did it."""
    mail = words(MailTemplate.ACCOUNT_DEACTIVATED)
    for each in (mail.text, mail.html):
        assert "done by the people who run Example" in " ".join(each.split())


@every_template
def test_the_subject_is_one_line_that_names_the_service(template: MailTemplate) -> None:
    """A subject tells what it is about and who sent it."""
    subject = words(template).subject
    assert "Example" in subject
    assert "\n" not in subject
    assert not subject.startswith("Subject")
    assert len(subject) <= 70


def test_html_escapes_what_it_is_told_and_text_does_not() -> None:
    """A link with & works in both parts, and no value becomes markup."""
    link = "https://id.example.com/?a=1&b=<b>#token=x"
    mail = render(
        MailTemplate.VERIFY_EMAIL,
        service="R&D <Lab>",
        to="a&b@example.com",
        variables={"link": link, "expires_minutes": "1"},
    )
    assert link in mail.text
    assert "R&D <Lab>" in mail.subject
    assert "<b>" not in mail.html
    assert "<Lab>" not in mail.html
    assert "a&amp;b@example.com" in mail.html
    assert set(Readable(mail.html).targets) == {link}


@pytest.mark.parametrize(
    ("template", "name", "number", "phrase"),
    [
        (MailTemplate.VERIFY_EMAIL, "expires_minutes", "1", "for 1 minute."),
        (MailTemplate.VERIFY_EMAIL, "expires_minutes", "119", "for 119 minutes."),
        (MailTemplate.VERIFY_EMAIL, "expires_minutes", "120", "for 2 hours."),
        (MailTemplate.VERIFY_EMAIL, "expires_minutes", "1439", "for 23 hours."),
        (MailTemplate.VERIFY_EMAIL, "expires_minutes", "1440", "for 24 hours."),
        (MailTemplate.RESET_PASSWORD, "expires_minutes", "30", "for 30 minutes."),
        (MailTemplate.ACCOUNT_DEACTIVATED, "erasure_days", "1", "in 1 day."),
        (MailTemplate.ACCOUNT_DEACTIVATED, "erasure_days", "30", "in 30 days."),
        (MailTemplate.ACCOUNT_DEACTIVATED, "erasure_days", "0", "within a day."),
    ],
)
def test_times_read_naturally(template: MailTemplate, name: str, number: str, phrase: str) -> None:
    """One is singular, no grace period is no "0 days", and nothing is promised for too long."""
    mail = words(template, **{name: number})
    assert phrase in mail.text
    assert phrase in mail.html
