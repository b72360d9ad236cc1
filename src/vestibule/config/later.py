"""Keys that are promised but not built yet, and keys that never will be.

None of them is taken in silence: an operator who writes `policy:` must not believe that there is one. What would be
dangerous even when it is built is named as that first.
"""

from collections.abc import Mapping
from typing import Any

from vestibule.errors import Fault

_PASSTHROUGH = ("forward_authorization", "token_passthrough", "pass_authorization", "forward_token")
_LATER = ("resource_server", "tenants", "policy", "limits")
_LATER_PROVIDERS = ("entra", "google", "auth0", "github")
_LATER_CREDENTIALS = ("on-behalf-of", "token-exchange", "vault", "client-credentials")

_HS = ("HS256", "HS384", "HS512")


def faults_of_later_keys(document: dict[str, Any]) -> list[Fault]:
    """The faults; the keys themselves are taken out, so that the models don't call them unknown as well."""
    faults = [*_passthrough(document)]
    server = document.get("resource_server")
    if isinstance(server, Mapping):
        faults += _foreign_tokens(server)
    if isinstance(document.get("tenants"), Mapping):
        faults += _tenants(document["tenants"])
    for key in _LATER:
        if key in document:
            del document[key]
            faults.append(_not_yet(key))
    if isinstance(document.get("shared"), str) and document["shared"].startswith(("redis:", "rediss:", "valkey:")):
        del document["shared"]
        faults.append(_not_yet("shared"))
    faults += _in_upstreams(document)
    faults += _in_providers(document)
    return faults


def _passthrough(document: dict[str, Any]) -> list[Fault]:
    found = []
    places: list[tuple[str, dict[str, Any]]] = [("", document)]
    upstreams = document.get("upstreams")
    if isinstance(upstreams, list):
        places += [(f"upstreams[{index}].", one) for index, one in enumerate(upstreams) if isinstance(one, dict)]
    for prefix, place in places:
        for key in _PASSTHROUGH:
            if key in place:
                del place[key]
                found.append(
                    Fault(
                        prefix + key,
                        "a client's token never goes to an upstream: it would be good there for everything its owner "
                        "may do (MCP, token passthrough)",
                        "remove it, and give the upstream a credential of its own",
                    )
                )
    return found


def _foreign_tokens(server: Mapping[str, Any]) -> list[Fault]:
    faults = []
    for key in ("identifiers", "issuers", "algorithms"):
        if key in server and not server[key]:
            faults.append(Fault(f"resource_server.{key}", "an empty list would accept everything", "name them"))
    algorithms = server.get("algorithms")
    if isinstance(algorithms, list):
        if any(str(name).lower() == "none" for name in algorithms):
            faults.append(Fault("resource_server.algorithms", "`none` is no signature", "remove it"))
        if any(name in _HS for name in algorithms) and any(name not in _HS for name in algorithms):
            faults.append(
                Fault("resource_server.algorithms", "HS and public-key algorithms together invite forgery", "use one")
            )
    return faults


def _tenants(tenants: Mapping[str, Any]) -> list[Fault]:
    faults = []
    domains = tenants.get("domains")
    if isinstance(domains, Mapping):
        folded: set[str] = set()
        for domain in map(str, domains):
            if "*" in domain or "." not in domain:
                faults.append(Fault("tenants.domains", f"{domain!r} is not one domain", "name each domain by itself"))
            if domain.lower() in folded:
                faults.append(Fault("tenants.domains", f"{domain!r} is in two tenants", "choose one"))
            folded.add(domain.lower())
    return faults


def _in_upstreams(document: dict[str, Any]) -> list[Fault]:
    faults = []
    upstreams = document.get("upstreams")
    for index, upstream in enumerate(upstreams if isinstance(upstreams, list) else ()):
        if not isinstance(upstream, dict):
            continue
        where = f"upstreams[{index}]"
        for key in ("command", "instances", "hide_denied"):
            if key in upstream:
                del upstream[key]
                faults.append(_not_yet(f"{where}.{key}"))
        if upstream.get("transport") in ("sse", "stdio"):
            del upstream["transport"]
            faults.append(_not_yet(f"{where}.transport"))
        if upstream.get("access") == "api-key-only":
            del upstream["access"]
            faults.append(_not_yet(f"{where}.access"))
        scopes = upstream.get("scopes")
        if isinstance(scopes, dict) and "tools" in scopes:
            del scopes["tools"]
            faults.append(_not_yet(f"{where}.scopes.tools"))
        credential = upstream.get("credential")
        if isinstance(credential, dict) and credential.get("kind") in _LATER_CREDENTIALS:
            del upstream["credential"]
            faults.append(_not_yet(f"{where}.credential.kind"))
    return faults


def _in_providers(document: dict[str, Any]) -> list[Fault]:
    providers = document.get("identity_providers")
    if not isinstance(providers, list):
        return []
    faults = []
    for index, provider in enumerate(list(providers)):
        if not isinstance(provider, dict) or provider.get("kind") not in _LATER_PROVIDERS:
            continue
        where = f"identity_providers[{index}]"
        if provider["kind"] == "entra" and provider.get("tenant") in ("common", "organizations"):
            faults.append(
                Fault(f"{where}.tenant", "everybody's tenant, without a list of those you trust", "name the tenants")
            )
        faults.append(
            Fault(
                f"{where}.kind",
                f"this version does not have {provider['kind']} yet",
                "use kind: oidc with its issuer, where it is an OpenID provider",
            )
        )
    document["identity_providers"] = [
        one for one in providers if not (isinstance(one, dict) and one.get("kind") in _LATER_PROVIDERS)
    ]
    return faults


def _not_yet(key: str) -> Fault:
    return Fault(key, "this version does not have that yet", "remove it; see the changelog for what is there")
