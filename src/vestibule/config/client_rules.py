"""Rules about clients, and about who speaks for them."""

import re
from collections.abc import Iterator

from vestibule.config.authorization import ClientConfig
from vestibule.config.models import Configuration
from vestibule.errors import Fault, InvalidClientMetadata, InvalidRedirectUri
from vestibule.protocol.redirect_uri import check_registrable
from vestibule.protocol.registration import check_client_keys
from vestibule.protocol.scope import ADMIN

_IN_THEIR_OWN_NAME = frozenset({"client_credentials", "token_exchange"})


def clients_are_sound(configuration: Configuration) -> Iterator[Fault]:
    for index, client in enumerate(configuration.clients):
        where = f"clients[{index}]"
        for number, uri in enumerate(client.redirect_uris):
            try:
                check_registrable(uri)
            except InvalidRedirectUri as error:
                yield Fault(f"{where}.redirect_uris[{number}]", _clause(error.message), error.action or "correct it")
        if "authorization_code" in client.grants and not client.redirect_uris:
            yield Fault(f"{where}.redirect_uris", "the grant authorization_code needs one", "add where it returns to")
        if re.match(r"https?:|vci_", client.client_id, re.IGNORECASE):
            yield Fault(f"{where}.client_id", "it looks like one that this server gives or fetches", "choose another")
        yield from _credentials(client, where)


def _credentials(client: ClientConfig, where: str) -> Iterator[Fault]:
    has_keys = client.jwks is not None or bool(client.jwks_uri)
    method = client.auth_method
    if client.client_secret is None and method in ("client_secret_basic", "client_secret_post"):
        yield Fault(f"{where}.client_secret", "its auth_method needs one", "add it, or use auth_method: none")
    if client.client_secret is not None and method == "none":
        yield Fault(f"{where}.auth_method", "a client that has a secret must show it", "remove one of the two")
    if method == "private_key_jwt" and not has_keys:
        yield Fault(f"{where}.jwks", "its auth_method needs its public keys", "add jwks or jwks_uri")
    if has_keys and (client.client_secret is not None or method not in (None, "private_key_jwt")):
        yield Fault(f"{where}.auth_method", "a client that has keys proves itself with them", "remove the other way")
    if client.jwks is not None and client.jwks_uri:
        yield Fault(f"{where}.jwks_uri", "a client has jwks or jwks_uri, never both (RFC 7591 §2)", "remove one")
    if client.jwks is not None:
        try:
            check_client_keys(client.jwks)
        except InvalidClientMetadata as error:
            yield Fault(f"{where}.jwks", _clause(error.message), "give its public keys, and nothing private")


def clients_of_their_own_are_confidential(configuration: Configuration) -> Iterator[Fault]:
    for index, client in enumerate(configuration.clients):
        where = f"clients[{index}]"
        is_public = client.client_secret is None and client.jwks is None and not client.jwks_uri
        if is_public and (_IN_THEIR_OWN_NAME & {*client.grants} or client.introspects or client.acts_for):
            yield Fault(
                where,
                "whoever knows its id could act in its name: it has no secret and no keys",
                "add client_secret, jwks or jwks_uri",
            )
        if "client_credentials" in client.grants and not client.scopes:
            yield Fault(f"{where}.scopes", "it could do nothing in its own name", "name the scopes that it gets")
        if client.acts_for and "token_exchange" not in client.grants:
            yield Fault(f"{where}.grant_types", "acts_for needs the grant token_exchange", "add it")


def names_of_clients_and_upstreams_exist(configuration: Configuration) -> Iterator[Fault]:
    upstreams = {upstream.name for upstream in configuration.upstreams}
    for index, client in enumerate(configuration.clients):
        for number, name in enumerate(client.introspects):
            if name not in upstreams:
                yield Fault(f"clients[{index}].introspects[{number}]", "there is no such upstream", "correct the name")


def assertion_issuers_are_sound(configuration: Configuration) -> Iterator[Fault]:
    clients = {client.client_id: client for client in configuration.clients}
    providers = {provider.name for provider in configuration.identity_providers}
    issuers = [one.issuer for one in configuration.assertion_issuers]
    for index, one in enumerate(configuration.assertion_issuers):
        where = f"assertion_issuers[{index}]"
        if issuers.index(one.issuer) != index:
            yield Fault(f"{where}.issuer", "it stands here already", "say all about it in one place")
        called = [found.provider or found.name or found.kind for found in configuration.assertion_issuers]
        if called.index(called[index]) != index or (not one.provider and called[index] in providers):
            yield Fault(f"{where}.name", "others are called so already, and would be the same people", "give it a name")
        if one.provider and one.provider not in providers:
            yield Fault(f"{where}.provider", "there is no such identity provider", "correct the name")
        if one.kind == "enterprise" and one.workloads:
            yield Fault(f"{where}.workloads", "an enterprise's assertions are about people", "use kind: workload")
        if one.kind == "workload" and not one.workloads:
            yield Fault(f"{where}.workloads", "no workload could get in", "name subjects and the clients they are")
        for number, workload in enumerate(one.workloads):
            client = clients.get(workload.client_id)
            if client is None or "jwt_bearer" not in client.grants or not client.scopes:
                yield Fault(
                    f"{where}.workloads[{number}].client_id",
                    "it names no client with the grant jwt_bearer and scopes",
                    "add one to clients",
                )
            if workload.subject.strip("*:/ ") == "":
                yield Fault(f"{where}.workloads[{number}].subject", "it would be every workload", "name yours")


def lifetime_rules_name_clients(configuration: Configuration) -> Iterator[Fault]:
    for index, rule in enumerate(configuration.tokens.clients):
        known = {client.client_id for client in configuration.clients}
        for number, client_id in enumerate(rule.client_ids):
            if client_id not in known and not client_id.startswith("https://"):
                yield Fault(
                    f"tokens.clients[{index}].client_ids[{number}]",
                    "it is no client of this file, and no URL of a document",
                    "correct it; clients that register themselves are named by redirect_hosts",
                )
        if not rule.client_ids and not rule.redirect_hosts:
            yield Fault(f"tokens.clients[{index}]", "it names no client", "add client_ids or redirect_hosts")


def only_trusted_needs_somebody(configuration: Configuration) -> Iterator[Fault]:
    documents = configuration.client_documents
    if documents.enabled and documents.only_trusted and not documents.trusted_domains:
        yield Fault("client_documents.only_trusted", "no domain is trusted", "name some, or use enabled: false")


def scopes_of_clients_exist(configuration: Configuration) -> Iterator[Fault]:
    offered = {scope for one in configuration.upstreams for scope in one.scopes.offered}
    if configuration.admin.enabled:
        offered.add(ADMIN)
    for index, client in enumerate(configuration.clients):
        for number, scope in enumerate(client.scopes):
            if scope not in offered:
                yield Fault(f"clients[{index}].scopes[{number}]", "no upstream has this scope", "correct it")


def permissions_are_about_scopes_there_are(configuration: Configuration) -> Iterator[Fault]:
    offered = {scope for one in configuration.upstreams for scope in one.scopes.offered}
    for role, scopes in configuration.authorization.permissions.items():
        for number, scope in enumerate(scopes):
            if scope not in offered:
                yield Fault(
                    f"authorization.permissions.{role}[{number}]",
                    "no upstream has this scope",
                    "add it to an upstream's scopes.default or scopes.optional",
                )


def _clause(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")
