"""Whose address a request comes from: X-Forwarded-For says what trusted proxies wrote, and nothing else counts."""

from ipaddress import ip_network

import pytest

from vestibule.protocol.caller import caller_address, network_of, site_of

TRUSTED = [ip_network("10.0.0.0/24"), ip_network("fd00::/8")]
PROXY, CALLER, LIE = "10.0.0.9", "198.51.100.7", "203.0.113.1"


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        (CALLER, [], CALLER),
        (CALLER, [LIE], CALLER),  # whoever is not our proxy may write what they like
        (CALLER, [PROXY], CALLER),
        (PROXY, [], PROXY),
        (PROXY, [CALLER], CALLER),
        (PROXY, [f"{LIE}, {CALLER}"], CALLER),  # the caller brought a header of its own
        (PROXY, [LIE, CALLER], CALLER),  # or a line of its own
        (PROXY, [f"{LIE}, {CALLER}, 10.0.0.8"], CALLER),  # two proxies of ours
        (PROXY, [f"{CALLER}, 10.0.0.8", "10.0.0.7"], CALLER),
        (PROXY, ["10.0.0.8"], "10.0.0.8"),
        (PROXY, [f"{LIE}, nonsense"], PROXY),
        (PROXY, [f"{LIE}, "], PROXY),
        (PROXY, [f"{LIE}, {CALLER}:1234"], PROXY),
        (PROXY, ["unknown"], PROXY),
        (PROXY, ["10.0.0.8, 0x7f.1, 10.0.0.7"], "10.0.0.7"),
        (PROXY, ["1" * 100_000], PROXY),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:10.0.0.9", [CALLER], CALLER),  # our proxy, on a socket for both families
        ("::ffff:198.51.100.7", [LIE], "::ffff:198.51.100.7"),
        ("", [LIE], ""),
        ("/run/socket", [LIE], "/run/socket"),
    ],
)
def test_the_caller_is_the_last_hop_that_is_none_of_our_proxies(
    peer: str, forwarded_for: list[str], address: str
) -> None:
    assert caller_address(peer, forwarded_for, TRUSTED) == address


def test_without_trusted_proxies_the_header_says_nothing() -> None:
    assert caller_address(PROXY, [LIE], []) == PROXY


@pytest.mark.parametrize(
    ("address", "network", "site"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:0DB8:1:2::", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("nonsense", "nonsense", "nonsense"),
        ("x" * 1000, "x" * 64, "x" * 64),
    ],
)
def test_whose_network_an_address_is_in(address: str, network: str, site: str) -> None:
    assert (network_of(address), site_of(address)) == (network, site)
