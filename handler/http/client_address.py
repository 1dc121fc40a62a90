"""Whose address a request came from: one rule for both targets, whatever stands in front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104  nothing listens here; "this host", RFC 1122 3.2.1.3
"""The peer when there is none to see: an ALB that invokes a function tells no address of its own.

Not 127.0.0.1, which some code trusts; nobody connects from this one.
"""

TRUSTED_HOPS = "user_api.trusted_hops"
"""Key of an ASGI scope: the number of trusted proxies, where the server knows it itself."""

_LONGEST = 64  # of an address with brackets, zone and port


def scope_client_address(scope: Mapping[str, Any], trusted_hops: int) -> str:
    """The client's canonical address for an ASGI http scope.

    `trusted_hops` is the setting TRUSTED_PROXY_HOPS; the scope's own TRUSTED_HOPS wins over it.
    """
    client = scope.get("client")
    return client_address(
        peer=client[0] if client else None,
        forwarded_for=[value for name, value in scope["headers"] if name == b"x-forwarded-for"],
        trusted_hops=scope.get(TRUSTED_HOPS, trusted_hops),
    )


def client_address(*, peer: str | None, forwarded_for: Sequence[bytes], trusted_hops: int) -> str:
    """The address that the outermost trusted proxy saw, in canonical form.

    Every trusted proxy appended one entry to X-Forwarded-For, so the client is entry number
    `trusted_hops` from the right; what stands left of it was sent by the client and may be
    spoofed (authentik CVE-2023-36456). With fewer entries than hops the leftmost one is taken.
    Junk is passed over towards the right, which only trusted proxies wrote, and at last comes
    the peer. `forwarded_for` holds the header's values in the order of their lines.
    """
    entries: list[str] = []
    if trusted_hops > 0 and forwarded_for:
        joined = b",".join(forwarded_for).decode("latin-1")
        entries = joined.rsplit(",", trusted_hops)[-trusted_hops:]
    for text in (*entries, peer or ""):
        address = _parse(text)
        if address is not None:
            return str(address)
    return UNKNOWN_ADDRESS


def address_bucket(address: str) -> str:
    """What a limit counts by: IPv4 whole, IPv6 by its /64, in canonical form (CVE-2026-45364).

    One subscriber holds a whole /64, and one address has many spellings. Raises ValueError when
    `address` is none.
    """
    parsed = _parse(address)
    if parsed is None:
        raise ValueError("not an IP address")
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(IPv6Network((parsed, 64), strict=False))


def site_of(address: str) -> str | None:
    """The /48 around an IPv6 address, which a limit counts beside its bucket; None for IPv4.

    A site has up to a /48 (RFC 6177 section 2): 65,536 buckets. Raises ValueError when `address` is
    none.
    """
    parsed = _parse(address)
    if parsed is None:
        raise ValueError("not an IP address")
    if isinstance(parsed, IPv4Address):
        return None
    return str(IPv6Network((parsed, 48), strict=False))


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """An entry as proxies write it: `192.0.2.1:80`, `[2001:db8::1]:80`, port and zone or not."""
    text = text.strip(" \t")
    if not text or len(text) > _LONGEST:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
