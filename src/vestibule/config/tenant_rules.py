"""Rules about tenants: who chooses a tenant must not be able to choose it."""

from collections.abc import Iterator

from vestibule.config.models import Configuration
from vestibule.config.providers import EntraConfig
from vestibule.config.tenants import DENY
from vestibule.errors import Fault
from vestibule.protocol.email_domain import PUBLIC_MAIL, PUBLIC_SUFFIXES, plain_domain

_IN_THEIR_OWN_NAME = frozenset({"client_credentials", "jwt_bearer"})


def tenant_domains_are_organisations(configuration: Configuration) -> Iterator[Fault]:
    tenants = configuration.tenants
    owners: dict[str, str] = {}
    for domain in tenants.domains if tenants is not None else ():
        where = f"tenants.domains.{domain}"
        plain = plain_domain(domain)
        if plain is None or plain in PUBLIC_SUFFIXES:
            yield Fault(where, "it is not one organisation's domain", "name each domain by itself")
        elif plain in PUBLIC_MAIL and tenants is not None and not tenants.public_domains:
            yield Fault(
                where,
                "anybody gets an address there, and would be one of this tenant",
                "remove it, or set tenants.public_domains: true if everybody may be",
            )
        if plain is not None and plain in owners:
            yield Fault(where, f"the domain is in two tenants (see tenants.domains.{owners[plain]})", "give it to one")
        owners.setdefault(plain or domain, domain)


def tenants_are_told_apart(configuration: Configuration) -> Iterator[Fault]:
    tenants = configuration.tenants
    if tenants is None:
        return
    if len(set(tenants.by)) != len(tenants.by):
        yield Fault("tenants.by", "the same stands twice", "keep the first")
    for name in (one for one in tenants.by if one not in tenants.given):
        key = {"static": "people", "email-domain": "domains"}.get(name, name)
        yield Fault("tenants.by", f"{name} decides by tenants.{key}, which says nothing", f"add it, or remove {name}")
    for name in (one for one in tenants.given if tenants.by and one not in tenants.by):
        yield Fault("tenants.by", f"{name} is configured and not used", f"add {name} to it, or remove what is said")
    if bool(tenants.claim) != bool(tenants.values):
        missing = "values" if tenants.claim else "claim"
        yield Fault(f"tenants.{missing}", "a claim decides by its name and its values", "add it")
    for user in tenants.people:
        provider, colon, subject = user.partition(":")
        if not (provider and colon and subject):
            yield Fault(f"tenants.people.{user}", "a person is provider:subject", "see `vestibule user list`")
    if not tenants.names:
        yield Fault("tenants", "nobody would be anybody's, so nobody could sign in", "say who belongs to whom")


def tenants_name_what_there_is(configuration: Configuration) -> Iterator[Fault]:
    tenants = configuration.tenants
    providers = {one.name for one in configuration.identity_providers}
    for number, name in enumerate(tenants.providers if tenants is not None else ()):
        if name not in providers:
            yield Fault(f"tenants.providers[{number}]", "there is no such identity provider", "correct the name")
    entra = [one for one in configuration.identity_providers if isinstance(one, EntraConfig)]
    listed = {tenant for one in entra for tenant in one.allowed_tenants}
    for directory in tenants.entra if tenants is not None else ():
        if entra and directory not in listed:
            yield Fault(
                f"tenants.entra.{directory}",
                "no identity provider lets this directory in",
                "add it to the provider's tenants, or remove it",
            )


def clients_of_tenants_are_somebodys(configuration: Configuration) -> Iterator[Fault]:
    """Where there are tenants, nobody acts in no name; where there are none, nobody is given away to one."""
    tenants = configuration.tenants
    issuers_of = {
        workload.client_id for one in configuration.assertion_issuers if one.tenant for workload in one.workloads
    }
    for index, client in enumerate(configuration.clients):
        where = f"clients[{index}].tenant"
        if tenants is None and client.tenant:
            yield Fault(where, "there are no tenants: nobody is one of it", "add tenants, or remove it")
        elif tenants is not None and tenants.default == DENY and not client.tenant:
            needs = _IN_THEIR_OWN_NAME & {*client.grants}
            if "client_credentials" in needs or (needs and client.client_id not in issuers_of and client.scopes):
                yield Fault(where, "it acts in its own name, and nobody says whose it is", "name its tenant")
    for index, one in enumerate(configuration.assertion_issuers):
        if tenants is None and one.tenant:
            yield Fault(f"assertion_issuers[{index}].tenant", "there are no tenants", "add tenants, or remove it")


def denies_strangers(configuration: Configuration) -> bool:
    """Whether who is nobody's does not come in, whatever a provider says."""
    return configuration.tenants is not None and configuration.tenants.default == DENY


def notes_on_tenants(configuration: Configuration) -> Iterator[str]:
    tenants = configuration.tenants
    if tenants is None:
        return
    entra = [one.name for one in configuration.identity_providers if isinstance(one, EntraConfig)]
    if entra and "email-domain" in tenants.order and "entra" not in tenants.order:
        yield (
            f"addresses from {', '.join(entra)} choose a tenant only with the optional claim xms_edov; "
            "tenants.entra goes by the directory"
        )
    said = [name for name in tenants.order if name in ("claim", "email-domain")]
    sources = [one.name for one in configuration.identity_providers]
    sources += [one.issuer for one in configuration.assertion_issuers if not one.tenant]
    sources += [one.issuer for one in configuration.resource_server.issuers]
    if said and len(sources) > 1 and not tenants.providers:
        yield (
            f"whoever runs one of {', '.join(sources)} can put people into every tenant (by {', '.join(said)}); "
            "tenants.providers names those whose word counts"
        )
    public = [domain for domain in tenants.domains if plain_domain(domain) in PUBLIC_MAIL]
    if public:
        yield f"everybody with an address at {', '.join(public)} is one of a tenant (tenants.public_domains)"
