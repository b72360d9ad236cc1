"""Client ID Metadata Documents: the client_id is the https URL of a document that describes the client.

The URL has one spelling and names a file, the document names that URL to the letter and holds nothing secret, and its
redirect URIs obey the rules of registration. A document is written once for every server there is, so what it lists
and this server cannot do is passed over where it is a list (VS Code lists the device grant), never where it is a
promise (a key that must authenticate the client). Links in it are text: nothing here or after fetches them.

Source: draft-ietf-oauth-client-id-metadata-document; MCP 2026-07-28, client registration; RFC 9111 for how long.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from vestibule.errors import InvalidClientMetadata, InvalidRedirectUri
from vestibule.model import Client, ClientOrigin
from vestibule.protocol.json_body import UnreadableJson, read_object
from vestibule.protocol.registration import GRANT_TYPES, Registration, check_registration

CAP = 5 * 1024  # bytes
MAX_URL = 2048
SHORTEST_CACHE = timedelta(minutes=1)
DEFAULT_CACHE = timedelta(minutes=15)
LONGEST_CACHE = timedelta(hours=24)

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_AUTHORITY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{{0,4}})?")
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_MEDIA_TYPE = re.compile(r"application/(?:json|[a-z0-9!#$&^_.+-]+\+json)")
_PRIVATE_KEY_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # RFC 7518 §6


# --- the URL --------------------------------------------------------------------------------------------------------


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


# --- the document ---------------------------------------------------------------------------------------------------


def read_client_document(url: str, content_type: str, body: bytes) -> Client:
    """The client that the document at `url` describes. Raises `InvalidClientMetadata`."""
    document = _read(content_type, body)
    if document.get("client_id") != url:
        raise InvalidClientMetadata("the document's client_id is not the URL it stands at, to the letter")
    _check_holds_no_secret(document)
    _check_needs_no_secret(document)
    described = _check_registration(document)
    if not described.name:
        raise InvalidClientMetadata("the document has no client_name that can be shown")
    return Client(
        client_id=url,
        origin=ClientOrigin.DOCUMENT,
        redirect_uris=described.redirect_uris,
        name=described.name,
        auth_method="none",
        grant_types=described.grant_types,
        scopes=described.scopes,
        client_uri=described.client_uri,
        logo_uri=described.logo_uri,
        application_type=described.application_type,
    )


def _read(content_type: str, body: bytes) -> dict[str, Any]:
    if not _MEDIA_TYPE.fullmatch(content_type.partition(";")[0].strip().lower()):
        raise InvalidClientMetadata("the document is not application/json")
    try:
        return read_object(body)
    except UnreadableJson as error:
        raise InvalidClientMetadata(f"the document cannot be read. {error}") from error


def _check_holds_no_secret(document: Mapping[str, Any]) -> None:
    """Draft §4.1: everybody can read the document."""
    if "client_secret" in document or "client_secret_expires_at" in document:
        raise InvalidClientMetadata("the document has a client_secret, which everybody can read")
    jwks = document.get("jwks")
    if jwks is None:
        return
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise InvalidClientMetadata("the document's jwks is not a key set")
    if any(_PRIVATE_KEY_MEMBERS & key.keys() for key in keys):
        raise InvalidClientMetadata("the document's jwks has a private key, which everybody can read")


def _check_needs_no_secret(document: Mapping[str, Any]) -> None:
    """The client is public, or says that it can be.

    ChatGPT prefers private_key_jwt and lists `none` beside it in token_endpoint_auth_methods_supported (OpenID Connect
    Relying Party Metadata Choices §2): then the server chooses. A client that lists nothing must be held to its key.
    """
    choices = document.get("token_endpoint_auth_methods_supported")
    match document.get("token_endpoint_auth_method"):
        case None | "none":
            return
        case "private_key_jwt" if isinstance(choices, list) and "none" in choices:
            return
        case "private_key_jwt":
            raise InvalidClientMetadata(
                "the document asks for private_key_jwt, which this server does not have yet",
                action='A client without a key of its own says "token_endpoint_auth_method": "none".',
            )
        case _:
            raise InvalidClientMetadata("token_endpoint_auth_method is none for a client named by a URL")


def _check_registration(document: Mapping[str, Any]) -> Registration:
    redirect_uris = document.get("redirect_uris")
    if not isinstance(redirect_uris, list) or not redirect_uris:
        raise InvalidClientMetadata("the document has no redirect_uris")
    metadata = {
        **document,
        "token_endpoint_auth_method": "none",
        "grant_types": _those_we_have(document, "grant_types", GRANT_TYPES, "authorization_code"),
        "response_types": _those_we_have(document, "response_types", ("code",), "code"),
    }
    try:
        return check_registration(metadata)
    except InvalidRedirectUri as error:
        raise InvalidClientMetadata(f"{error.message}", action=error.action) from error


def _those_we_have(document: Mapping[str, Any], name: str, ours: tuple[str, ...], needed: str) -> list[str]:
    listed = document.get(name)
    if listed is None:
        return [needed]
    if not isinstance(listed, list) or needed not in listed:
        raise InvalidClientMetadata(f"the document's {name} has no {needed}")
    return [value for value in ours if value in listed]


# --- how long it may be used ----------------------------------------------------------------------------------------


def cache_lifetime(headers: Mapping[str, str]) -> timedelta:
    """How long a valid document may be used, within our bounds. Header names are in lower case.

    Source: RFC 9111 §4.2, for a cache that keeps values and not answers: no-store and no-cache become the shortest
    time, because a document that is fetched for every click is a way to make us knock.
    """
    directives = _directives(headers.get("cache-control", ""))
    if "no-store" in directives or "no-cache" in directives:
        return SHORTEST_CACHE
    if "max-age" in directives:
        fresh = _seconds(directives["max-age"])
    elif "expires" in headers:
        fresh = _expires_in(headers)
    else:
        fresh = DEFAULT_CACHE
    return min(max(fresh - _seconds(headers.get("age", "0")), SHORTEST_CACHE), LONGEST_CACHE)


def _directives(header: str) -> dict[str, str]:
    """Of a directive that stands twice, the shorter promise (RFC 9111 §4.2.1 leaves the choice)."""
    found: dict[str, str] = {}
    for part in header.lower().split(","):
        name, _, value = (text.strip() for text in part.partition("="))
        if name not in found or _seconds(value) < _seconds(found[name]):
            found[name] = value
    return found


def _seconds(value: str) -> timedelta:
    """A count of seconds; nothing for what is none, which makes it stale."""
    digits = value.strip().strip('"')
    return timedelta(seconds=int(digits[:12])) if digits.isascii() and digits.isdecimal() else timedelta(0)


def _expires_in(headers: Mapping[str, str]) -> timedelta:
    expires, date = _http_date(headers["expires"]), _http_date(headers.get("date", ""))
    if expires is None:  # "0" and the like mean: in the past
        return timedelta(0)
    return expires - date if date is not None else DEFAULT_CACHE


def _http_date(value: str) -> datetime | None:
    try:
        return datetime.strptime(value.strip(), "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return None
