"""Hosts, URLs and networks as the file writes them, and which of them are this computer only."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

from vestibule.config.values import wrong

Network = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
WIDEST = {4: 8, 6: 7}
"""Shorter prefixes than these are more than any one organisation has: 10.0.0.0/8 and fc00::/7 are the widest."""


def is_loopback_host(host: str) -> bool:
    """Whether a host name or address leads to this computer only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def split_http_url(url: str) -> SplitResult | None:
    """The parts of an absolute http or https URL; None when it is not one that everybody would read alike."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.netloc.rpartition("@")[2]
    host = host if port is None else host.rpartition(":")[0]
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or port == 0:
        return None
    return parts if url.isascii() and url.isprintable() and " " not in url and "\\" not in url else None


def read_listen(listen: str) -> str:
    host, colon, port = listen.rpartition(":")
    if not colon or not _HOST.fullmatch(host) or not port.isdecimal() or int(port) > 65535:
        raise wrong("it is not HOST:PORT", "write it as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080")
    return listen


def read_public_url(url: str) -> str:
    """An issuer that clients can compare to the letter (RFC 8414 §2)."""
    parts = split_http_url(url)
    if parts is None or "@" in parts.netloc:
        raise wrong("it is not an https URL", "write https://host or https://host/path")
    if "?" in url or "#" in url:
        raise wrong("an issuer has no query and no fragment (RFC 8414 §2)", "remove it")
    if url.endswith("/"):
        raise wrong("clients compare the issuer to the letter, and it ends with a slash", "remove the slash")
    if "//" in parts.path or "/." in parts.path or "%" in parts.path:
        raise wrong("its path can be written in several ways", "use letters, digits and hyphens between the slashes")
    if parts.netloc != parts.netloc.lower():
        raise wrong("its host is not in lower case", "write it in lower case")
    if parts.port == {"http": 80, "https": 443}[parts.scheme]:
        raise wrong("it names the port that goes without saying", f"remove :{parts.port}")
    if parts.scheme == "http" and not is_loopback_host(parts.hostname or ""):
        raise wrong("tokens would travel in clear: it is http and not loopback", "use https")
    return url


def read_upstream_url(url: str) -> str:
    parts = split_http_url(url)
    if parts is None or "#" in url:
        raise wrong("it is not an http or https URL", "write http://host:port/path")
    if "@" in parts.netloc:
        raise wrong("a password does not stand in a URL: it ends up in logs", "use credential: {kind: static, …}")
    if parts.query:
        raise wrong("the query of a request is the client's", "remove it; what opens the upstream goes to credential")
    return url


def read_issuer(url: str) -> str:
    """A provider's issuer, to the letter of its own documents; a slash at its end may belong to it."""
    parts = split_http_url(url)
    if parts is None or "?" in url or "#" in url or "@" in parts.netloc:
        raise wrong("it is not an issuer: an https URL without query and fragment", "copy it from the provider")
    if parts.scheme == "http" and not is_loopback_host(parts.hostname or ""):
        raise wrong("an issuer off this computer is https", "use https")
    if "/.well-known/" in parts.path:
        raise wrong("it is the address of the discovery document", "cut it off before /.well-known/")
    if parts.hostname == "login.microsoftonline.com" and re.match(r"/(common|organizations|consumers)/", parts.path):
        raise wrong(
            "everybody with a Microsoft account could sign in: it is no one tenant's issuer",
            "write https://login.microsoftonline.com/<your tenant's id>/v2.0",
        )
    return url


def read_https_url(url: str) -> str:
    """Where a document stands; empty for nowhere."""
    parts = split_http_url(url) if url else None
    if url and (parts is None or "#" in url or "@" in parts.netloc):
        raise wrong("it is not an https URL", "write https://host/path")
    if parts is not None and parts.scheme == "http" and not is_loopback_host(parts.hostname or ""):
        raise wrong("an address off this computer is https", "use https")
    return url


def read_origin(origin: str) -> str:
    if "*" in origin or origin == "null":
        raise wrong("every web page could call this server in the name of whoever looks at it", "name each origin")
    parts = split_http_url(origin)
    if parts is None or origin != f"{parts.scheme}://{parts.netloc}" or "@" in origin or origin != origin.lower():
        raise wrong("it is not an origin", "write https://host or https://host:port, in lower case")
    return origin


def read_network(network: str) -> str:
    """A CIDR network, or one address; not one that is everybody's (CVE-2026-76835)."""
    if network.strip() == "*":
        raise _everybody()
    try:
        parsed: Network = ip_network(network)
    except ValueError:
        raise wrong("it is not a network", "write it as 10.0.0.0/8, fd00::/8 or 192.0.2.7") from None
    if is_everybody(parsed):
        raise _everybody()
    return network


def is_everybody(network: Network) -> bool:
    if isinstance(network, IPv6Network) and network.overlaps(_MAPPED):  # ::ffff:0:0/96 is all of IPv4
        return network.prefixlen < 96 + WIDEST[4]
    return network.prefixlen < WIDEST[network.version]


def _everybody() -> Exception:
    return wrong("it is nearly everybody, not a network of yours", "name the addresses of your own machines")


Listen = Annotated[str, AfterValidator(read_listen)]
PublicUrl = Annotated[str, AfterValidator(read_public_url)]
UpstreamUrl = Annotated[str, AfterValidator(read_upstream_url)]
IssuerUrl = Annotated[str, AfterValidator(read_issuer)]
HttpsOrLoopbackUrl = Annotated[str, AfterValidator(read_https_url)]
Origin = Annotated[str, AfterValidator(read_origin)]
NetworkText = Annotated[str, AfterValidator(read_network)]
