"""Limits and audit name the address that the trusted proxy saw, whatever the client claims."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.http.client_address import (
    TRUSTED_HOPS,
    UNKNOWN_ADDRESS,
    address_bucket,
    client_address,
    scope_client_address,
    site_of,
)

ADDRESSES = st.ip_addresses().filter(lambda address: not getattr(address, "ipv4_mapped", None))


def resolve(*lines: bytes, peer: str | None = "10.0.0.9", hops: int = 1) -> str:
    return client_address(peer=peer, forwarded_for=lines, trusted_hops=hops)


@given(spoofed=st.lists(st.binary(max_size=200), max_size=5), client=ADDRESSES)
def test_a_client_cannot_choose_its_address(
    spoofed: list[bytes], client: IPv4Address | IPv6Address
) -> None:
    """Whatever X-Forwarded-For a client sends, the entry that the ALB appended is taken.

    authentik CVE-2023-36456.
    """
    appended = b"%s, %s" % (spoofed[-1], str(client).encode()) if spoofed else str(client).encode()
    assert resolve(*spoofed[:-1], appended) == str(client)
    assert resolve(*spoofed, str(client).encode()) == str(client)


def test_without_a_trusted_proxy_the_header_is_ignored() -> None:
    """With TRUSTED_PROXY_HOPS=0 only the TCP peer counts."""
    assert resolve(b"203.0.113.7", hops=0) == "10.0.0.9"


def test_two_trusted_proxies() -> None:
    """With a CDN before the ALB the address is the one that the CDN saw."""
    assert resolve(b"6.6.6.6, 203.0.113.7, 198.51.100.1", hops=2) == "203.0.113.7"
    assert resolve(b"6.6.6.6", b"203.0.113.7", b"198.51.100.1", hops=2) == "203.0.113.7"


def test_fewer_entries_than_hops() -> None:
    """A request that skipped a proxy is taken for its leftmost entry, or else for the peer."""
    assert resolve(b"203.0.113.7", hops=3) == "203.0.113.7"
    assert resolve(b"junk, 203.0.113.7", hops=3) == "203.0.113.7"
    assert resolve(hops=3) == "10.0.0.9"


JUNK = (
    b"|  |unknown|_hidden|999.1.1.1|010.0.0.1|[|[]:80|::1::|1.2.3.4.5|\xff\xfe|<script>|1.2.3.4/8"
    b"|0x7f.1|127.1|\xd9\xa1.1.1.1"
)


@pytest.mark.parametrize("junk", [*JUNK.split(b"|"), b"1" * 5000])
def test_junk_falls_back_to_the_peer(junk: bytes) -> None:
    """An entry that is no address never reaches a limit, a log or the audit trail."""
    assert resolve(junk) == "10.0.0.9"
    assert resolve(junk, peer=None) == UNKNOWN_ADDRESS
    assert resolve(b"203.0.113.7, " + junk, hops=2) == "203.0.113.7"
    assert resolve(junk + b", 203.0.113.7", hops=2) == "203.0.113.7"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (b"203.0.113.7:51234", "203.0.113.7"),
        (b"\t203.0.113.7 ", "203.0.113.7"),
        (b"2001:DB8:0:0::1", "2001:db8::1"),
        (b"[2001:db8::1]", "2001:db8::1"),
        (b"[2001:db8::1]:443", "2001:db8::1"),
        (b"::ffff:203.0.113.7", "203.0.113.7"),
        (b"[::FFFF:cb00:7107]:443", "203.0.113.7"),
        (b"fe80::1%eth0", "fe80::1"),
    ],
)
def test_every_spelling_gives_one_form(written: bytes, canonical: str) -> None:
    """One client is one address however a proxy writes it: no limit is slipped by a spelling."""
    assert resolve(written) == canonical
    assert resolve(peer=written.decode()) == canonical


def test_the_same_client_on_both_targets() -> None:
    """A pod behind the ALB, a function behind the ALB and a function URL name the same client."""
    client, spoofed = "203.0.113.7", b"6.6.6.6"
    via_alb = [(b"host", b"x"), (b"x-forwarded-for", spoofed + b", " + client.encode())]
    pod = {"client": ("10.0.0.9", 40112), "headers": via_alb}
    function = {"client": (UNKNOWN_ADDRESS, 0), "headers": via_alb}
    url = {"client": (client, 0), "headers": [(b"x-forwarded-for", spoofed)], TRUSTED_HOPS: 0}
    no_peer = {"client": None, "headers": via_alb}
    assert {scope_client_address(scope, 1) for scope in (pod, function, url, no_peer)} == {client}


def test_an_albs_own_health_check_has_no_address() -> None:
    """The ALB's health check of a function carries no X-Forwarded-For and is still answered."""
    scope = {"client": (UNKNOWN_ADDRESS, 0), "headers": []}
    assert scope_client_address(scope, 1) == UNKNOWN_ADDRESS
    assert address_bucket(UNKNOWN_ADDRESS) == UNKNOWN_ADDRESS


@given(network=st.ip_addresses(v=6), host=st.integers(0, 2**64 - 1))
def test_one_ipv6_subscriber_is_one_bucket(network: IPv6Address, host: int) -> None:
    """Limits count an IPv6 /64 as one, in any spelling (CVE-2026-45364)."""
    prefix = int(network) >> 64 << 64
    first, other = IPv6Address(prefix | 2**63), IPv6Address(prefix | host)
    if first.ipv4_mapped or other.ipv4_mapped:
        return
    assert address_bucket(other.exploded.upper()) == address_bucket(str(first))
    assert ip_address(other) in ip_network(address_bucket(str(other)))


@given(site=st.ip_addresses(v=6), rest=st.integers(0, 2**80 - 1))
def test_one_ipv6_site_is_one_network(site: IPv6Address, rest: int) -> None:
    """All 65,536 buckets of a /48, in any spelling; the next /48 is another."""
    prefix = int(site) >> 80 << 80
    first, other = IPv6Address(prefix | 2**79), IPv6Address(prefix | rest)
    if first.ipv4_mapped or other.ipv4_mapped:
        return
    found = site_of(other.exploded.upper())
    assert found is not None
    assert found == site_of(str(first)) == site_of(f"[{first}]:443")
    assert found != site_of(str(IPv6Address((prefix ^ 2**80) | 2**79)))
    assert ip_address(other) in ip_network(found)
    assert ip_network(address_bucket(str(other))).subnet_of(ip_network(found))  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["203.0.113.7", "::ffff:203.0.113.7", UNKNOWN_ADDRESS])
def test_ipv4_has_no_wider_network(address: str) -> None:
    """Its addresses are dear, and neighbours are strangers."""
    assert site_of(address) is None


def test_ipv4_is_counted_whole() -> None:
    """Two neighbours in IPv4 do not share a limit, and the mapped form is the same client."""
    assert address_bucket("203.0.113.7") == "203.0.113.7"
    assert address_bucket("::ffff:203.0.113.7") == "203.0.113.7"
    assert address_bucket("203.0.113.8") != address_bucket("203.0.113.7")


def test_a_bucket_of_nothing_is_refused() -> None:
    """A bucket is never made from text that is no address."""
    with pytest.raises(ValueError, match="not an IP address"):
        address_bucket("unknown")
    with pytest.raises(ValueError, match="not an IP address"):
        site_of("unknown")
