"""Names that can be read, and pictures that are nothing but a URL."""

from __future__ import annotations

import re
import time
import unicodedata
from urllib.parse import urlsplit

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from core.domain.access import check_role
from core.domain.directory import UserQuery, UserSort
from core.domain.profile import check_profile
from core.domain.text import printable, visible
from core.errors import InvalidInput

CONTROLS = [
    *(chr(code) for code in range(0x202A, 0x202F)),
    *(chr(code) for code in range(0x2066, 0x206A)),
    *"\u2028\u2029\x85\x00\n\r\t\x1b\x7f\x9f\ud800",
]
# The last four: visible by their category, and yet blank.
INVISIBLE = [
    *" \u00a0\u3000\u200b\u200c\u200d\u200e\u2060\ufeff\u00ad\u034f\u061c\u180e\ufe0f\U000e0041",
    *"\u0301\u20dd\u115f\u1160\u3164\uffa0\u2800\U0001d159",
]
NAMES = [
    "Ada",
    "O'Connor",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian with ZWNJ
    "\u0915\u094d\u200d\u0937",  # Devanagari with ZWJ
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",  # a family
    "\u2764\ufe0f",  # a heart, with its presentation
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # England's flag
    "\u05d3\u05d5\u05d3\u200f",
    "\u0644\u200d",
    "e\u0301",
    "\u5c71\u7530",
    "\ud55c\uae00",
    "7",
    "-",
    "\u283f",
    "\U0001057f",
]


def refused(**fields: str) -> bool:
    try:
        check_profile(fields)
    except InvalidInput as error:
        return [fault.pointer for fault in error.errors] == [f"/{name}" for name in fields]
    return False


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("field", ["display_name", "given_name", "family_name"])
def test_what_changes_lines_or_direction_is_refused(field: str, control: str) -> None:
    """Anywhere in a name."""
    for name in (f"{control}Ada", f"A{control}da", f"Ada{control}", control):
        assert refused(**{field: name})


@pytest.mark.parametrize("control", CONTROLS)
def test_other_texts_that_people_read_hold_none_either(control: str) -> None:
    """Descriptions of roles; and nobody needs to search for one."""
    with pytest.raises(InvalidInput):
        check_role(description=f"Reads{control} users")
    with pytest.raises(InvalidInput):
        UserQuery.checked(
            search=f"ada{control}lovelace",
            email=None,
            status=None,
            role=None,
            created_after=None,
            created_before=None,
            sort=UserSort.EMAIL,
            descending=False,
        )


@pytest.mark.parametrize("field", ["display_name", "given_name", "family_name"])
@pytest.mark.parametrize("character", INVISIBLE)
def test_a_name_has_something_to_see(field: str, character: str) -> None:
    """One or several of what shows nothing are no name; beside a letter they are part of one."""
    assert refused(**{field: character})
    assert refused(**{field: character * 3})
    assert not refused(**{field: f"A{character}a"})


def test_nothing_invisible_is_a_name_together_either() -> None:
    assert refused(display_name="".join(INVISIBLE))
    assert refused(display_name="")


@pytest.mark.parametrize("name", NAMES)
def test_names_of_all_scripts_are_names(name: str) -> None:
    """Joiners and marks included."""
    assert not refused(display_name=name)


SEEN_OR_NOT = st.text(max_size=20) | st.text("a-\u0645" + "".join(CONTROLS + INVISIBLE), max_size=4)


def test_texts_that_show_something_and_others_are_made() -> None:
    """Or nothing would be said of them below."""
    for outcome in (True, False):
        find(SEEN_OR_NOT, lambda text: refused(display_name=text) is outcome)  # noqa: B023


@given(SEEN_OR_NOT)
def test_what_is_accepted_shows_a_character(text: str) -> None:
    """Of any text: no control, and a character that is no space, mark or format."""
    if refused(display_name=text):
        assert not (printable(text) and visible(text))
        return
    kinds = {unicodedata.category(character) for character in text}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    assert any(kind[0] in "LNPS" or kind in {"Cn", "Co"} for kind in kinds)


URLS = [
    "https://example.com",
    "https://example.com/",
    "https://example.com./a.png",
    "https://xn--bcher-kva.example/a.png",
    "https://my_bucket.s3.example.com/a.png",
    "https://192.0.2.1:8443/a.png",
    "https://[2001:db8::1]/a.png",
    "https://[2001:db8::1]:8443/a.png",
    "https://example.com/a/../b%20c(1).png?size=64&v=a?b/c#top/x?y",
    "https://example.com?x=1",
    "https://example.com#x",
    "https://example.com/@ada",
    "https://example.com/" + "a" * 2028,
]
NO_URLS = [
    "",
    "https://",
    "https:///a.png",
    "https:/example.com/a.png",
    "https:example.com",
    "//example.com/a.png",
    "HTTP://example.com/a.png",
    "http://example.com/a.png",
    "ftp://example.com/a.png",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "https://ada@example.com/a.png",
    "https://ada:secret@example.com/a.png",
    "https://@example.com/a.png",
    "https://example.com@evil.example/a.png",
    "https://example.com\\@evil.example/a.png",
    "https://example.com\\a.png",
    "https://example.com/a\\b.png",
    "https://example.com/a b.png",
    " https://example.com/a.png",
    "https://example.com/a.png ",
    "https://example.com/a.png\n",
    "https://example.com/\t",
    "https://example.com/<b>",
    'https://example.com/"onerror=alert(1)',
    "https://example.com/'",
    "https://example.com/`",
    "https://example.com/{a}",
    "https://example.com/a|b",
    "https://example.com/a^b",
    "https://example.com/[a]",
    "https://example.com/%",
    "https://example.com/%2",
    "https://example.com/%zz",
    "https://exa%6dple.com/a.png",
    "https://example.com/a#b#c",
    "https://example..com/a.png",
    "https://.example.com/a.png",
    "https://example.com:/a.png",
    "https://example.com:99999/a.png",
    "https://example.com:a/a.png",
    "https://[2001:db8::1/a.png",
    "https://[2001:db8::zz]/a.png",
    "https://[::1::2]/a.png",
    "https://[]/a.png",
    "https://b\u00fccher.example/a.png",
    "https://example.com/\u202egnp.a",
    "https://" + "a" * 64 + ".example/",
    "https://example.com/" + "a" * 2029,
]


@pytest.mark.parametrize("url", URLS)
def test_a_picture_is_a_url(url: str) -> None:
    assert not refused(picture=url)


@pytest.mark.parametrize("url", NO_URLS)
def test_a_picture_is_nothing_else(url: str) -> None:
    """No credentials, no blanks, nothing that markup or another reader takes for its own."""
    assert refused(picture=url)


PIECES = st.sampled_from(
    [*"az09.-_~:/?#[]@!$&'()*+,;=% \\\"<>`{}|^\n\u00e9", "%41", "example.com", "[::1]", ":80", "//"]
)


ANY_REST = st.lists(PIECES, max_size=15).map("".join)
# Good before the pieces, and after a few of them still.
LIKELY = st.builds(
    "{}{}".format,
    st.sampled_from([url.removeprefix("https://") for url in URLS[:-1]]),
    st.lists(PIECES, max_size=3).map("".join),
)


def test_likely_urls_are_accepted_and_refused() -> None:
    """Or nothing would be said of them below."""
    for outcome in (True, False):
        find(LIKELY, lambda rest: refused(picture=f"https://{rest}") is outcome)  # noqa: B023


@given(ANY_REST | LIKELY)
def test_what_is_accepted_reads_the_same_everywhere(rest: str) -> None:
    """Of anything behind `https://`: one host, no user, and no character of markup."""
    url = f"https://{rest}"
    if refused(picture=url):
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.username, parts.password) == ("https", None, None)
    assert parts.hostname
    assert parts.port is None or 0 <= parts.port <= 65535
    assert parts.geturl().rstrip("?#") == url.rstrip("?#")
    assert not re.search(r"[\s\"'<>`\\{}|^]|[^!-~]", url)


@pytest.mark.parametrize("piece", ["?", "#", "/", "a.", "%41", "@", "a-", "?/"])
def test_a_long_picture_is_judged_at_once(piece: str) -> None:
    """Whatever it repeats: nothing is read twice."""
    url = f"https://example.com/{piece * (2000 // len(piece))}\\"
    seconds = []
    for _ in range(5):
        start = time.process_time()
        assert refused(picture=url)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.05
