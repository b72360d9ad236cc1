"""The URL that names a client, or its keys: one spelling, and nothing in it that two programs read differently."""

import re
from urllib.parse import unquote

from vestibule.errors import InvalidClientMetadata

MAX_URL = 2048

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_AUTHORITY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{{0,4}})?")
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")


def check_client_id_url(url: str) -> str:
    """The same URL. Raises `InvalidClientMetadata` unless it can name a client.

    Stricter than the draft where it says SHOULD NOT (a query) or says nothing (a host in capitals): one client, one
    spelling, and no two programs that read it differently.
    """
    if len(url) > MAX_URL or not all("!" <= char <= "~" for char in url):
        raise InvalidClientMetadata(f"The client_id is a URL of at most {MAX_URL} ASCII characters.")
    if not url.startswith("https://"):
        raise InvalidClientMetadata("The client_id is an https URL.")
    if "#" in url or "?" in url:
        raise InvalidClientMetadata("The client_id has no query and no fragment.")
    authority, _, rest = url.removeprefix("https://").partition("/")
    if "@" in authority:
        raise InvalidClientMetadata("The client_id names a host, and no user.")
    if not _AUTHORITY.fullmatch(authority) or not _is_port(authority.rpartition("]")[2].partition(":")[2]):
        raise InvalidClientMetadata("The client_id names a host, in lower case, and a port if need be.")
    if not rest:
        raise InvalidClientMetadata("The client_id has a path.")
    if not _PATH.fullmatch(rest):
        raise InvalidClientMetadata("The client_id has a path of plain URL characters.")
    # Decoded first: %2e%2e is a dot segment to most servers, and %2f separates segments for some.
    if any(segment in (".", "..") for segment in re.split(r"[/\\]", unquote(rest))):
        raise InvalidClientMetadata("The client_id has no dot segments.")
    return url


def _is_port(text: str) -> bool:
    return not text or int(text) < 65536
