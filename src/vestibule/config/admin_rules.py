"""Rules about administration: somebody may, and who may has proven it."""

from collections.abc import Iterator

from vestibule.config.models import Configuration
from vestibule.config.provider_rules import services
from vestibule.errors import Fault
from vestibule.protocol.scope import ADMIN


def somebody_administers(configuration: Configuration) -> Iterator[Fault]:
    admin = configuration.admin
    if admin.enabled and not (admin.roles or admin.operators or admin.clients):
        yield Fault("admin", "nobody could use it", "name roles, operators or clients")


def administering_clients_prove_themselves(configuration: Configuration) -> Iterator[Fault]:
    clients = {client.client_id: client for client in configuration.clients}
    for number, client_id in enumerate(configuration.admin.clients):
        where, client = f"admin.clients[{number}]", clients.get(client_id)
        if client is None:
            yield Fault(where, "there is no such client in this file", "add it to clients")
        elif "client_credentials" not in client.grants or ADMIN not in client.scopes:
            yield Fault(where, "it could get no token for it", f"give it grant_types: [client_credentials] and {ADMIN}")


def the_scope_of_administration_is_ours(configuration: Configuration) -> Iterator[Fault]:
    for index, upstream in enumerate(configuration.upstreams):
        for kind, scopes in (("default", upstream.scopes.default), ("optional", upstream.scopes.optional)):
            if ADMIN in scopes:
                where = f"upstreams[{index}].scopes.{kind}[{scopes.index(ADMIN)}]"
                yield Fault(where, "it is the scope of this server's own administration", "choose another")


def notes_on_administration(configuration: Configuration) -> Iterator[str]:
    """A role is a word in somebody's claims: whoever writes them gives it."""
    admin = configuration.admin
    sources = [one.name for _, one in services(configuration) if one.roles.from_]
    if admin.enabled and admin.operators and len(sources) > 1:
        yield (
            f"whoever runs one of {', '.join(sources)} can make people operators of all tenants (admin.operators); "
            "leave roles.from out where claims are not yours"
        )
