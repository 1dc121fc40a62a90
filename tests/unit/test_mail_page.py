"""The local page that shows mails while developing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.adapters.mail.compose import Sender
from core.adapters.mail.directory import DirectoryMailer
from core.errors import PermissionDenied
from core.ports.messaging import Mail, MailTemplate
from handler.http.client_address import UNKNOWN_ADDRESS
from handler.local.mail_page import LONGEST_LIST, router
from tests.support.asgi_server import serving
from tests.support.http_probe import answer
from tests.support.raw_http import PatientProtocol

PATHS = ["/dev/mail", "/dev/mail.css", "/dev/mail.json"]
LINK = "http://localhost:3000/account/verify#token=v1.AbC-_9"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mail"


@pytest.fixture
def app(folder: Path) -> FastAPI:
    app = FastAPI()
    app.include_router(router(folder))

    @app.exception_handler(PermissionDenied)
    def refused(_: Request, error: PermissionDenied) -> Response:
        return Response(str(error), status_code=403)

    return app


@pytest.fixture
def page(app: FastAPI) -> Iterator[httpx.Client]:
    with (
        serving(app, PatientProtocol) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client,
    ):
        yield client


def deliver(folder: Path, *, to: str = "ada@example.com", message_id: str = "one") -> None:
    mailer = DirectoryMailer(folder=folder, sender=Sender.parse("Example <no-reply@example.com>"))
    variables = {"link": LINK, "expires_minutes": "1440"}
    mailer.send(
        Mail(
            template=MailTemplate.CONFIRM_SIGN_UP, to=to, message_id=message_id, variables=variables
        )
    )


def put(folder: Path, name: str, *, subject: str, text: str) -> None:
    message = EmailMessage()
    message["To"] = "ada@example.com"
    message["Subject"] = subject
    message.set_content(text)
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(message.as_bytes())


def test_a_script_finds_the_link(page: httpx.Client, folder: Path) -> None:
    """The JSON gives who, what, the text, the links as they were sent, and when."""
    deliver(folder)
    [mail] = page.get("/dev/mail.json").json()["data"]
    assert mail["to"] == "ada@example.com"
    assert mail["subject"] == "Confirm your email address for Example"
    assert mail["links"] == [LINK]
    assert LINK in mail["text"].split("\n")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", mail["received_at"])
    age = datetime.now(UTC) - datetime.fromisoformat(mail["received_at"])
    assert abs(age) < timedelta(minutes=1)


def test_the_page_shows_a_link_to_click(page: httpx.Client, folder: Path) -> None:
    """The text part stands there, and its link can be followed."""
    deliver(folder)
    answer = page.get("/dev/mail")
    assert answer.headers["content-type"].startswith("text/html")
    assert f'<a href="{LINK}">{LINK}</a>' in answer.text
    assert "signed up for Example" in answer.text


def test_before_the_first_mail_there_is_a_hint(page: httpx.Client) -> None:
    """A folder that is not there yet is an empty list, and the page says what to do."""
    assert page.get("/dev/mail.json").json() == {"data": []}
    assert "No mail yet" in page.get("/dev/mail").text


def test_the_newest_mail_comes_first(page: httpx.Client, folder: Path) -> None:
    """Newest first; of very many only the newest are shown."""
    for number in range(LONGEST_LIST + 5):
        put(folder, f"20300102T030405{number:03}Z-x.eml", subject=f"mail {number}", text="")
    subjects = [mail["subject"] for mail in page.get("/dev/mail.json").json()["data"]]
    newest = range(LONGEST_LIST + 4, 4, -1)
    assert subjects == [f"mail {number}" for number in newest]


def test_a_mail_cannot_change_the_page(page: httpx.Client, folder: Path) -> None:
    """Markup in a mail is shown as text, only http links are links, and scripts are forbidden."""
    text = '<script>alert(1)</script> javascript:alert(2) http://x.example/"onclick="alert(3)'
    put(folder, "20300102T030405678Z-x.eml", subject="<img src=x onerror=alert(4)>", text=text)
    answer = page.get("/dev/mail")
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert re.findall(r'href="([^"]*)"', answer.text) == [
        "/dev/mail.css",
        "/dev/mail",
        "http://x.example/",
    ]
    assert '"onclick=' not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert page.get("/dev/mail.css").headers["content-type"].startswith("text/css")


def test_other_files_are_passed_over(page: httpx.Client, folder: Path) -> None:
    """A mail that is being written or removed, and files that somebody left, are no mails."""
    deliver(folder)
    for name in ("20300102T030405678Z-two.tmp", "notes.eml", "notes.txt"):
        (folder / name).write_bytes(b"\xff\xfe not a mail")
    (folder / "20300102T030405678Z-gone.eml").symlink_to("removed while the list was made")
    assert len(page.get("/dev/mail.json").json()["data"]) == 1


@pytest.mark.parametrize("host", ["localhost", "localhost:3000", "127.0.0.1:3000", "[::1]:3000"])
def test_this_machine_is_answered(page: httpx.Client, host: str) -> None:
    """Every name of this machine works."""
    assert page.get("/dev/mail.json", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host", ["rebound.example.com", "localhost.example.com", "192.0.2.1:3000", "[::2]", "[::1"]
)
def test_no_other_site_reads_the_mails(
    page: httpx.Client, folder: Path, path: str, host: str
) -> None:
    """A site whose name was pointed at this machine (DNS rebinding) gets no link."""
    deliver(folder)
    answer = page.get(path, headers={"host": host})
    assert answer.status_code == 403
    assert "v1.AbC" not in answer.text


def status(
    app: FastAPI, path: str, *, peer: str | None, headers: Sequence[tuple[str, str]] = ()
) -> int:
    """The answer to a request for localhost whose connection has this peer."""

    async def from_peer(scope: Scope, receive: Receive, send: Send) -> None:
        scope["client"] = None if peer is None else (peer, 50000)
        await app(scope, receive, send)

    return answer(from_peer, "GET", path, headers=[("host", "localhost:3000"), *headers]).status


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_a_peer_on_this_machine_is_answered(app: FastAPI, peer: str) -> None:
    """In each form in which a socket names it."""
    assert [status(app, path, peer=peer) for path in PATHS] == [200, 200, 200]


@pytest.mark.parametrize(
    "peer",
    [
        "192.0.2.7",
        "10.0.0.7",
        UNKNOWN_ADDRESS,
        "2001:db8::7",
        "fe80::7%eth0",
        "::ffff:192.0.2.7",
        "::127.0.0.1",
        "localhost",
        "",
        None,
    ],
)
def test_no_other_machine_reads_the_mails(app: FastAPI, folder: Path, peer: str | None) -> None:
    """Whatever Host it sends, and whatever it says of where it comes from."""
    deliver(folder)
    for path in PATHS:
        assert status(app, path, peer=peer) == 403
        assert status(app, path, peer=peer, headers=[("x-forwarded-for", "127.0.0.1")]) == 403


@pytest.mark.parametrize(
    "header",
    [
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=192.0.2.7"),
        ("x-real-ip", "192.0.2.7"),
    ],
)
def test_a_proxy_of_this_machine_gets_none_for_others(
    app: FastAPI, header: tuple[str, str]
) -> None:
    """Tunnels connect from this machine, and some send its name as Host."""
    assert [status(app, path, peer="127.0.0.1", headers=[header]) for path in PATHS] == [403] * 3
