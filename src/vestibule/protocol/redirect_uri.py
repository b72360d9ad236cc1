"""Which redirect URIs a client may have, and which of them an authorization request may use.

Having one: https on a named host, http on loopback only, or a private-use scheme with a dot or a known one (RFC 8252
§7.1); no fragment, no wildcard, no user info, nothing a browser would run. Using one: exact string comparison (RFC
9700 §2.1); a loopback URI may differ in its port, and in nothing else (RFC 8252 §7.3).
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, quote, urlsplit

from vestibule.errors import InvalidRedirectUri

MAX_LENGTH = 2048

# Claude Code registers http://localhost/callback without a port and then asks with one; RFC 8252 covers only IP
# literals, so the name needs its own case. 127.0.0.1 and localhost are still two different hosts.
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})

_LOOPBACK = re.compile(r"http://(?P<host>localhost|127\.0\.0\.1|\[::1\])(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?].*)?\Z")

# Schemes that a browser or an operating system interprets by itself: a code sent there runs, opens or leaks.
_DANGEROUS_SCHEMES = frozenset(
    "javascript data vbscript file about blob view-source filesystem chrome resource jar ws wss ftp mailto tel sms "
    "intent content ms-settings ms-msdt search-ms shell cid mid urn".split()
)

# Desktop programs that registered a scheme before RFC 8252 asked for a reverse domain name in it.
_KNOWN_APP_SCHEMES = frozenset({"cursor", "vscode", "vscode-insiders", "windsurf", "zed", "claude", "goose", "raycast"})

_RESPONSE_PARAMETERS = frozenset({"code", "state", "iss", "error", "error_description", "error_uri"})


def check_registrable(uri: str) -> None:
    """Raise `InvalidRedirectUri` unless a client may have this redirect URI."""
    if not uri or len(uri) > MAX_LENGTH:
        raise InvalidRedirectUri(f"A redirect URI has 1 to {MAX_LENGTH} characters.")
    if any(not 0x21 <= ord(char) <= 0x7E or char in '\\"<>^`{|}' for char in uri):
        raise InvalidRedirectUri("A redirect URI has only the characters of RFC 3986: no spaces, no raw Unicode.")
    if "*" in uri:
        raise InvalidRedirectUri("A redirect URI has no wildcards.", action="Register each URI by itself.")
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise InvalidRedirectUri("The redirect URI cannot be read as a URI.") from error
    if "#" in uri:
        raise InvalidRedirectUri("A redirect URI has no fragment (RFC 6749 §3.1.2).")
    if "@" in parts.netloc:
        raise InvalidRedirectUri("A redirect URI has no user information before its host.")
    _check_query(parts.query)
    scheme = parts.scheme.lower()
    if scheme != uri[: len(scheme)]:
        raise InvalidRedirectUri("Write the scheme of the redirect URI in lower case.")
    if scheme == "https":
        if not parts.hostname or port == 0:
            raise InvalidRedirectUri("An https redirect URI names a host.")
    elif scheme == "http":
        if not is_loopback(uri) or (port is not None and not 0 < port < 65536):
            raise InvalidRedirectUri(
                "An http redirect URI leads to this computer only: 127.0.0.1, [::1] or localhost.",
                action="Use https for every other host.",
            )
    elif scheme in _DANGEROUS_SCHEMES or not ("." in scheme or scheme in _KNOWN_APP_SCHEMES):
        raise InvalidRedirectUri(
            "This scheme is not allowed in a redirect URI.",
            action="Use https, http on loopback, or a private-use scheme named after a domain you own, "
            "as in com.example.app:/callback (RFC 8252 §7.1).",
        )


def _check_query(query: str) -> None:
    names = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    if names & _RESPONSE_PARAMETERS:
        # It would shadow ours, or stand beside it: two `code` parameters are read differently by different clients.
        raise InvalidRedirectUri("A redirect URI's query has none of code, state, iss, error.")


def match_redirect_uri(requested: str, registered: Sequence[str]) -> str | None:
    """The registered URI that `requested` stands for, or None.

    Source: OAuth 2.1 §4.1.3; RFC 8252 §7.3 (loopback ports).
    """
    return next((uri for uri in registered if uri == requested or _same_loopback(uri, requested)), None)


def _same_loopback(registered: str, requested: str) -> bool:
    left, right = _LOOPBACK.match(registered), _LOOPBACK.match(requested)
    if left is None or right is None or left["host"] != right["host"] or left["rest"] != right["rest"]:
        return False
    return right["port"] is None or 0 < int(right["port"]) < 65536


def is_loopback(uri: str) -> bool:
    """Whether the URI leads to a program on the person's own computer by http."""
    return _LOOPBACK.match(uri) is not None


def without_loopback_port(uri: str) -> str:
    """The URI as it is remembered with a consent: a native client listens on another port at each start."""
    found = _LOOPBACK.match(uri)
    return uri if found is None else f"http://{found['host']}{found['rest'] or ''}"


def host_of(uri: str) -> str:
    """What a person is shown as the place the sign-in goes to: the host (punycode as it came), or the app's scheme."""
    parts = urlsplit(uri)
    return parts.hostname or f"{parts.scheme}:"


def with_parameters(uri: str, parameters: Mapping[str, str]) -> str:
    """`uri` with an authorization response added to its query (RFC 6749 §4.1.2); its own query stays.

    Every value is percent-encoded from its UTF-8 bytes, spaces as %20, so that `state` comes back to the letter.
    """
    added = "&".join(f"{name}={quote(value, safe='', errors='surrogatepass')}" for name, value in parameters.items())
    if "?" not in uri:
        return f"{uri}?{added}"
    return f"{uri}{added}" if uri.endswith(("?", "&")) else f"{uri}&{added}"
