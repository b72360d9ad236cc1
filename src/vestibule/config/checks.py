"""Rules between keys, one function a rule. Everything that must never run is refused here, before anything listens."""

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from vestibule.config.addresses import is_loopback_host
from vestibule.config.admin_rules import (
    administering_clients_prove_themselves,
    somebody_administers,
    the_scope_of_administration_is_ours,
)
from vestibule.config.aggregate_rules import AGGREGATE_RULES
from vestibule.config.api_key_rules import (
    keys_open_what_only_keys_open,
    static_keys_are_strong,
    static_keys_name_what_there_is,
)
from vestibule.config.audit_rules import audit_file_can_be_made, collector_answers_in_time
from vestibule.config.bounds import (
    durations_are_within_bounds,
    refresh_tokens_outlive_access_tokens,
    sizes_are_within_bounds,
)
from vestibule.config.client_rules import (
    assertion_issuers_are_sound,
    clients_are_sound,
    clients_of_their_own_are_confidential,
    lifetime_rules_name_clients,
    names_of_clients_and_upstreams_exist,
    only_trusted_needs_somebody,
    permissions_are_about_scopes_there_are,
    scopes_of_clients_exist,
)
from vestibule.config.command_rules import COMMAND_RULES
from vestibule.config.forward_auth_rules import FORWARD_AUTH_RULES
from vestibule.config.limit_rules import (
    grants_are_not_locked_out,
    parts_are_known_where_they_count,
    upstreams_with_limits_exist,
)
from vestibule.config.models import Configuration
from vestibule.config.policy_rules import (
    policy_is_sound,
    scopes_of_patterns_say_something,
    tenants_need_a_sign_in,
)
from vestibule.config.provider_rules import (
    asks_for_openid,
    assertions_fit_their_kind,
    auth0_domain_is_a_host,
    client_shows_itself_in_one_way,
    entra_names_its_tenants,
    google_domains_are_organisations,
    keys_can_sign,
    names_rename_something,
    services,
)
from vestibule.config.resource_server_rules import RESOURCE_SERVER_RULES
from vestibule.config.secret_rules import (
    key_file_is_private,
    previous_secrets_are_strong,
    root_secret_is_strong,
    secrets_are_not_samples,
    secrets_differ,
    there_is_one_root_secret,
)
from vestibule.config.socket_rules import sockets_are_on_this_computer
from vestibule.config.sse_rules import SSE_RULES
from vestibule.config.tenant_rules import (
    clients_of_tenants_are_somebodys,
    tenant_domains_are_organisations,
    tenants_are_told_apart,
    tenants_name_what_there_is,
)
from vestibule.config.tls_rules import TLS_RULES
from vestibule.config.upstreams import StaticCredentialConfig
from vestibule.config.worker_rules import WORKER_RULES
from vestibule.errors import Fault, InvalidScope
from vestibule.protocol.scope import read_scope

Rule = Callable[[Configuration], Iterator[Fault]]

RESERVED_NAMES = frozenset(
    "mcp sse message authorize token register revoke introspect consent callback par device device_authorization admin "
    "auth healthz readyz metrics assets static development all me sign-out jwks well-known".split()
)
RESERVED_PROVIDERS = frozenset({"client", "workload", "enterprise"})  # who is known without an identity provider
# Names that a request or this gateway itself decides on: a fixed value would break framing, routing or the MCP wire.
_NOT_FOR_CREDENTIALS = frozenset(
    "host connection content-length content-type content-encoding transfer-encoding te trailer upgrade keep-alive "
    "accept expect origin forwarded last-event-id proxy-authorization proxy-connection".split()
)
_METADATA_SERVICE = ip_network("169.254.0.0/16")


def check_configuration(configuration: Configuration, *, i_know: bool) -> list[Fault]:
    faults = [fault for rule in RULES for fault in rule(configuration)]
    if not i_know:
        faults += anonymous_access_only_on_loopback(configuration)
    return faults


# --- where we are ---------------------------------------------------------------------------------------------------


def public_url_is_given_off_loopback(configuration: Configuration) -> Iterator[Fault]:
    if "public_url" in configuration.model_fields_set:
        return
    if not is_loopback_host(configuration.host):
        yield Fault(
            "public_url",
            "listen is not a loopback address, so clients need a name for this server",
            "give its https address, such as https://mcp.example.com",
        )
    elif configuration.port == 0:
        yield Fault("listen", "with port 0 nobody knows the address", "name a port, or give public_url")


def names_are_free(configuration: Configuration) -> Iterator[Fault]:
    upstreams = [upstream.name for upstream in configuration.upstreams]
    for index, provider in enumerate(configuration.identity_providers):
        if provider.name in RESERVED_PROVIDERS:
            yield Fault(f"identity_providers[{index}].name", "it is what we call others by", "choose another name")
    for index, name in enumerate(upstreams):
        if name in RESERVED_NAMES:
            yield Fault(f"upstreams[{index}].name", "it is one of our own paths", "choose another name")
    yield from _repeated("upstreams", "name", upstreams)
    yield from _repeated("identity_providers", "name", [one.name for one in configuration.identity_providers])
    yield from _repeated("clients", "client_id", [one.client_id for one in configuration.clients])


def _repeated(where: str, key: str, values: list[str]) -> Iterator[Fault]:
    for index, value in enumerate(values):
        first = values.index(value)
        if first != index:
            yield Fault(f"{where}[{index}].{key}", f"{where}[{first}] has it already", "choose another")


def there_is_an_upstream(configuration: Configuration) -> Iterator[Fault]:
    if not configuration.upstreams:
        yield Fault("upstreams", "there is nothing behind the door", "add an upstream, or use --upstream URL")


def upstream_is_not_us(configuration: Configuration) -> Iterator[Fault]:
    for index, upstream in enumerate(configuration.upstreams):
        if upstream.socket or not upstream.url:
            continue
        parts = urlsplit(upstream.url)
        is_same_host = parts.hostname == configuration.host or (
            is_loopback_host(parts.hostname or "") and is_loopback_host(configuration.host)
        )
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        ours = urlsplit(configuration.public_url)
        is_behind_our_name = parts.netloc == ours.netloc and parts.path.startswith(f"{ours.path}/")
        if (is_same_host and port == configuration.port) or is_behind_our_name:
            yield Fault(f"upstreams[{index}].url", "it is this server itself", "name the MCP server behind it")


# --- who may come in ------------------------------------------------------------------------------------------------


def somebody_can_sign_in(configuration: Configuration) -> Iterator[Fault]:
    if configuration.identity_providers or configuration.is_loopback or not configuration.signs_people_in:
        return
    if any(upstream.access == "required" for upstream in configuration.upstreams):
        yield Fault(
            "identity_providers",
            "nobody could sign in: there is no identity provider, and the development sign-in is for loopback only",
            "add one, such as {name: work, kind: oidc, issuer: https://…, client_id: …}",
        )


def development_sign_in_only_on_loopback(configuration: Configuration) -> Iterator[Fault]:
    for index, provider in enumerate(configuration.identity_providers):
        if provider.kind == "development" and not configuration.is_loopback:
            yield Fault(
                f"identity_providers[{index}].kind",
                "the development sign-in asks for no password, and this server can be reached from elsewhere",
                "use kind: oidc, or listen on 127.0.0.1 with a public_url on loopback",
            )


def anonymous_access_only_on_loopback(configuration: Configuration) -> Iterator[Fault]:
    """Not a rule of the tuple below: `--i-know` accepts it."""
    for index, upstream in enumerate(configuration.upstreams):
        if upstream.access == "anonymous" and not configuration.is_loopback:
            yield Fault(
                f"upstreams[{index}].access",
                "everybody who reaches this server could use it without signing in",
                "use access: required, or start with --i-know",
            )


def scopes_are_scopes(configuration: Configuration) -> Iterator[Fault]:
    for key, scopes in _lists_of_scopes(configuration):
        for number, scope in enumerate(scopes):
            if not _is_scope(scope):
                yield Fault(
                    f"{key}[{number}]", "it is not one scope (RFC 6749 §3.3)", "no spaces, quotes or backslashes"
                )


def _lists_of_scopes(configuration: Configuration) -> Iterator[tuple[str, tuple[str, ...]]]:
    for index, upstream in enumerate(configuration.upstreams):
        where, scopes = f"upstreams[{index}].scopes", upstream.scopes
        yield f"{where}.default", scopes.default
        yield f"{where}.optional", scopes.optional
        for kind in ("tools", "prompts", "resources"):
            for pattern, needed in getattr(scopes, kind).items():
                yield f"{where}.{kind}.{pattern}", needed
    for where, provider in services(configuration):
        yield f"{where}.scopes", provider.scopes


def _is_scope(scope: str) -> bool:
    try:
        return read_scope(scope) == (scope,)
    except InvalidScope:
        return False


# --- the inner door -------------------------------------------------------------------------------------------------


def credential_never_travels_in_clear(configuration: Configuration) -> Iterator[Fault]:
    for index, upstream in enumerate(configuration.upstreams):
        parts = urlsplit(upstream.url)
        has_credential = isinstance(upstream.credential, StaticCredentialConfig)
        stays_here = bool(upstream.socket) or is_loopback_host(parts.hostname or "")
        if has_credential and parts.scheme == "http" and not stays_here:
            yield Fault(
                f"upstreams[{index}].url",
                "its credential would travel in clear: it is http and not loopback",
                "use https",
            )


def credential_is_a_header(configuration: Configuration) -> Iterator[Fault]:
    for index, upstream in enumerate(configuration.upstreams):
        credential, where = upstream.credential, f"upstreams[{index}].credential"
        if not isinstance(credential, StaticCredentialConfig):
            continue
        name = credential.header.lower()
        if name in _NOT_FOR_CREDENTIALS or name.startswith(("mcp-", "x-forwarded-")):
            yield Fault(f"{where}.header", "this header is the gateway's own business", "choose the upstream's own")
        if not re.fullmatch(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?", credential.value.reveal()):
            yield Fault(f"{where}.value", "it cannot be a header's value", "use printable ASCII, without line ends")


# --- networks, stores, replicas -------------------------------------------------------------------------------------


def metadata_service_stays_closed(configuration: Configuration) -> Iterator[Fault]:
    for index, network in enumerate(configuration.outbound.allow_networks):
        opened = ip_network(network)
        if opened.version == 4 and opened.overlaps(_METADATA_SERVICE):
            yield Fault(
                f"outbound.allow_networks[{index}]",
                "169.254.0.0/16 is where clouds keep the credentials of their machines",
                "name the network of your own clients",
            )


def ca_file_is_there(configuration: Configuration) -> Iterator[Fault]:
    if configuration.outbound.ca_file is not None and not Path(configuration.outbound.ca_file).is_file():
        yield Fault("outbound.ca_file", "there is no such file", "name a file of PEM certificates")


def store_is_one_we_have(configuration: Configuration) -> Iterator[Fault]:
    if not re.match(r"sqlite://(?:/|$)|postgres(?:ql)?://", configuration.store):
        yield Fault(
            "store", "there is no such kind of store", "write sqlite:///vestibule.db or postgresql://user@host/database"
        )


def replicas_share_everything(configuration: Configuration) -> Iterator[Fault]:
    if configuration.replicas == 1:
        return
    if not configuration.store.startswith("postgres"):
        yield Fault(
            "replicas",
            "each replica on SQLite and memory would have its own codes, grants and revocations",
            "use store: postgresql://…, or one replica",
        )
    if configuration.secret_key is None and "file" not in configuration.keys.model_fields_set:
        yield Fault(
            "keys", "each replica would make keys of its own", "give all of them the same keys.secret or keys.file"
        )


RULES: tuple[Rule, ...] = (
    public_url_is_given_off_loopback,
    there_is_an_upstream,
    names_are_free,
    upstream_is_not_us,
    sockets_are_on_this_computer,
    somebody_can_sign_in,
    development_sign_in_only_on_loopback,
    clients_are_sound,
    clients_of_their_own_are_confidential,
    names_of_clients_and_upstreams_exist,
    assertion_issuers_are_sound,
    lifetime_rules_name_clients,
    only_trusted_needs_somebody,
    permissions_are_about_scopes_there_are,
    scopes_of_clients_exist,
    scopes_are_scopes,
    scopes_of_patterns_say_something,
    tenants_need_a_sign_in,
    policy_is_sound,
    asks_for_openid,
    client_shows_itself_in_one_way,
    keys_can_sign,
    assertions_fit_their_kind,
    entra_names_its_tenants,
    google_domains_are_organisations,
    auth0_domain_is_a_host,
    names_rename_something,
    tenant_domains_are_organisations,
    tenants_are_told_apart,
    tenants_name_what_there_is,
    clients_of_tenants_are_somebodys,
    there_is_one_root_secret,
    previous_secrets_are_strong,
    root_secret_is_strong,
    static_keys_are_strong,
    secrets_are_not_samples,
    secrets_differ,
    key_file_is_private,
    static_keys_name_what_there_is,
    keys_open_what_only_keys_open,
    somebody_administers,
    administering_clients_prove_themselves,
    the_scope_of_administration_is_ours,
    credential_never_travels_in_clear,
    credential_is_a_header,
    metadata_service_stays_closed,
    ca_file_is_there,
    durations_are_within_bounds,
    sizes_are_within_bounds,
    refresh_tokens_outlive_access_tokens,
    *RESOURCE_SERVER_RULES,
    *FORWARD_AUTH_RULES,
    *COMMAND_RULES,
    *AGGREGATE_RULES,
    store_is_one_we_have,
    replicas_share_everything,
    parts_are_known_where_they_count,
    grants_are_not_locked_out,
    upstreams_with_limits_exist,
    audit_file_can_be_made,
    collector_answers_in_time,
    *TLS_RULES,
    *WORKER_RULES,
    *SSE_RULES,
)
