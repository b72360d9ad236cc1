"""Where the messages to an HTTP+SSE server go: what its `endpoint` event says, and how far that is believed.

Source: MCP 2024-11-05, transports, "HTTP with SSE". The URI may be relative. Whoever chooses it chooses who gets our
credential and the messages, so it may only name the origin that the stream itself came from.
"""

import re
from urllib.parse import urljoin, urlsplit

_URI = re.compile(rb"[\x21-\x7e]{1,2048}")
_PORTS = {"http": 80, "https": 443}


def message_url(stream_url: str, said: bytes) -> str | None:
    """The URL that `said` names, beside the stream's; None when it is no address, or one of another origin."""
    if not _URI.fullmatch(said) or b"\\" in said or b"#" in said:
        return None
    url = urljoin(stream_url, said.decode("ascii"))
    try:
        is_same = _origin(url) == _origin(stream_url)
    except ValueError:
        return None
    return url if is_same and "@" not in urlsplit(url).netloc else None


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
