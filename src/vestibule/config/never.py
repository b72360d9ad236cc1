"""What no version will do, and what is dangerous in keys that this version does not have yet.

These forms get a fault of their own, wherever they stand, so that an operator reads why, and not only "not known".
"""

from collections.abc import Iterator, Mapping
from typing import Any

from vestibule.config.paths import KeyPath, dotted, remove, walk
from vestibule.errors import Fault

_PASSTHROUGH = (
    "a client's token never goes to an upstream: whoever runs that upstream could use it here as its owner "
    "(MCP specification, token passthrough)",
    "remove it, and give the upstream a credential of its own",
)
_OPEN = ("there is no switch that turns signing in off", "remove it; access: anonymous opens one upstream by name")
_UNVERIFIED = (
    "TLS verification has no switch: without it anybody on the way is the identity provider",
    "remove it; name your own certificate authority in outbound.ca_file",
)
_ONE_ROOT = (
    "every key is derived from one root secret, each for one purpose only",
    "remove it; the root secret is keys.secret or keys.file",
)
_UNANCHORED = (
    "a pattern that skips signing in matches more than its author thinks (CVE-2025-54576)",
    "remove it; access: anonymous opens one upstream by name",
)

NEVER: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        "forward_authorization token_passthrough pass_authorization pass_authorization_header pass_access_token "
        "forward_token forward_access_token passthrough pass_through".split(),
        _PASSTHROUGH,
    ),
    **dict.fromkeys("auth auth_mode auth_enabled disable_auth no_auth authentication require_auth".split(), _OPEN),
    **dict.fromkeys("verify_tls tls_verify verify_ssl ssl_verify insecure insecure_skip_verify".split(), _UNVERIFIED),
    **dict.fromkeys(
        "signing_secret signing_key encryption_secret encryption_key cookie_secret csrf_secret session_secret "
        "jwt_secret".split(),
        _ONE_ROOT,
    ),
    **dict.fromkeys("skip_auth_routes skip_auth_regex skip_paths public_paths exclude_paths".split(), _UNANCHORED),
}

_MUST_NOT_BE_EMPTY = {
    **dict.fromkeys(("audience", "audiences", "identifiers"), "tokens for anybody else would be accepted"),
    **dict.fromkeys(("issuers", "allowed_issuers"), "tokens of anybody would be accepted"),
    **dict.fromkeys(("algorithms", "algs"), "any signature would be accepted, or none"),
}
_EVERY_TENANT = frozenset({"common", "organizations", "consumers"})


def take_what_is_never_allowed(document: dict[str, Any]) -> list[Fault]:
    """The faults; the keys themselves are taken out, so that nothing calls them unknown as well."""
    faults = []
    for path, _ in list(walk(document)):
        if path[-1] in NEVER and not (path[0] == "upstreams" and path[2:-1] == ("scopes", "texts")):
            faults.append(Fault(dotted(path), *NEVER[str(path[-1])]))
            remove(document, path)
    return faults


def faults_of_dangerous_forms(document: dict[str, Any]) -> Iterator[Fault]:
    """In keys that come later; the keys stay where they are."""
    for path, value in walk(document):
        yield from _empty_list(path, value)
        yield from _algorithms(path, value)
    yield from _tenants(document.get("tenants"))
    yield from _entra(document.get("identity_providers"))


def _empty_list(path: KeyPath, value: Any) -> Iterator[Fault]:
    if path[-1] in _MUST_NOT_BE_EMPTY and not value:
        yield Fault(dotted(path), f"it is empty, so {_MUST_NOT_BE_EMPTY[str(path[-1])]} (RFC 8725)", "name them")


def _algorithms(path: KeyPath, value: Any) -> Iterator[Fault]:
    if path[-1] not in ("algorithms", "algs") or not isinstance(value, list):
        return
    names = [str(one).lower() for one in value]
    symmetric = [name for name in names if name.startswith("hs")]
    if "none" in names:
        yield Fault(dotted(path), "`none` is no signature (RFC 8725 §3.1)", "remove it")
    if symmetric and len(symmetric) < len(names):
        yield Fault(
            dotted(path),
            "HS and public-key algorithms together let a public key pass as a shared secret (RFC 8725 §3.1)",
            "keep the public-key ones",
        )


def _tenants(tenants: Any) -> Iterator[Fault]:
    if not isinstance(tenants, dict):
        return
    if tenants.get("by") == "email-domain" and tenants.get("require_verified_email") is False:
        yield Fault(
            "tenants.require_verified_email",
            "who can claim an address without proving it chooses the tenant (nOAuth)",
            "remove it: only verified addresses count",
        )


def _entra(providers: Any) -> Iterator[Fault]:
    for index, provider in enumerate(providers if isinstance(providers, list) else ()):
        if not isinstance(provider, dict) or provider.get("kind") != "entra":
            continue
        named = provider.get("tenants") or provider.get("allowed_tenants")
        if provider.get("tenant") in _EVERY_TENANT and not named:
            yield Fault(
                f"identity_providers[{index}].tenant",
                "everybody with a Microsoft account could sign in: no tenants are named (nOAuth)",
                "name your tenant's id",
            )
