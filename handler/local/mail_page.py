"""`/dev/mail`: the mails that the development sink keeps, with their links; `dev` only."""

from __future__ import annotations

import email.policy
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesParser
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from jinja2 import Environment, FileSystemLoader
from starlette.datastructures import Address
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from core.errors import PermissionDenied
from handler.http.client_address import client_address

LONGEST_LIST = 100

_HERE = Path(__file__).parent
_LINK = re.compile(r"(https?://[^\s<>\"]+)")
_NAME = re.compile(r"(\d{8}T\d{9})Z-[A-Za-z0-9._-]+\.eml")
_FORWARDED = frozenset({"forwarded", "x-forwarded-for", "x-real-ip"})
_PAGE_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
}


@dataclass(frozen=True, kw_only=True)
class KeptMail:
    """A mail of the folder; `received_at` is RFC 3339 in UTC, with milliseconds."""

    to: str
    subject: str
    text: str
    received_at: str

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.text)

    @property
    def pieces(self) -> list[dict[str, object]]:
        """The text cut at its links."""
        cut = _LINK.split(self.text)
        return [{"text": text, "is_link": index % 2 == 1} for index, text in enumerate(cut)]


def router(folder: Path) -> APIRouter:
    """The page and its JSON over the folder that `MAIL_URL=directory://...` names."""
    routes = APIRouter(include_in_schema=False, dependencies=[Depends(_asked_locally)])
    page = Environment(loader=FileSystemLoader(_HERE), autoescape=True).get_template(
        "mail_page.html"
    )

    @routes.get("/dev/mail")
    def mail_page() -> Response:
        return HTMLResponse(page.render(mails=kept_mails(folder)), headers=_PAGE_HEADERS)

    @routes.get("/dev/mail.css")
    def mail_style() -> Response:
        return Response((_HERE / "mail_page.css").read_text("utf-8"), media_type="text/css")

    @routes.get("/dev/mail.json")
    def mail_list() -> Response:
        mails = [
            {
                "to": mail.to,
                "subject": mail.subject,
                "text": mail.text,
                "links": mail.links,
                "received_at": mail.received_at,
            }
            for mail in kept_mails(folder)
        ]
        return JSONResponse({"data": mails}, headers={"cache-control": "no-store"})

    return routes


def kept_mails(folder: Path) -> list[KeptMail]:
    """The newest mails of the folder, newest first; a file of another kind is passed over."""
    newest_first = sorted(folder.glob("*.eml"), key=lambda path: path.name, reverse=True)
    return list(islice(_read(newest_first), LONGEST_LIST))


def _read(paths: Iterable[Path]) -> Iterator[KeptMail]:
    parser = BytesParser(policy=email.policy.default)
    for path in paths:
        named = _NAME.fullmatch(path.name)
        if named is None:
            continue
        try:
            message = parser.parsebytes(path.read_bytes())
        except FileNotFoundError:
            # Somebody tidies up at the same time.
            continue
        text = message.get_body(preferencelist=("plain",))
        # Milliseconds become microseconds, which is what strptime reads.
        received = datetime.strptime(f"{named[1]}000", "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
        yield KeptMail(
            to=str(message["To"]),
            subject=str(message["Subject"]),
            # Mail has CRLF; its readers do not want it.
            text="\n".join(text.get_content().splitlines()) if text is not None else "",
            received_at=received.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        )


def _asked_locally(request: Request) -> None:
    """Only this machine is answered: its peer, by its name, and not for somebody else.

    The links are as good as passwords. With `--host 0.0.0.0` others reach this page and may send
    any Host. A site elsewhere may let its own name lead a browser of this machine here (DNS
    rebinding). A proxy on this machine says for whom it asks.
    """
    here = _is_loopback(request.client) and _names_this_machine(request.headers.get("host", ""))
    if not here or _FORWARDED & set(request.headers):
        raise PermissionDenied(
            "Mails are shown to this machine only: open this as localhost, or read the files in the"
            " folder mail of the data folder."
        )


def _is_loopback(client: Address | None) -> bool:
    peer = client_address(peer=client and client.host, forwarded_for=(), trusted_hops=0)
    return ip_address(peer).is_loopback


def _names_this_machine(host: str) -> bool:
    with suppress(ValueError):
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ip_address(name).is_loopback
    return False
