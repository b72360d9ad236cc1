"""Rules about TLS on our own port: the certificate can be served, and clients will accept it."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError

from vestibule.config import defaults
from vestibule.config.models import Configuration
from vestibule.errors import Fault


def certificate_serves(configuration: Configuration) -> Iterator[Fault]:
    """What no client would accept is a fault and no note: a door that nobody can open only looks open."""
    if configuration.tls is None:
        return
    from vestibule.config.certificate import read_certificate, server_context

    try:
        certificate = read_certificate(Path(configuration.tls.certificate))
    except PydanticCustomError as error:
        yield _fault("tls.certificate", error)
        return
    now = datetime.now(UTC)
    if certificate.ends <= now:
        yield Fault("tls.certificate", f"it ended on {certificate.ends:%Y-%m-%d}", "renew it")
    elif certificate.begins > now:
        begins = f"{certificate.begins:%Y-%m-%d %H:%M} UTC"
        yield Fault("tls.certificate", f"it is not valid before {begins}", "check the clock, or use the one before it")
    host = urlsplit(configuration.public_url).hostname or ""
    if not certificate.is_for(host):
        theirs = ", ".join((*certificate.names, *certificate.addresses)[:5]) or "nobody"
        yield Fault(
            "tls.certificate",
            f"it is not for the host of public_url, {host}, but for {theirs}",
            "get one for that name",
        )
    try:
        server_context(certificate.pem, configuration.tls.key, ssl.SSLContext)
    except PydanticCustomError as error:
        yield _fault("tls.key", error)


def _fault(key: str, error: PydanticCustomError) -> Fault:
    told = error.context or {}
    return Fault(key, told["reason"], told["fix"])


def tls_is_what_clients_are_told(configuration: Configuration) -> Iterator[Fault]:
    if configuration.tls is not None and configuration.public_url.startswith("http:"):
        yield Fault(
            "public_url",
            "it is http, and with tls the port speaks https only",
            f"write https://{configuration.public_url.partition('://')[2]}",
        )


def preload_lists_take_it(configuration: Configuration) -> Iterator[Fault]:
    hsts = configuration.http.hsts
    if hsts.preload and not (hsts.include_subdomains and hsts.max_age >= defaults.HSTS_PRELOAD_AGE):
        yield Fault(
            "http.hsts.preload",
            "the browsers' lists take only names with include_subdomains: true and a max_age of a year",
            "set both, or leave preload out",
        )


TLS_RULES = (certificate_serves, tls_is_what_clients_are_told, preload_lists_take_it)


def notes_on_tls(configuration: Configuration) -> list[str]:
    if configuration.tls is None:
        return []
    from vestibule.config.certificate import read_certificate

    try:
        ends = read_certificate(Path(configuration.tls.certificate)).ends
    except PydanticCustomError:  # it was there a moment ago
        return []
    left = ends - datetime.now(UTC)
    if left > defaults.CERTIFICATE_WARNING:
        return []
    return [f"the certificate ends in {max(left.days, 0)} days, on {ends:%Y-%m-%d}; renew it, then reload with SIGHUP"]
