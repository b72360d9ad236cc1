"""The documents that tell others about us: RFC 8414, OpenID Connect Discovery, RFC 9728; and where they stand.

Everything is built from the configured public URL, never from a request: a Host header changes nothing here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from vestibule.model import Resource
from vestibule.protocol.registration import AUTH_METHODS, CLIENT_CREDENTIALS, GRANT_TYPES, JWT_BEARER
from vestibule.protocol.scope import OFFLINE_ACCESS

AUTHORIZATION_SERVER = "oauth-authorization-server"
OPENID_CONFIGURATION = "openid-configuration"
PROTECTED_RESOURCE = "oauth-protected-resource"


# Of client assertions and DPoP proofs; RFC 9864 names Ed25519 what was EdDSA. A test compares it with what is verified.
SIGNING_ALGORITHMS = tuple("RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 Ed25519 EdDSA".split())


def well_known_path(kind: str, identifier: str) -> str:
    """Where a metadata document stands: between host and path (RFC 8414 §3.1, RFC 9728 §3.1)."""
    return f"/.well-known/{kind}{urlsplit(identifier).path.rstrip('/')}"


def well_known_url(kind: str, identifier: str) -> str:
    parts = urlsplit(identifier)
    return f"{parts.scheme}://{parts.netloc}{well_known_path(kind, identifier)}"


@dataclass(frozen=True, slots=True)
class Features:
    """What the operator has switched on."""

    registration: bool = True
    client_documents: bool = True
    assertions: bool = False
    needs_pushed_requests: bool = False


def authorization_server_metadata(issuer: str, *, scopes: Sequence[str], features: Features) -> dict[str, Any]:
    """RFC 8414 §2. The same members serve as the OpenID Connect discovery document, which some clients ask for."""
    document: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "revocation_endpoint": f"{issuer}/revoke",
        "jwks_uri": f"{issuer}/jwks.json",
        "scopes_supported": [scope for scope in scopes if scope != OFFLINE_ACCESS],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            grant for grant in (*GRANT_TYPES, CLIENT_CREDENTIALS) if grant != JWT_BEARER or features.assertions
        ],
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        "introspection_endpoint": f"{issuer}/introspect",
        "introspection_endpoint_auth_methods_supported": [method for method in AUTH_METHODS if method != "none"],
        "introspection_endpoint_auth_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        "device_authorization_endpoint": f"{issuer}/device_authorization",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "require_pushed_authorization_requests": features.needs_pushed_requests,
        "dpop_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": features.client_documents,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
    }
    if features.assertions:
        document["authorization_grant_profiles_supported"] = ["urn:ietf:params:oauth:grant-profile:id-jag"]
    if features.registration:
        document["registration_endpoint"] = f"{issuer}/register"
    return document


def openid_configuration(issuer: str, *, scopes: Sequence[str], features: Features) -> dict[str, Any]:
    """OpenID Connect Discovery §3: its required members beside those of RFC 8414."""
    return {
        **authorization_server_metadata(issuer, scopes=scopes, features=features),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }


def protected_resource_metadata(resource: Resource, servers: Sequence[str], *, scopes: Sequence[str]) -> dict[str, Any]:
    """RFC 9728 §2: one resource, to the letter of the identifier that its URL is built from.

    `servers`: where clients sign in. Those of today take the first.
    """
    document: dict[str, Any] = {
        "resource": resource.identifier,
        "authorization_servers": list(servers),
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
    }
    if scopes := [scope for scope in scopes if scope != OFFLINE_ACCESS]:
        document["scopes_supported"] = scopes
    if resource.upstream.title:
        document["resource_name"] = resource.upstream.title
    return document


def root_resource_metadata(
    public_url: str, resources: Sequence[Resource], servers: Sequence[str], *, scopes: Sequence[str] = ()
) -> dict[str, Any]:
    """The document at the bare well-known path, for clients that look nowhere else: our origin as a whole."""
    scopes = scopes or tuple(dict.fromkeys(scope for resource in resources for scope in resource.upstream.scopes))
    return {
        "resource": public_url,
        "authorization_servers": list(servers),
        "bearer_methods_supported": ["header"],
        "scopes_supported": list(scopes),
    }
