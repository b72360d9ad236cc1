"""Whose address a request comes from, and whose network that is.

X-Forwarded-For counts only as far as trusted proxies wrote it: each appends whom it was called by, so the list is read
from its end, and what stands before the first hop that is none of ours is anybody's invention.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Networks = Sequence[IPv4Network | IPv6Network]


def caller_address(peer: str, forwarded_for: Sequence[str], trusted: Networks) -> str:
    """The caller's address. `peer`: who is connected; `forwarded_for`: the values of its X-Forwarded-For headers."""
    if not trusted or not is_one_of(peer, trusted):
        return peer
    for hop in reversed([hop.strip() for value in forwarded_for for hop in value.split(",")]):
        if _parsed(hop) is None:
            break
        peer = hop
        if not is_one_of(hop, trusted):
            break
    return peer


@lru_cache(maxsize=8192)
def network_of(address: str) -> str:
    """Whom an address belongs to, as far as it can be told: an IPv6 caller has its /64 to itself."""
    return _network(address, 64)


@lru_cache(maxsize=1024)
def site_of(address: str) -> str:
    """Whose networks these may all be: a customer's IPv6 /48 has 65,536 of them."""
    return _network(address, 48)


def _network(address: str, bits: int) -> str:
    parsed = _parsed(address)
    if parsed is None:
        return address[:64]
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return f"{IPv6Address(int(parsed) >> (128 - bits) << (128 - bits))}/{bits}"


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An IPv4 address in IPv6's clothes (::ffff:192.0.2.1) is the IPv4 address."""
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def is_one_of(address: str, networks: Networks) -> bool:
    """Whether an address is in one of the networks; what is no address is in none."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks if network.version == parsed.version)
