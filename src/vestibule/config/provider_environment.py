"""What the environment says for the identity providers of the file, where the file says nothing.

By the names that other systems used, for the only provider of a kind; and what the platforms of Azure say for kind
entra. No name makes a provider: who may sign in is decided in the file.

    client_assertion: managed-identity    AZURE_POD_IDENTITY_AUTHORITY_HOST (IMDS), or App Service's IDENTITY_ENDPOINT
                                          with IDENTITY_HEADER
    client_assertion: workload-identity   AZURE_FEDERATED_TOKEN_FILE
"""

from collections.abc import Iterator, Mapping
from typing import Any

from vestibule.config.values import FromEnvironment
from vestibule.errors import Fault

_TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105 - a variable's name


_NAMES: Mapping[str, Mapping[str, str]] = {
    "entra": {"AZURE_CLIENT_ID": "client_id", "AZURE_TENANT_ID": "tenant"},
    "google": {"MCP_HTTP_GOOGLE_CLIENT_ID": "client_id", "MCP_HTTP_GOOGLE_CLIENT_SECRET": "client_secret"},
    "auth0": {"MCP_HTTP_AUTH0_DOMAIN": "domain", "MCP_HTTP_AUTH0_AUDIENCE": "audience"},
}


def overlay_provider_environment(
    document: dict[str, Any], environ: Mapping[str, str], sources: dict[str, str]
) -> list[Fault]:
    """Complete `document`; returns the faults."""
    faults: list[Fault] = []
    for kind, names in _NAMES.items():
        found = list(_of_kind(document, kind))
        for index, provider in found:
            where = f"identity_providers[{index}]"
            if len(found) == 1:
                _take_names(names, provider, environ, sources, where)
            if kind == "entra":
                faults += _assertion(provider, environ, sources, where)
    return faults


def _of_kind(document: Mapping[str, Any], kind: str) -> Iterator[tuple[int, dict[str, Any]]]:
    providers = document.get("identity_providers")
    for index, provider in enumerate(providers if isinstance(providers, list) else ()):
        if isinstance(provider, dict) and provider.get("kind") == kind:
            yield index, provider


def _take_names(
    names: Mapping[str, str], provider: dict[str, Any], environ: Mapping[str, str], sources: dict[str, str], where: str
) -> None:
    for name, key in names.items():
        text = environ.get(name, "").strip()
        if text and key not in provider and not (key == "tenant" and "tenants" in provider):
            provider[key] = FromEnvironment(text)
            sources[f"{where}.{key}"] = name


def _assertion(
    provider: dict[str, Any], environ: Mapping[str, str], sources: dict[str, str], where: str
) -> Iterator[Fault]:
    """Who Azure says we are: where that is to be had."""
    if provider.get("client_assertion") == "managed-identity":
        _managed_identity(provider, environ, sources, where)
    elif provider.get("client_assertion") == "workload-identity":
        file = environ.get(_TOKEN_FILE, "").strip()
        if file:
            provider["client_assertion"] = f"file:{file}"
            sources[f"{where}.client_assertion"] = _TOKEN_FILE
        else:
            yield Fault(
                f"{where}.client_assertion",
                f"{_TOKEN_FILE} is not set, so there is no token about this workload",
                "label the pod azure.workload.identity/use, or write file:/path",
            )


def _managed_identity(
    provider: dict[str, Any], environ: Mapping[str, str], sources: dict[str, str], where: str
) -> None:
    found = provider.setdefault("managed_identity", {})
    if not isinstance(found, dict) or "endpoint" in found:
        return
    said: dict[str, str] = {}
    if environ.get("IDENTITY_ENDPOINT") and environ.get("IDENTITY_HEADER"):
        said = {"endpoint": "IDENTITY_ENDPOINT", "header": "IDENTITY_HEADER"}
    elif environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST"):
        said = {"endpoint": "AZURE_POD_IDENTITY_AUTHORITY_HOST"}
    for key, name in said.items():
        found[key] = FromEnvironment(environ[name])
        sources[f"{where}.managed_identity.{key}"] = name
    if not found:
        del provider["managed_identity"]
