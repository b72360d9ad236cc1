"""What an operator should know of a configuration that is sound."""

from collections.abc import Mapping, Sequence

from vestibule.config.admin_rules import notes_on_administration
from vestibule.config.command_rules import notes_on_commands
from vestibule.config.foreign import FOREIGN_NAMES
from vestibule.config.forward_auth_rules import notes_on_forward_auth
from vestibule.config.models import Configuration
from vestibule.config.provider_rules import lets_everybody_in, services
from vestibule.config.tenant_rules import denies_strangers, notes_on_tenants
from vestibule.config.tls_rules import notes_on_tls


def notes_on(configuration: Configuration, environ: Mapping[str, str]) -> Sequence[str]:
    notes = []
    if not configuration.identity_providers and configuration.is_loopback and configuration.signs_people_in:
        notes.append("no identity provider is configured, so people use the development sign-in, without passwords")
    if any(upstream.access == "anonymous" for upstream in configuration.upstreams):
        names = ", ".join(upstream.name for upstream in configuration.upstreams if upstream.access == "anonymous")
        notes.append(f"open to everybody, without signing in: {names}")
    for _, one in services(configuration):
        if lets_everybody_in(one) and not denies_strangers(configuration):
            limits = "hosted_domain" if one.kind == "google" else "organizations or teams"
            notes.append(f"everybody who has an account there may sign in with {one.name}; {limits} would limit that")
    notes += [
        f"tokens that any application got from {one.issuer} open this server: any_app"
        for one in configuration.resource_server.issuers
        if one.any_app
    ]
    notes += notes_on_commands(configuration)
    notes += notes_on_tenants(configuration)
    notes += notes_on_administration(configuration)
    notes += notes_on_forward_auth(configuration)
    if not configuration.is_loopback and not configuration.trusted_proxies:
        notes.append(
            "no proxy is named in trusted_proxies: behind one, everybody is one caller to the limits on "
            "registrations, codes and guesses, and in the audit trail"
        )
    if configuration.replicas > 1 and configuration.shared == "memory":
        notes.append(
            f"without shared: redis://…, each of the {configuration.replicas} replicas counts its limits for itself: "
            "a caller whom all of them serve may do so many times as much"
        )
    if configuration.workers > 1 and configuration.shared == "memory":
        notes.append(
            f"without shared: redis://…, each of the {configuration.workers} workers counts registrations, codes and "
            "guesses for itself"
        )
    notes += notes_on_tls(configuration)
    later = [foreign.name for foreign in FOREIGN_NAMES if not foreign.key and environ.get(foreign.name)]
    if later:
        notes.append(f"set, but without a meaning in this version (see check --env): {', '.join(later)}")
    return notes
