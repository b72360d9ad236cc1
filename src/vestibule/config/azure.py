"""What the platforms of Azure put into the environment, for the identity providers of kind entra.

Taken where the file says nothing, and only for what the file has asked for: `client_assertion` names the platform's
word for us, and the environment knows where that is to be had.

    managed-identity    AZURE_POD_IDENTITY_AUTHORITY_HOST (IMDS); IDENTITY_ENDPOINT, IDENTITY_HEADER (App Service)
    workload-identity   AZURE_FEDERATED_TOKEN_FILE
    both                AZURE_CLIENT_ID and AZURE_TENANT_ID, for the only provider of the kind
"""

from collections.abc import Iterator, Mapping
from typing import Any

from vestibule.config.values import FromEnvironment
from vestibule.errors import Fault

_TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105 - a variable's name


def overlay_azure(document: dict[str, Any], environ: Mapping[str, str], sources: dict[str, str]) -> list[Fault]:
    """Complete `document`; returns the faults."""
    faults: list[Fault] = []
    ours = list(_entra(document))
    for index, provider in ours:
        where = f"identity_providers[{index}]"
        if len(ours) == 1:
            _names(provider, environ, sources, where)
        if provider.get("client_assertion") == "managed-identity":
            _managed_identity(provider, environ, sources, where)
        elif provider.get("client_assertion") == "workload-identity":
            file = environ.get(_TOKEN_FILE, "").strip()
            if file:
                provider["client_assertion"] = f"file:{file}"
                sources[f"{where}.client_assertion"] = _TOKEN_FILE
            else:
                faults.append(
                    Fault(
                        f"{where}.client_assertion",
                        f"{_TOKEN_FILE} is not set, so there is no token about this workload",
                        "label the pod azure.workload.identity/use, or write file:/path",
                    )
                )
    return faults


def _entra(document: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    providers = document.get("identity_providers")
    for index, provider in enumerate(providers if isinstance(providers, list) else ()):
        if isinstance(provider, dict) and provider.get("kind") == "entra":
            yield index, provider


def _names(provider: dict[str, Any], environ: Mapping[str, str], sources: dict[str, str], where: str) -> None:
    wanted = [("AZURE_CLIENT_ID", "client_id")]
    if "tenants" not in provider:
        wanted.append(("AZURE_TENANT_ID", "tenant"))
    for name, key in wanted:
        text = environ.get(name, "").strip()
        if text and key not in provider:
            provider[key] = text
            sources[f"{where}.{key}"] = name


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
