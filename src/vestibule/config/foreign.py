"""The names that five other systems used in the environment (interface.md §2), and what each becomes here.

Those that have a meaning in this version are taken where the file says nothing. Those that come later are told by
`vestibule check --env`; the ones whose loss would leave something open are faults.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vestibule.config import defaults
from vestibule.config.paths import KeyPath
from vestibule.config.values import FromEnvironment
from vestibule.errors import Fault


@dataclass(frozen=True, slots=True)
class ForeignName:
    name: str
    key: str  # what it becomes; empty when it comes later
    note: str = ""


FOREIGN_NAMES: tuple[ForeignName, ...] = (
    ForeignName("AUTH_MODE", "resource_server.mode", "local, cloud or auto; none is a fault"),
    ForeignName("RESOURCE_IDENTIFIER", "resource_server.identifiers", "one, or a list with commas between"),
    ForeignName("ALLOWED_ISSUERS", "resource_server.issuers", "a list with commas between"),
    ForeignName("JWKS_CACHE_TTL", "resource_server.jwks_cache_ttl", "seconds"),
    ForeignName("SCOPES_SUPPORTED", "resource_server.scopes_supported", "a list with commas between"),
    ForeignName("CHECKLIST_DIR", "", "later: vestibule server knowledge"),
    ForeignName("PROCESS_DIR", "", "later: vestibule server knowledge"),
    ForeignName("MCP_PORT", "listen", "its port"),
    ForeignName("LOG_LEVEL", "logging.level"),
    ForeignName("AZURE_CLIENT_ID", "identity_providers[].client_id", "of the only provider of kind entra"),
    ForeignName("AZURE_TENANT_ID", "identity_providers[].tenant", "of the only provider of kind entra"),
    ForeignName("MCP_HTTP_GOOGLE_CLIENT_ID", "identity_providers[].client_id", "of the only provider of kind google"),
    ForeignName(
        "MCP_HTTP_GOOGLE_CLIENT_SECRET", "identity_providers[].client_secret", "of the only provider of kind google"
    ),
    ForeignName("MCP_HTTP_AUTH0_DOMAIN", "identity_providers[].domain", "of the only provider of kind auth0"),
    ForeignName("MCP_HTTP_AUTH0_AUDIENCE", "identity_providers[].audience", "of the only provider of kind auth0"),
    ForeignName(
        "MCP_HTTP_GITHUB_ENABLED",
        "",
        "nothing hangs on it: a provider of kind github is an entry of identity_providers",
    ),
    ForeignName("MCP_HTTP_API_KEY", "api_keys.static", "one key, called env"),
    ForeignName("MCP_HTTP_API_KEYS", "api_keys.static", "keys with commas between, each as name:key or key"),
    ForeignName("MCP_HTTP_DATABASE_CONNECTION_STRING", "store"),
    ForeignName("DATABASE_URL", "store", "when MCP_HTTP_DATABASE_CONNECTION_STRING is not set"),
    ForeignName(
        "MCP_HTTP_ENVIRONMENT", "", "nothing hangs on it: what is loopback only is refused elsewhere by itself"
    ),
    ForeignName("MCP_HTTP_HOST", "listen", "its host"),
    ForeignName("MCP_HTTP_PORT", "listen", "its port; stronger than MCP_PORT"),
    ForeignName("MCP_HTTP_TLS_CERT_PATH", "tls.certificate"),
    ForeignName("MCP_HTTP_TLS_KEY_PATH", "tls.key", "the path of a private file"),
    ForeignName("MCP_HTTP_CORS_ORIGINS", "cors_origins", "a list with commas between"),
)

_NAMED_KEY = re.compile(r"([a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?):(.+)")
_NO_AUTH = frozenset({"none", "off", "no", "false", "0", "disabled", "anonymous"})
_LEVELS = {"trace": "debug", "notice": "info", "warn": "warning", "critical": "error", "fatal": "error"}


def foreign_values(environ: Mapping[str, str]) -> Iterator[tuple[str, KeyPath, Any]]:
    """What the set ones say: the variable, the key's path, the value. The stronger of two comes first."""
    yield from _listen(environ)
    for name in ("MCP_HTTP_DATABASE_CONNECTION_STRING", "DATABASE_URL"):
        if text := environ.get(name, "").strip():
            yield name, ("store",), text
    if text := environ.get("LOG_LEVEL", "").strip().lower():
        yield "LOG_LEVEL", ("logging", "level"), _LEVELS.get(text, text)
    if keys := list(_api_keys(environ)):
        name = "MCP_HTTP_API_KEY" if environ.get("MCP_HTTP_API_KEY", "").strip() else "MCP_HTTP_API_KEYS"
        yield name, ("api_keys", "static"), keys
    if text := environ.get("MCP_HTTP_CORS_ORIGINS", "").strip():
        yield "MCP_HTTP_CORS_ORIGINS", ("cors_origins",), [one for one in re.split(r"[\s,\[\]\"']+", text) if one]
    for name, key in (("MCP_HTTP_TLS_CERT_PATH", "certificate"), ("MCP_HTTP_TLS_KEY_PATH", "key")):
        if text := environ.get(name, "").strip():
            yield name, ("tls", key), text
    yield from _resource_server(environ)


def _resource_server(environ: Mapping[str, str]) -> Iterator[tuple[str, KeyPath, Any]]:
    mode = environ.get("AUTH_MODE", "").strip().lower()
    if mode and mode not in _NO_AUTH:  # that has a fault of its own
        yield "AUTH_MODE", ("resource_server", "mode"), mode
    if ttl := environ.get("JWKS_CACHE_TTL", "").strip():
        yield "JWKS_CACHE_TTL", ("resource_server", "jwks_cache_ttl"), ttl
    for name, key in (
        ("RESOURCE_IDENTIFIER", "identifiers"),
        ("ALLOWED_ISSUERS", "issuers"),
        ("SCOPES_SUPPORTED", "scopes_supported"),
    ):
        if texts := [one for one in re.split(r"[\s,\[\]\"']+", environ.get(name, "")) if one]:
            yield name, ("resource_server", key), texts


def _api_keys(environ: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Both variables, each key once. What stands before a colon is a name if it could be one."""
    one, several = (environ.get(name, "").strip() for name in ("MCP_HTTP_API_KEY", "MCP_HTTP_API_KEYS"))
    named = [("env", one)] if one else []
    for number, text in enumerate(filter(None, (part.strip() for part in several.split(","))), start=1):
        found = _NAMED_KEY.fullmatch(text)
        named.append((found[1], found[2].strip()) if found else (f"env-{number}", text))
    for key, name in {key: name for name, key in reversed(named)}.items():
        yield {"name": name, "key": FromEnvironment(key)}


def _listen(environ: Mapping[str, str]) -> Iterator[tuple[str, KeyPath, Any]]:
    host = environ.get("MCP_HTTP_HOST", "").strip()
    ports = [(name, environ[name].strip()) for name in ("MCP_HTTP_PORT", "MCP_PORT") if environ.get(name, "").strip()]
    if not host and not ports:
        return
    usual_host, _, usual_port = defaults.LISTEN.rpartition(":")
    name, port = ports[0] if ports else ("MCP_HTTP_HOST", usual_port)
    host = host or usual_host
    yield name, ("listen",), f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def faults_of_foreign_names(environ: Mapping[str, str]) -> Iterator[Fault]:
    for foreign in FOREIGN_NAMES:
        text = environ.get(foreign.name)
        if text is not None and not text.strip() and foreign.key:
            yield Fault(foreign.name, "the variable is empty", "unset it, or give it a value")
        elif foreign.name == "AUTH_MODE" and text and text.strip().lower() in _NO_AUTH:
            yield Fault(
                foreign.name,
                "there is no switch that turns signing in off",
                "write local, cloud or auto; access: anonymous opens one upstream by name",
            )
