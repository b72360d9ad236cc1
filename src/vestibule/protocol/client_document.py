"""Client ID Metadata Documents: the client_id is the https URL of a document that describes the client.

Source: draft-ietf-oauth-client-id-metadata-document; MCP 2026-07-28 authorization. The document is compared with its
URL to the letter, has no shared secret, and its redirect URIs obey the rules of registration.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import unquote, urlsplit

from vestibule.errors import InvalidClientMetadata, InvalidRedirectUri
from vestibule.model import Client, ClientOrigin
from vestibule.protocol.json_body import UnreadableJson, read_object
from vestibule.protocol.registration import check_registration

CAP = 5 * 1024  # bytes
MAX_URL = 2048
SHORTEST_CACHE = timedelta(minutes=1)
DEFAULT_CACHE = timedelta(minutes=15)
LONGEST_CACHE = timedelta(hours=24)

_MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?([0-9]{1,9})", re.IGNORECASE)


def check_client_id_url(url: str) -> None:
    """Raise `InvalidClientMetadata` unless the URL can name a client."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise InvalidClientMetadata("The client_id is not a plain URL.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidClientMetadata("The client_id is not a plain URL.") from error
    if parts.scheme != "https" or not url.startswith("https://"):
        raise InvalidClientMetadata("The client_id is an https URL.")
    if not parts.hostname or "@" in parts.netloc or "%" in parts.netloc or port == 0:
        raise InvalidClientMetadata("The client_id names a host, and no user.")
    if "#" in url or "?" in url:
        raise InvalidClientMetadata("The client_id has no query and no fragment.")
    if parts.path in ("", "/"):
        raise InvalidClientMetadata("The client_id has a path.")
    if any(unquote(segment) in (".", "..") for segment in parts.path.split("/")):
        raise InvalidClientMetadata("The client_id has no dot segments.")


def read_client_document(url: str, content_type: str, body: bytes) -> Client:
    """The client that a document describes. Raises `InvalidClientMetadata`."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise InvalidClientMetadata("the document is not application/json")
    try:
        document = read_object(body)
    except UnreadableJson as error:
        raise InvalidClientMetadata(f"the document cannot be read. {error}") from error
    if document.get("client_id") != url:
        raise InvalidClientMetadata("the document's client_id is not the URL it stands at, to the letter")
    if not isinstance(document.get("client_name"), str) or not document["client_name"].strip():
        raise InvalidClientMetadata("the document has no client_name")
    if "client_secret" in document or "client_secret_expires_at" in document:
        raise InvalidClientMetadata("the document has a client_secret: anybody can read it")
    if document.get("token_endpoint_auth_method", "none") != "none":
        raise InvalidClientMetadata("token_endpoint_auth_method is none for a client named by a URL")
    try:
        described = check_registration({**document, "token_endpoint_auth_method": "none"})
    except InvalidRedirectUri as error:
        raise InvalidClientMetadata(error.message) from error
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


def cache_lifetime(headers: Mapping[str, str]) -> timedelta:
    """How long a valid document may be used, by its HTTP headers, within our bounds (RFC 9111 §5.2)."""
    control = headers.get("cache-control", "")
    if "no-store" in control.lower() or "no-cache" in control.lower():
        return SHORTEST_CACHE
    found = _MAX_AGE.search(control)
    if found is None:
        return DEFAULT_CACHE
    age = headers.get("age", "0")
    fresh = int(found[1]) - (int(age) if age.isdigit() and len(age) < 10 else 0)
    return min(max(timedelta(seconds=fresh), SHORTEST_CACHE), LONGEST_CACHE)
