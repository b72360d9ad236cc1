"""The classifier against the registries of IANA, written down once more, and against `ipaddress`.

`test_addresses` tries the edges of each network; here is anything inside of one, bare or wrapped into another address.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from hypothesis import example, given
from hypothesis import strategies as st

from vestibule.outbound.addresses import AddressGuard, UnreadableHost, is_public, read_host

# iana-ipv4-special-registry and iana-ipv6-special-registry, all entries, and the multicast and reserved blocks of the
# address space registries. Azure's 168.63.129.16 is in no registry.
IANA_V4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29 "
        "192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.31.196.0/24 "
        "192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 "
        "224.0.0.0/4 240.0.0.0/4 255.255.255.255/32 168.63.129.16/32"
    ).split()
]
IANA_V6 = [
    IPv6Network(text)
    for text in (
        "::1/128 ::/128 ::ffff:0:0/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128 "
        "2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 "
        "2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8"
    ).split()
]
UNICAST_V6 = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")


def inside_v4(network: IPv4Network) -> st.SearchStrategy[IPv4Address]:
    return st.integers(int(network[0]), int(network[-1])).map(IPv4Address)


def inside_v6(network: IPv6Network) -> st.SearchStrategy[IPv6Address]:
    return st.integers(int(network[0]), int(network[-1])).map(IPv6Address)


SPECIAL_V4 = st.sampled_from(IANA_V4).flatmap(inside_v4)
SPECIAL_V6 = st.sampled_from(IANA_V6).flatmap(inside_v6)
ANY_V4 = st.integers(0, 2**32 - 1).map(IPv4Address) | SPECIAL_V4
ANY_V6 = st.integers(0, 2**128 - 1).map(IPv6Address) | SPECIAL_V6 | inside_v6(UNICAST_V6)


@given(SPECIAL_V4 | SPECIAL_V6)
def test_nothing_inside_a_special_network_is_public(address: IPv4Address | IPv6Address) -> None:
    assert not is_public(address)
    assert not AddressGuard().admits(str(address))


@given(ANY_V4)
@example(IPv4Address("192.0.0.9"))
def test_an_ipv4_address_is_public_outside_of_them(address: IPv4Address) -> None:
    assert is_public(address) is not any(address in network for network in IANA_V4)


@given(ANY_V6)
def test_an_ipv6_address_is_public_in_global_unicast_outside_of_them(address: IPv6Address) -> None:
    if address not in NAT64:
        assert is_public(address) is (address in UNICAST_V6 and not any(address in network for network in IANA_V6))


@given(ANY_V4, st.integers(0, 2**64 - 1))
def test_no_wrapping_opens_an_address(carried: IPv4Address, rest: int) -> None:
    number = int(carried)
    wrapped = {
        "mapped": IPv6Address(0xFFFF << 32 | number),
        "translated (RFC 2765)": IPv6Address(0xFFFF << 48 | number),
        "compatible": IPv6Address(number),
        "6to4": IPv6Address(0x2002 << 112 | number << 80 | rest),
        "Teredo, its server": IPv6Address(0x20010000 << 96 | number << 64 | rest),
        "Teredo, its client": IPv6Address(0x20010000 << 96 | rest << 32 & (2**96 - 1) | (number ^ 0xFFFFFFFF)),
        "NAT64, local": IPv6Address(0x0064FF9B0001 << 80 | rest & 0xFFFF << 32 | number),
        "ISATAP, link-local": IPv6Address(0xFE80 << 112 | 0x5EFE << 32 | number),
    }
    assert [kind for kind, address in wrapped.items() if is_public(address)] == []
    assert is_public(IPv6Address(int(NAT64[0]) | number)) is is_public(carried)
    for address in wrapped.values():
        assert address.ipv4_mapped is None or not AddressGuard([f"{address.ipv4_mapped}/32"]).admits(str(address))


@given(ANY_V4 | ANY_V6)
def test_what_is_admitted_does_not_hang_on_the_spelling(address: IPv4Address | IPv6Address) -> None:
    admitted = AddressGuard().admits(str(address))
    assert admitted is is_public(address)
    for spelling in (address.exploded, address.compressed, address.exploded.upper()):
        assert AddressGuard().admits(spelling) is admitted
    bracketed = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    assert read_host(bracketed) == address


@given(ANY_V4)
def test_an_address_in_another_notation_is_no_host(address: IPv4Address) -> None:
    number = int(address)
    head, tail = number >> 24, number & 0xFFFFFF
    for spelling in (str(number), hex(number), f"{head}.{tail}", f"{head:#x}.{tail}", f"0{number:o}", f"{address}.1"):
        try:
            read = read_host(spelling)
        except UnreadableHost:
            continue
        raise AssertionError(f"{spelling} was read as {read}")
