"""Reading an issuer's metadata (OpenID Connect Discovery §4.3, RFC 8414 §3.2), and where it stands."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from vestibule.ports import IssuerMetadata
from vestibule.protocol.json_body import UnreadableJson, read_object


class MetadataError(ValueError):
    """The document cannot be used. The text names the member, for the operator."""


def metadata_url(issuer: str) -> str:
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Where an issuer's metadata may stand: as OpenID Connect has it, then as RFC 8414 §3.1 has it."""
    parts = urlsplit(issuer)
    origin = f"{parts.scheme}://{parts.netloc}"
    return metadata_url(issuer), f"{origin}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"


def read_metadata(body: bytes, *, issuer: str) -> IssuerMetadata:
    """Of a provider that people sign in at. Raises `MetadataError`.

    The issuer must be the expected one to the letter, and endpoints as safe as it.
    """
    metadata, document = _read(body, issuer)
    methods = document.get("code_challenge_methods_supported")
    if isinstance(methods, list) and "S256" not in methods:
        raise MetadataError("code_challenge_methods_supported has no S256")
    for name in ("authorization_endpoint", "token_endpoint"):
        if not getattr(metadata, name):
            raise MetadataError(f"{name} is missing")
    return metadata if metadata.signing_algorithms else replace(metadata, signing_algorithms=("RS256",))


def read_key_metadata(body: bytes, *, issuer: str) -> IssuerMetadata:
    """Of an issuer whose tokens are only verified. Raises `MetadataError`."""
    return _read(body, issuer)[0]


def _read(body: bytes, issuer: str) -> tuple[IssuerMetadata, dict[str, Any]]:
    try:
        document = read_object(body)
    except UnreadableJson as error:
        page = " It looks like a page (HTML)." if body.lstrip()[:1] == b"<" else ""
        raise MetadataError(f"the discovery document cannot be read: {error}{page}") from error
    if document.get("issuer") != issuer:
        raise MetadataError(f"issuer is {str(document.get('issuer'))[:200]!r}, configured is {issuer!r}")
    metadata = IssuerMetadata(
        issuer=issuer,
        authorization_endpoint=_optional(document, "authorization_endpoint", issuer),
        token_endpoint=_optional(document, "token_endpoint", issuer),
        jwks_uri=_endpoint(document, "jwks_uri", issuer),
        userinfo_endpoint=_optional(document, "userinfo_endpoint", issuer),
        revocation_endpoint=_optional(document, "revocation_endpoint", issuer),
        introspection_endpoint=_optional(document, "introspection_endpoint", issuer),
        signing_algorithms=_strings(document, "id_token_signing_alg_values_supported"),
        auth_methods=_strings(document, "token_endpoint_auth_methods_supported") or ("client_secret_basic",),
        assertion_algorithms=_strings(document, "token_endpoint_auth_signing_alg_values_supported"),
        sends_iss=document.get("authorization_response_iss_parameter_supported") is True,
    )
    return metadata, document


def _optional(document: Mapping[str, Any], name: str, issuer: str) -> str:
    return _endpoint(document, name, issuer) if document.get(name) else ""


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    url = document.get(name)
    if not isinstance(url, str) or len(url) > 2048 or not url.isprintable():
        raise MetadataError(f"{name} is missing")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise MetadataError(f"{name} is not a URL") from error
    # An https provider whose document sends the code or our secret over http has been tampered with or misconfigured.
    if parts.scheme != "https" and parts.scheme != urlsplit(issuer).scheme:
        raise MetadataError(f"{name} is not https")
    if not parts.hostname or parts.fragment:
        raise MetadataError(f"{name} is not an endpoint URL")
    return url


def _strings(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
