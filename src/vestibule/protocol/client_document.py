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

from vestibule.errors import InvalidClientMetadata, InvalidRedirectUri
from vestibule.model import AuthMethod, Client, ClientOrigin
from vestibule.protocol.json_body import UnreadableJson, read_object
from vestibule.protocol.jwk import is_private
from vestibule.protocol.registration import GRANT_TYPES, Registration, check_registration

CAP = 5 * 1024  # bytes
SHORTEST_CACHE = timedelta(minutes=1)
DEFAULT_CACHE = timedelta(minutes=15)
LONGEST_CACHE = timedelta(hours=24)

_MEDIA_TYPE = re.compile(r"application/(?:json|[a-z0-9!#$&^_.+-]+\+json)")


# --- the document ---------------------------------------------------------------------------------------------------


def read_client_document(url: str, content_type: str, body: bytes) -> Client:
    """The client that the document at `url` describes. Raises `InvalidClientMetadata`."""
    document = _read(content_type, body)
    if document.get("client_id") != url:
        raise InvalidClientMetadata("the document's client_id is not the URL it stands at, to the letter")
    _check_holds_no_secret(document)
    described = _check_registration(document)
    if not described.name:
        raise InvalidClientMetadata("the document has no client_name that can be shown")
    return Client(
        client_id=url,
        origin=ClientOrigin.DOCUMENT,
        redirect_uris=described.redirect_uris,
        name=described.name,
        auth_method=described.auth_method,
        grant_types=described.grant_types,
        scopes=described.scopes,
        client_uri=described.client_uri,
        logo_uri=described.logo_uri,
        application_type=described.application_type,
        jwks=described.jwks,
        jwks_uri=described.jwks_uri,
        needs_pushed_requests=described.needs_pushed_requests,
        needs_dpop=described.needs_dpop,
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
    if any(is_private(key) for key in keys):
        raise InvalidClientMetadata("the document's jwks has a private key, which everybody can read")


def _auth_method(document: Mapping[str, Any]) -> AuthMethod:
    """How the client must prove itself. Draft §8.2: a client with a key is held to it.

    ChatGPT prefers private_key_jwt and lists `none` beside it in token_endpoint_auth_methods_supported (OpenID Connect
    Relying Party Metadata Choices §2). Then a document with keys means them, and one without cannot.
    """
    choices = document.get("token_endpoint_auth_methods_supported")
    has_keys = document.get("jwks") is not None or document.get("jwks_uri") is not None
    match document.get("token_endpoint_auth_method"):
        case None | "none":
            return "none"
        case "private_key_jwt" if has_keys or not (isinstance(choices, list) and "none" in choices):
            return "private_key_jwt"
        case "private_key_jwt":
            return "none"
        case _:
            raise InvalidClientMetadata(
                "token_endpoint_auth_method is none or private_key_jwt for a client named by a URL: a document that "
                "everybody can read holds no secret"
            )


def _check_registration(document: Mapping[str, Any]) -> Registration:
    redirect_uris = document.get("redirect_uris")
    if not isinstance(redirect_uris, list) or not redirect_uris:
        raise InvalidClientMetadata("the document has no redirect_uris")
    metadata = {
        **document,
        "token_endpoint_auth_method": _auth_method(document),
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
