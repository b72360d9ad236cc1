"""Which hosts and addresses a stranger's URL may lead to."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.outbound.addresses import (
    _SPECIAL_V4,
    AddressGuard,
    UnreadableHost,
    is_private_name,
    is_public,
    read_host,
)

SPECIAL = (
    # The first and the last address of every special-use network of IANA's IPv4 registry, and some metadata services.
    "0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255 127.0.0.0 127.0.0.1 "
    "127.255.255.255 168.63.129.16 169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0 "
    "192.0.0.9 192.0.0.192 192.0.0.255 192.0.2.0 192.0.2.255 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.0 "
    "192.168.255.255 192.175.48.1 198.18.0.0 198.19.255.255 198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255 "
    "224.0.0.0 224.0.1.1 239.255.255.255 240.0.0.0 255.255.255.254 255.255.255.255 "
    # And of the IPv6 one.
    ":: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:93.184.216.34 ::93.184.216.34 64:ff9b:: 64:ff9b::127.0.0.1 "
    "64:ff9b::a9fe:a9fe 64:ff9b::10.0.0.1 64:ff9b::c0a8:1 64:ff9b:1::1 64:ff9b:1:ffff::808:808 100::1 100:0:0:1::1 "
    "2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1::1 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 "
    "2001:30::1 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff 2001:db8::1 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff "
    "2002:7f00:1:: 2002:5db8:d822::1 2620:4f:8000::1 3fff::1 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff 4000::1 5f00::1 "
    "fc00::1 fd00::1 fd00:ec2::254 fdff::1 fe80::1 febf::1 fec0::1 ff00::1 ff02::1 "
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
).split()

PUBLIC = (
    # Right beside them.
    "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17 "
    "169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.1.255 192.0.3.0 "
    "192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 "
    "223.255.255.255 1.1.1.1 8.8.8.8 93.184.216.34 "
    "2000:: 2001:200::1 2001:4860:4860::8888 2001:db7:ffff::1 2001:db9::1 2003::1 2606:4700:4700::1111 2620:4f:7fff::1 "
    "2620:4f:8001::1 2a00:1450:4001:82a::200e 3ffe:ffff::1 3fff:1000::1 "
    "64:ff9b::93.184.216.34"  # an IPv4 host, seen from a network that has IPv6 only
).split()

v4 = st.integers(0, 2**32 - 1).map(IPv4Address)
v6 = st.integers(0, 2**128 - 1).map(IPv6Address)


@pytest.mark.parametrize("address", SPECIAL)
def test_special_use_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not AddressGuard().admits(address)


@pytest.mark.parametrize("address", [address for address in SPECIAL if "." in address and ":" not in address])
def test_the_table_knows_them_without_python(address: str) -> None:
    assert any(IPv4Address(address) in network for network in _SPECIAL_V4)


@pytest.mark.parametrize("address", PUBLIC)
def test_their_neighbours_are(address: str) -> None:
    assert is_public(ip_address(address))
    assert AddressGuard().admits(address)


@given(v4 | v6)
def test_never_more_open_than_python(address: IPv4Address | IPv6Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_private


@pytest.mark.parametrize("address", ["192.88.99.1", "224.0.1.1", "168.63.129.16", "2002:7f00:1::", "::ffff:1.1.1.1"])
def test_python_alone_would_not_do(address: str) -> None:
    """Why there is a table: `is_global` says yes to each of these in some version that we run on."""
    assert not is_public(ip_address(address))


@given(v4)
def test_an_address_in_an_address_is_refused_or_judged_by_what_it_carries(carried: IPv4Address) -> None:
    number = int(carried)
    for wrapped in (
        IPv6Address(number),  # compatible
        IPv6Address(0xFFFF << 32 | number),  # mapped
        IPv6Address(0x2002 << 112 | number << 80),  # 6to4
        IPv6Address(0x20010000 << 96 | (number ^ 0xFFFFFFFF)),  # Teredo
        IPv6Address(0x0064FF9B0001 << 80 | number),  # local-use NAT64
    ):
        assert not is_public(wrapped)
    assert is_public(IPv6Address(0x0064FF9B << 96 | number)) == is_public(carried)


# --- what the operator opens ----------------------------------------------------------------------------------------


def test_an_opened_network_is_open_and_nothing_beside_it() -> None:
    guard = AddressGuard(["10.20.0.0/16", "fd00:1::/32"])
    assert all(guard.admits(address) for address in ("10.20.0.1", "10.20.255.255", "fd00:1::5", "1.1.1.1"))
    refused = ("10.21.0.1", "10.19.255.255", "127.0.0.1", "fd00:2::1", "::ffff:10.20.0.1", "64:ff9b::10.20.0.1")
    assert not any(guard.admits(address) for address in refused)


@pytest.mark.parametrize(
    "text", ["", "localhost", "10.0.0.0/8", "2606:4700::1%eth0", "fe80::1%1", "010.0.0.1", " 1.1.1.1"]
)
def test_what_is_not_an_address_is_not_admitted(text: str) -> None:
    assert not AddressGuard(["0.0.0.0/0", "::/0"]).admits(text)


@pytest.mark.parametrize("network", ["10.0.0.1/8", "everything", "10.0.0.0/33", ""])
def test_a_network_that_is_none_is_refused_when_it_is_given(network: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        AddressGuard([network])


# --- reading a host -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "read"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.Com.", "example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1e3.example", "1e3.example"),
        ("0.example", "0.example"),
        ("127.0.0.1", IPv4Address("127.0.0.1")),
        ("127.0.0.1.", IPv4Address("127.0.0.1")),
        ("93.184.216.34", IPv4Address("93.184.216.34")),
        ("[::1]", IPv6Address("::1")),
        ("[2606:4700::1111]", IPv6Address("2606:4700::1111")),
        ("[::FFFF:127.0.0.1]", IPv6Address("::ffff:127.0.0.1")),
    ],
)
def test_the_one_reading_of_a_host(host: str, read: object) -> None:
    assert read_host(host) == read


@pytest.mark.parametrize(
    "host",
    [
        *("127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.0.0.01"),
        *("00.0.0.0", "256.0.0.1", "1.2.3.4.5", "1.2.3.0x4", "example.0x7f", "example.1", "0x", "1", "127.0.0.1.."),
        *("１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1", "ⓛocalhost", "exämple.com", "%31%32%37.0.0.1", "localhost%00"),
        "\u212aube.example",  # KELVIN SIGN: k in lower case
        *(
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "-a.example",
            "a-.example",
            "a_b.example",
            "a b",
            "a\n",
            "a/b",
            "a@b",
            "a:80",
            "*",
        ),
        *("::1", "[::1", "::1]", "[]", "[::1%25lo]", "[fe80::1%eth0]", "[127.0.0.1]", "[v1.x]", "[example.com]"),
        *("x" * 64 + ".example", ".".join(["abcdefgh"] * 29)),
    ],
)
def test_a_host_that_can_be_read_in_two_ways_is_refused(host: str) -> None:
    with pytest.raises(UnreadableHost):
        read_host(host)


@given(
    st.text(alphabet="0123456789abfx.", min_size=1, max_size=20) | st.from_regex(r"[0-9x.]{1,12}\.?", fullmatch=True)
)
def test_the_c_library_reads_it_alike(host: str) -> None:
    """What passes as a name is no address to inet_aton, and what passes as an address is that address to it."""
    try:
        read = read_host(host)
    except UnreadableHost:
        return
    if isinstance(read, str):
        with pytest.raises(OSError, match="illegal"):
            socket.inet_aton(read)
    else:
        assert socket.inet_aton(host.removesuffix(".")) == read.packed


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9.-]{1,40}", fullmatch=True))
def test_reading_again_changes_nothing(host: str) -> None:
    try:
        read = read_host(host)
    except UnreadableHost:
        return
    again = f"[{read}]" if isinstance(read, IPv6Address) else str(read)
    assert read_host(again) == read


@pytest.mark.parametrize(
    "name",
    [
        *("localhost", "app.localhost", "metadata.google.internal", "metadata", "instance-data", "printer.local"),
        *("kubernetes.default.svc", "db.default.svc.cluster.local", "router.home.arpa", "wiki.corp", "nas.lan"),
    ],
)
def test_names_of_our_own_network(name: str) -> None:
    assert is_private_name(name)


@pytest.mark.parametrize("name", ["example.com", "internal.example", "localhost.example", "local.dev", "claude.ai"])
def test_other_names(name: str) -> None:
    assert not is_private_name(name)
