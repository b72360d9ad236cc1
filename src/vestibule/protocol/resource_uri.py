"""Whether the URI of a resource has one spelling only: the one in which rules know it.

Servers read a URI before they look it up: TypeScript's SDK by `new URL(…)`, Python's of the earlier eras by pydantic,
both by the WHATWG's rules. They make `FILE:///a/../secret` the `file:///secret` that a rule denies. Whoever decides
must not read otherwise, so what they would write in another way is taken from nobody.
Source: RFC 3986 §6.2.2 and §6.2.3; the URL Standard §4.4 for the schemes that it calls special.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

_URI = re.compile(r"([a-z][a-z0-9+.-]*):((?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-F]{2})+)")
_PLAIN_LETTER = re.compile(r"%(?:4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A]|3[0-9]|2[DE]|5F|7E)")  # need not be encoded
_DOTS = re.compile(r"(?:^|/)\.\.?(?:/|$)")
_AUTHORITY = re.compile(r"//([a-z0-9._-]*|\[[0-9a-f:]+\])(?::([1-9][0-9]{0,4}))?/.*")
_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21", "file": None}


def has_one_spelling(uri: str) -> bool:
    found = _URI.fullmatch(uri)
    if found is None or _PLAIN_LETTER.search(uri):
        return False
    scheme, rest = found.groups()
    if _DOTS.search(re.split(r"[?#]", rest, maxsplit=1)[0]):
        return False
    return scheme not in _PORTS or _is_special(scheme, rest)


def _is_special(scheme: str, rest: str) -> bool:
    found = _AUTHORITY.fullmatch(rest)
    if found is None:
        return False
    host, port = found.groups()
    if scheme == "file":  # an empty segment is nothing to a file system
        return host != "localhost" and port is None and "//" not in rest.removeprefix("//")
    return bool(host) and port != _PORTS[scheme] and _is_plain_host(host)


def _is_plain_host(host: str) -> bool:
    """A name, or an address as it is usually written: 0x7f.1 is 127.0.0.1 to some."""
    try:
        if host.startswith("["):
            return str(IPv6Address(host[1:-1])) == host[1:-1]
        return not host.rstrip(".").rpartition(".")[2][:1].isdigit() or bool(IPv4Address(host))
    except AddressValueError:
        return False
