"""Which hosts and addresses a URL that a stranger wrote may lead to: public ones, and what the operator opened.

A host is read once, in one way: as an address or as a name, and a spelling that resolvers and libraries read in
different ways is neither (`127.1`, `0x7f000001`, `2130706433`, full-width digits, escapes). The table of special-use
networks is written out from the IANA registries (RFC 6890 and its updates), because "not private" has meant different
things in different versions of Python; what Python's own table adds counts as well.

Resolving and connecting is not done here: see `resolver` and `fetcher`.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_SPECIAL_V4: tuple[IPv4Network, ...] = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared (carrier-grade NAT), and Alibaba's metadata
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's platform, seen from inside a virtual machine: public by its number only
            "169.254.0.0/16",  # link-local, and most clouds' metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # IETF protocol assignments, and Oracle's metadata
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relay
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
# Only 2000::/3 is global unicast at all: loopback, mapped and compatible IPv4, 100::/64, 64:ff9b:1::/48, fc00::/7,
# fe80::/10, fec0::/10 and ff00::/8 are outside of it. Within it these are special.
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6: tuple[IPv6Network, ...] = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID, AMT
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: carries an IPv4 address
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)
# The well-known prefix of NAT64 (RFC 6052). A host in an IPv6-only network sees every IPv4 host through it, so it is
# judged by the IPv4 address in its last 32 bits. All other addresses that carry one are refused: no web server needs
# them.
_NAT64 = IPv6Network("64:ff9b::/96")

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ADDRESS_V4 = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")

# Names that mean something only inside somebody's network (RFC 6761, RFC 6762, RFC 8375, RFC 9476 and habit).
_PRIVATE_SUFFIXES = frozenset(
    "localhost local internal localdomain arpa lan intranet corp home private onion alt svc consul".split()
)


class UnreadableHost(ValueError):
    """The host can be read in more than one way, or in none."""


def read_host(host: str) -> Address | str:
    """The one reading of a URL's host: an address, or a name in lower case without the root's dot.

    `host` is what stands between `//` and the port, an IPv6 address in its brackets. Raises `UnreadableHost`.
    """
    if host.startswith("[") and host.endswith("]"):
        return _read_v6(host[1:-1])
    name = host.lower().removesuffix(".")
    labels = name.split(".")
    if not host.isascii() or len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UnreadableHost(f"{host[:100]!r} is not a host name")
    if _NUMBER.fullmatch(labels[-1]):  # inet_aton would make an address of it, whatever stands before
        return _read_v4(name)
    return name


def _read_v4(text: str) -> IPv4Address:
    try:
        if _ADDRESS_V4.fullmatch(text):
            return IPv4Address(text)
    except ValueError:
        pass
    raise UnreadableHost(f"{text[:100]!r} is a number that some read as an address")


def _read_v6(text: str) -> IPv6Address:
    try:
        if "%" not in text:  # no zone: it would choose an interface of ours
            return IPv6Address(text)
    except ValueError:
        pass
    raise UnreadableHost(f"{text[:100]!r} is not an IPv6 address")


def is_private_name(name: str) -> bool:
    """Whether a name (as `read_host` gives it) can only mean something of our own network: it is not even resolved."""
    *rest, last = name.split(".")
    return not rest or last in _PRIVATE_SUFFIXES


def is_public(address: Address) -> bool:
    """Whether the address is global unicast, by the registries."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _SPECIAL_V4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _GLOBAL_V6 and address.is_global and not any(address in network for network in _SPECIAL_V6)


class AddressGuard:
    """`is_public`, and the networks that the operator opened by name."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """`allowed`: CIDR networks. Raises ValueError for anything else."""
        self._allowed: tuple[Network, ...] = tuple(map(ip_network, allowed))

    @property
    def opens_networks(self) -> bool:
        return bool(self._allowed)

    def opens(self, address: Address) -> bool:
        """Whether the operator opened it."""
        return any(address in network for network in self._allowed if network.version == address.version)

    def admits(self, address: str) -> bool:
        """Whether we may connect to it. What is not an address, or has a zone, is not admitted."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return "%" not in address and (is_public(parsed) or self.opens(parsed))
