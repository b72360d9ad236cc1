"""What a client may register (RFC 7591, OpenID Connect Registration's application_type).

Only what this server can do is granted; unknown members are ignored, as RFC 7591 §2 wants. Nothing that the caller
says becomes an identifier or a secret, and nothing it says about itself is believed: see the consent page.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from vestibule.errors import InvalidClientMetadata, InvalidRedirectUri, InvalidScope
from vestibule.model import AuthMethod, Client
from vestibule.protocol.client_url import check_client_id_url
from vestibule.protocol.json_body import UnreadableJson, read_object
from vestibule.protocol.redirect_uri import check_registrable
from vestibule.protocol.scope import read_scope, write_scope

MAX_REDIRECT_URIS = 20
MAX_NAME = 100
MAX_KEY_SET = 16 * 1024  # characters of JSON
AUTH_METHODS: tuple[AuthMethod, ...] = ("none", "client_secret_basic", "client_secret_post", "private_key_jwt")
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - the name of a grant
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_CREDENTIALS = "client_credentials"
# client_credentials is not among them: whoever registers itself would get tokens that no person has allowed.
GRANT_TYPES = ("authorization_code", "refresh_token", DEVICE_CODE, TOKEN_EXCHANGE, JWT_BEARER)

_INVISIBLE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration request that has passed every check."""

    redirect_uris: tuple[str, ...]
    name: str
    auth_method: AuthMethod
    grant_types: tuple[str, ...]
    scopes: tuple[str, ...]
    client_uri: str
    logo_uri: str
    application_type: Literal["native", "web"]
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str = ""
    needs_pushed_requests: bool = False
    needs_dpop: bool = False


def read_registration(content_type: str, body: bytes) -> Registration:
    """Raises `InvalidClientMetadata` or `InvalidRedirectUri` (RFC 7591 §3.2.2)."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise InvalidClientMetadata("A registration is sent as application/json.")
    try:
        metadata = read_object(body)
    except UnreadableJson as error:
        raise InvalidClientMetadata(f"The registration cannot be read. {error}") from error
    return check_registration(metadata)


def check_registration(metadata: Mapping[str, Any]) -> Registration:
    if metadata.get("software_statement") is not None:
        # Never ignored as if it were trusted: nobody here could verify it.
        raise InvalidClientMetadata("Software statements are not supported.")
    grant_types = _grant_types(metadata)
    redirect_uris = _redirect_uris(metadata)
    if "authorization_code" in grant_types and not redirect_uris:
        raise InvalidRedirectUri("A client of the authorization code grant registers at least one redirect URI.")
    _response_types(metadata)
    auth_method = _auth_method(metadata)
    jwks, jwks_uri = _keys(metadata, auth_method)
    for page in ("tos_uri", "policy_uri"):
        web_uri(metadata, page)
    return Registration(
        redirect_uris=redirect_uris,
        name=clean_name(_text(metadata, "client_name")),
        auth_method=auth_method,
        grant_types=grant_types,
        scopes=_scopes(metadata),
        client_uri=web_uri(metadata, "client_uri"),
        logo_uri=web_uri(metadata, "logo_uri"),
        application_type=_application_type(metadata),
        jwks=jwks,
        jwks_uri=jwks_uri,
        needs_pushed_requests=_flag(metadata, "require_pushed_authorization_requests"),
        needs_dpop=_flag(metadata, "dpop_bound_access_tokens"),
    )


def _redirect_uris(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    uris = _strings(metadata, "redirect_uris", error=InvalidRedirectUri)
    if len(uris) > MAX_REDIRECT_URIS:
        raise InvalidRedirectUri(f"A client registers at most {MAX_REDIRECT_URIS} redirect URIs.")
    for uri in uris:
        check_registrable(uri)
    return tuple(dict.fromkeys(uris))


def _grant_types(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Those that were asked for and are there: the answer tells the client what it got (RFC 7591 §3.2.1).

    VS Code asks for the device grant beside the code grant, and works without it. A client that asks for nothing that
    is here is refused instead.
    """
    asked = _strings(metadata, "grant_types") or ("authorization_code",)
    types = tuple(name for name in asked if name in GRANT_TYPES)
    if not types:
        raise InvalidClientMetadata(f"The grant type {asked[0][:100]!r} is not supported.")
    # Every client that signs people in gets refresh tokens: MCP clients expect them and many forget to ask.
    return tuple(dict.fromkeys((*types, "refresh_token"))) if {"authorization_code", DEVICE_CODE} & {*types} else types


def _response_types(metadata: Mapping[str, Any]) -> None:
    if unknown := [name for name in _strings(metadata, "response_types") if name != "code"]:
        raise InvalidClientMetadata(f"The response type {unknown[0][:100]!r} is not supported; code is.")


def _auth_method(metadata: Mapping[str, Any]) -> AuthMethod:
    # The Python and TypeScript SDKs leave the method out. RFC 7591 §2 then means client_secret_basic, and both cope.
    method = metadata.get("token_endpoint_auth_method")
    if method is None:
        return "client_secret_basic"
    if method not in AUTH_METHODS:
        raise InvalidClientMetadata(
            "This token_endpoint_auth_method is not supported.", action=f"Supported: {', '.join(AUTH_METHODS)}."
        )
    return cast("AuthMethod", method)


def _keys(metadata: Mapping[str, Any], auth_method: AuthMethod) -> tuple[Mapping[str, Any] | None, str]:
    """The client's public keys, in the document or where they stand (RFC 7591 §2)."""
    jwks, jwks_uri = metadata.get("jwks"), _text(metadata, "jwks_uri")
    if jwks is not None and jwks_uri:
        raise InvalidClientMetadata("A client has jwks or jwks_uri, never both (RFC 7591 §2).")
    if auth_method != "private_key_jwt":
        return None, ""  # for other uses than ours
    if jwks is not None:
        check_client_keys(jwks)
    if jwks_uri:
        try:
            check_client_id_url(jwks_uri)  # the same kind of URL: https, a named host, nothing to trip over
        except InvalidClientMetadata as error:
            raise InvalidClientMetadata("The jwks_uri is an https URL without query or fragment.") from error
    if jwks is None and not jwks_uri:
        raise InvalidClientMetadata("A client of private_key_jwt has jwks or jwks_uri.")
    return jwks, jwks_uri


def check_client_keys(jwks: object) -> None:
    """Raise `InvalidClientMetadata` unless it is a set of public keys that can verify something."""
    from vestibule.protocol.jwt import JwtError, check_key_set  # brings the JOSE library: 3 MB

    if not isinstance(jwks, dict) or len(repr(jwks)) > MAX_KEY_SET:
        raise InvalidClientMetadata(f"The jwks is a JWK Set of at most {MAX_KEY_SET} characters.")
    try:
        check_key_set(jwks)
    except JwtError as error:
        raise InvalidClientMetadata(f"The jwks cannot be used: {error}.") from error


def _flag(metadata: Mapping[str, Any], name: str) -> bool:
    value = metadata.get(name)
    if value not in (None, True, False):
        raise InvalidClientMetadata(f"The {name} is true or false.")
    return value is True


def _application_type(metadata: Mapping[str, Any]) -> Literal["native", "web"]:
    kind = metadata.get("application_type")
    if kind not in (None, "native", "web"):
        raise InvalidClientMetadata("The application_type is native or web.")
    return "native" if kind == "native" else "web"


def _scopes(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        return read_scope(_text(metadata, "scope"))
    except InvalidScope as error:
        raise InvalidClientMetadata(error.message) from error


def web_uri(metadata: Mapping[str, Any], name: str) -> str:
    """A URI that a page may link to: http or https, or left out. Raises `InvalidClientMetadata`."""
    uri = _text(metadata, name)
    if not uri:
        return ""
    try:
        parts = urlsplit(uri)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("https", "http") or not parts.hostname or len(uri) > 2048 or not uri.isprintable():
        raise InvalidClientMetadata(f"The {name} is an http or https URL.")
    return uri


def clean_name(name: str) -> str:
    """A name that cannot hide, reorder or break what stands around it: no control, format or private characters."""
    kept = "".join(char if unicodedata.category(char)[0] != "C" else " " for char in name[: MAX_NAME * 4])
    return _INVISIBLE.sub(" ", kept).strip()[:MAX_NAME]


def _text(metadata: Mapping[str, Any], name: str) -> str:
    value = metadata.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 4096:
        raise InvalidClientMetadata(f"The {name} is a string of at most 4096 characters.")
    return value


def _strings(
    metadata: Mapping[str, Any],
    name: str,
    *,
    error: type[InvalidClientMetadata] | type[InvalidRedirectUri] = InvalidClientMetadata,
) -> tuple[str, ...]:
    value = metadata.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise error(f"The {name} is a list of strings.")
    return tuple(value)


def registration_response(client: Client, *, secret: str, issued_at: int) -> dict[str, Any]:
    """RFC 7591 §3.2.1. Members without a value are left out: claude.ai stumbles over null."""
    answer: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": issued_at,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": list(client.grant_types),
        "response_types": ["code"] if "authorization_code" in client.grant_types else [],
        "token_endpoint_auth_method": client.auth_method,
        "application_type": client.application_type,
    }
    if client.name:
        answer["client_name"] = client.name
    if client.scopes:
        answer["scope"] = write_scope(client.scopes)
    if client.client_uri:
        answer["client_uri"] = client.client_uri
    if client.logo_uri:
        answer["logo_uri"] = client.logo_uri
    if client.jwks is not None:
        answer["jwks"] = dict(client.jwks)
    if client.jwks_uri:
        answer["jwks_uri"] = client.jwks_uri
    if client.needs_pushed_requests:
        answer["require_pushed_authorization_requests"] = True
    if client.needs_dpop:
        answer["dpop_bound_access_tokens"] = True
    if secret:
        answer["client_secret"] = secret
        answer["client_secret_expires_at"] = 0
    return answer
