"""Rules between keys, one function a rule. Everything that must never run is refused here, before anything listens."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from urllib.parse import urlsplit

from vestibule.config.models import Configuration, OidcConfig, StaticCredentialConfig
from vestibule.config.values import is_loopback_host
from vestibule.errors import Fault, InvalidRedirectUri, InvalidScope
from vestibule.model import Secret
from vestibule.protocol.redirect_uri import check_registrable
from vestibule.protocol.scope import read_scope
from vestibule.protocol.secrets_strength import HOW_TO_MAKE_ONE, check_root_secret

Rule = Callable[[Configuration], Iterator[Fault]]

_RESERVED = frozenset(
    "mcp sse message authorize token register revoke introspect consent callback par device device_authorization admin "
    "auth healthz readyz metrics assets development all me sign-out jwks".split()
)
_SAMPLE_SECRETS = ("changeme", "change-me", "secret", "password", "example", "client-secret", "your-client-secret")


def check_configuration(configuration: Configuration, *, i_know: bool) -> list[Fault]:
    faults = [fault for rule in RULES for fault in rule(configuration)]
    if not i_know:
        faults += check_anonymous_off_loopback(configuration)
    return faults


def check_public_url(configuration: Configuration) -> Iterator[Fault]:
    url = configuration.public_url
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        yield Fault("public_url", "it is not a URL", "write https://host or https://host/path")
        return
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or not url.isascii():
        yield Fault("public_url", "it is not an https URL", "write https://host or https://host/path")
        return
    if parts.query or parts.fragment or "?" in url or "#" in url:
        yield Fault("public_url", "an issuer has no query and no fragment (RFC 8414 §2)", "remove it")
    if url.endswith("/"):
        yield Fault("public_url", "clients compare the issuer to the letter, and it ends with a slash", "remove it")
    if parts.netloc != parts.netloc.lower():
        yield Fault("public_url", "its host is not in lower case", "write it in lower case")
    if parts.scheme == "http" and not is_loopback_host(parts.hostname):
        yield Fault("public_url", "tokens would travel in clear: it is http and not loopback", "use https")


def check_names(configuration: Configuration) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, upstream in enumerate(configuration.upstreams):
        if upstream.name in _RESERVED:
            yield Fault(f"upstreams[{index}].name", f"{upstream.name} is one of our own paths", "choose another name")
        if upstream.name in seen:
            yield Fault(f"upstreams[{index}].name", "two upstreams have this name", "choose another name")
        seen.add(upstream.name)
    providers: set[str] = set()
    for index, provider in enumerate(configuration.identity_providers):
        if provider.name in providers:
            yield Fault(f"identity_providers[{index}].name", "two providers have this name", "choose another name")
        providers.add(provider.name)
    clients: set[str] = set()
    for index, client in enumerate(configuration.clients):
        if client.client_id in clients:
            yield Fault(f"clients[{index}].client_id", "two clients have this id", "choose another id")
        clients.add(client.client_id)


def check_someone_signs_people_in(configuration: Configuration) -> Iterator[Fault]:
    if configuration.identity_providers or configuration.is_loopback:
        return
    if all(upstream.access == "anonymous" for upstream in configuration.upstreams):
        return
    yield Fault(
        "identity_providers",
        "nobody can sign in: there is no identity provider",
        "add one; the development sign-in is for loopback only",
    )


def check_development_on_loopback(configuration: Configuration) -> Iterator[Fault]:
    for index, provider in enumerate(configuration.identity_providers):
        if provider.kind == "development" and not configuration.is_loopback:
            yield Fault(
                f"identity_providers[{index}].kind",
                "the development sign-in asks for no password, and this server can be reached from elsewhere",
                "use a real identity provider, or listen on 127.0.0.1 with a loopback public_url",
            )


def check_upstream_in_clear(configuration: Configuration) -> Iterator[Fault]:
    for index, upstream in enumerate(configuration.upstreams):
        parts = urlsplit(upstream.url)
        if (
            parts.scheme == "http"
            and isinstance(upstream.credential, StaticCredentialConfig)
            and not is_loopback_host(parts.hostname or "")
        ):
            yield Fault(
                f"upstreams[{index}].url",
                "its credential would travel in clear: it is http and not loopback",
                "use https",
            )


def check_upstream_is_not_us(configuration: Configuration) -> Iterator[Fault]:
    for index, upstream in enumerate(configuration.upstreams):
        parts = urlsplit(upstream.url)
        if f"{parts.hostname}:{parts.port}" == configuration.listen and configuration.port:
            yield Fault(f"upstreams[{index}].url", "it is this server itself", "name the MCP server behind it")


def check_scopes(configuration: Configuration) -> Iterator[Fault]:
    for index, upstream in enumerate(configuration.upstreams):
        for scope in upstream.scopes.default:
            try:
                if read_scope(scope) != (scope,):
                    raise InvalidScope("")
            except InvalidScope:
                yield Fault(f"upstreams[{index}].scopes.default", f"{scope!r} is not one scope", "use no spaces")


def check_clients(configuration: Configuration) -> Iterator[Fault]:
    for index, client in enumerate(configuration.clients):
        for uri in client.redirect_uris:
            try:
                check_registrable(uri)
            except InvalidRedirectUri as error:
                yield Fault(f"clients[{index}].redirect_uris", error.message, error.action or "correct it")
        if client.client_secret is None and client.auth_method not in (None, "none"):
            yield Fault(f"clients[{index}].client_secret", "this auth_method needs a secret", "add it")
        if client.client_secret is not None and client.auth_method == "none":
            yield Fault(f"clients[{index}].auth_method", "a client with a secret authenticates", "remove one of them")
        if client.client_id.lower().startswith(("http:", "https:")):
            yield Fault(f"clients[{index}].client_id", "it looks like a metadata document", "choose another id")


def check_secrets(configuration: Configuration) -> Iterator[Fault]:
    """Weak, sample or equal secrets."""
    if configuration.secret_key is not None:
        reason = check_root_secret(configuration.secret_key.reveal())
        if reason is not None:
            yield Fault("secret_key", reason, f"make one with: {HOW_TO_MAKE_ONE}")
    seen: dict[str, str] = {}
    for key, secret in _secrets(configuration):
        text = secret.reveal()
        if key != "secret_key" and (len(text) < 12 or text.lower() in _SAMPLE_SECRETS):
            yield Fault(
                key, "it is too short or a sample value", "use the one that its issuer gave you, or a longer one"
            )
        if text in seen:
            yield Fault(key, f"it is the same secret as {seen[text]}", "every secret has one use")
        seen.setdefault(text, key)


def _secrets(configuration: Configuration) -> Iterator[tuple[str, Secret]]:
    if configuration.secret_key is not None:
        yield "secret_key", configuration.secret_key
    for index, provider in enumerate(configuration.identity_providers):
        if isinstance(provider, OidcConfig) and provider.client_secret is not None:
            yield f"identity_providers[{index}].client_secret", provider.client_secret
    for index, client in enumerate(configuration.clients):
        if client.client_secret is not None:
            yield f"clients[{index}].client_secret", client.client_secret
    for index, upstream in enumerate(configuration.upstreams):
        if isinstance(upstream.credential, StaticCredentialConfig):
            yield f"upstreams[{index}].credential.value", upstream.credential.value


def check_networks(configuration: Configuration) -> Iterator[Fault]:
    for key, networks in (
        ("trusted_proxies", configuration.trusted_proxies),
        ("outbound.allow_networks", configuration.outbound.allow_networks),
    ):
        for network in networks:
            try:
                parsed = ip_network(network)
            except ValueError:
                yield Fault(key, f"{network!r} is not a network", "write it as 10.0.0.0/8")
                continue
            if parsed.prefixlen == 0:
                yield Fault(key, f"{network} is everybody", "name the networks that are yours")


def check_origins(configuration: Configuration) -> Iterator[Fault]:
    for origin in configuration.origins:
        parts = urlsplit(origin)
        if "*" in origin or origin == "null":
            yield Fault("origins", f"{origin!r} would let every page call MCP", "name each origin")
        elif parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query or parts.fragment:
            yield Fault("origins", f"{origin!r} is not an origin", "write https://host")


def check_lifetimes(configuration: Configuration) -> Iterator[Fault]:
    tokens = configuration.tokens
    for key, value, shortest, longest in (
        ("access_token_lifetime", tokens.access_token_lifetime, 30, 3600),
        ("refresh_token_lifetime", tokens.refresh_token_lifetime, 300, 400 * 86400),
        ("code_lifetime", tokens.code_lifetime, 5, 60),
        ("refresh_grace", tokens.refresh_grace, 0, 120),
        ("session_lifetime", tokens.session_lifetime, 60, 30 * 86400),
    ):
        if not timedelta(seconds=shortest) <= value <= timedelta(seconds=longest):
            yield Fault(f"tokens.{key}", f"it is not between {shortest}s and {longest}s", "choose one in between")


def check_replicas(configuration: Configuration) -> Iterator[Fault]:
    if configuration.replicas > 1 and configuration.store.startswith("sqlite"):
        yield Fault(
            "replicas",
            "several replicas on SQLite and memory would each have their own sign-ins, and revocations",
            "use store: postgresql://…, or one replica",
        )


def check_anonymous_off_loopback(configuration: Configuration) -> Iterator[Fault]:
    for index, upstream in enumerate(configuration.upstreams):
        if upstream.access == "anonymous" and not configuration.is_loopback:
            yield Fault(
                f"upstreams[{index}].access",
                "everybody who reaches this server could use it without signing in",
                "use access: required, or start with --i-know",
            )


RULES: tuple[Rule, ...] = (
    check_public_url,
    check_names,
    check_someone_signs_people_in,
    check_development_on_loopback,
    check_upstream_in_clear,
    check_upstream_is_not_us,
    check_scopes,
    check_clients,
    check_secrets,
    check_networks,
    check_origins,
    check_lifetimes,
    check_replicas,
)
