"""The operator's file as the values that the parts take."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from vestibule.authorization_server.assertion_issuers import AssertionIssuer, Workload
from vestibule.authorization_server.client_documents import DomainTrust
from vestibule.authorization_server.lifetimes import LifetimeRule, Lifetimes
from vestibule.authorization_server.server import RegistrationLimits, Settings
from vestibule.config import Configuration
from vestibule.config.authorization import AssertionIssuerConfig, ClientConfig, ClientLifetimesConfig
from vestibule.config.tenants import DENY
from vestibule.config.upstreams import StaticCredentialConfig, UpstreamConfig
from vestibule.model import (
    DEFAULT_TENANT,
    AuthMethod,
    Client,
    ClientOrigin,
    Resource,
    ScopePattern,
    StaticCredential,
    TenantId,
    Timeouts,
    Upstream,
)
from vestibule.protocol.registration import CLIENT_CREDENTIALS, DEVICE_CODE, JWT_BEARER, TOKEN_EXCHANGE
from vestibule.wiring.administration import issued_for, permissions_of
from vestibule.wiring.aggregate import aggregate_resource
from vestibule.wiring.commands import command_of
from vestibule.wiring.limits import token_limits
from vestibule.wiring.sse_clients import sse_resources

_GRANTS = {
    "authorization_code": ("authorization_code", "refresh_token"),
    "device_code": (DEVICE_CODE, "refresh_token"),
    "client_credentials": (CLIENT_CREDENTIALS,),
    "token_exchange": (TOKEN_EXCHANGE,),
    "jwt_bearer": (JWT_BEARER,),
}


def make_resources(configuration: Configuration) -> tuple[Resource, ...]:
    """Each upstream at /{name}/mcp; a single one also, and first, at /mcp; several together at /all/mcp. Then the same
    for HTTP+SSE clients."""
    base, prefix = configuration.public_url, urlsplit(configuration.public_url).path
    resources: list[Resource] = []
    for one in configuration.upstreams:
        upstream = _upstream(one)
        if len(configuration.upstreams) == 1:
            aliases = (base, f"{base}/")
            resources.append(Resource(f"{base}/mcp", f"{prefix}/mcp", upstream, aliases))
        resources.append(Resource(f"{base}/{one.name}/mcp", f"{prefix}/{one.name}/mcp", upstream))
    together = aggregate_resource(configuration, [one.upstream for one in resources])
    return (*resources, *together, *sse_resources(configuration, resources))


def _upstream(one: UpstreamConfig) -> Upstream:
    credential = None
    if isinstance(one.credential, StaticCredentialConfig):
        credential = StaticCredential({one.credential.header: one.credential.value})
    return Upstream(
        name=one.name,
        url=one.url,
        transport=one.spoken,
        command=command_of(one),
        socket=one.socket,
        served_by=one.served_by,
        trust_routing_headers=one.trust_routing_headers,
        access=one.access,
        scopes=one.scopes.default,
        optional_scopes=tuple(scope for scope in one.scopes.offered if scope not in one.scopes.default),
        tool_scopes=_patterns(one.scopes.tools),
        prompt_scopes=_patterns(one.scopes.prompts),
        resource_scopes=_patterns(one.scopes.resources),
        tenants=one.tenants,
        scope_texts=one.scopes.texts,
        credential=credential,
        timeouts=Timeouts(one.timeouts.connect, one.timeouts.first_byte, one.timeouts.idle_stream),
        title=one.title,
        hide_denied=one.hide_denied,
    )


def _patterns(given: Mapping[str, tuple[str, ...]]) -> tuple[ScopePattern, ...]:
    return tuple(ScopePattern(pattern, scopes) for pattern, scopes in given.items())


def make_settings(configuration: Configuration, resources: tuple[Resource, ...]) -> Settings:
    tokens, registration = configuration.tokens, configuration.registration
    return Settings(
        issuer=configuration.issuer,
        resources=issued_for(configuration, resources),
        lifetimes=Lifetimes(
            code=tokens.code_lifetime,
            access_token=tokens.access_token_lifetime,
            refresh_token=tokens.refresh_token_lifetime,
            refresh_grace=tokens.refresh_grace,
            grant=tokens.grant_lifetime,
            session=tokens.session_lifetime,
        ),
        lifetime_rules=tuple(map(_lifetime_rule, tokens.clients)),
        registration=registration.enabled,
        registration_limits=RegistrationLimits(
            per_hour=registration.per_hour,
            unused=registration.unused_limit,
            unused_lifetime=registration.unused_lifetime,
        ),
        client_documents=configuration.client_documents.enabled,
        needs_pushed_requests=configuration.authorization.needs_pushed_requests,
        token_format="signed" if tokens.format == "jwt" else "sealed",
        permissions=permissions_of(configuration),
        token_limits=token_limits(configuration),
        default_tenant=_default_tenant(configuration),
    )


def _default_tenant(configuration: Configuration) -> TenantId:
    if configuration.tenants is None:
        return DEFAULT_TENANT
    return "" if configuration.tenants.default == DENY else configuration.tenants.default


def _lifetime_rule(one: ClientLifetimesConfig) -> LifetimeRule:
    return LifetimeRule(
        client_ids=one.client_ids,
        redirect_hosts=one.redirect_hosts,
        access_token=one.access_token_lifetime,
        refresh_token=one.refresh_token_lifetime,
        grant=one.grant_lifetime,
    )


def make_clients(configuration: Configuration, resources: tuple[Resource, ...]) -> list[Client]:
    return [_client(one, resources) for one in configuration.clients]


def _client(one: ClientConfig, resources: tuple[Resource, ...]) -> Client:
    has_keys = one.jwks is not None or bool(one.jwks_uri)
    usual: AuthMethod = (
        "private_key_jwt" if has_keys else "none" if one.client_secret is None else "client_secret_basic"
    )
    return Client(
        client_id=one.client_id,
        origin=ClientOrigin.CONFIGURED,
        redirect_uris=one.redirect_uris,
        name=one.name or one.client_id,
        auth_method=one.auth_method or ("private_key_jwt" if has_keys else usual),
        secret_digest=one.client_secret.digest() if one.client_secret is not None else None,
        grant_types=tuple(dict.fromkeys(grant for name in one.grants for grant in _GRANTS[name])),
        scopes=one.scopes,
        jwks=one.jwks,
        jwks_uri=one.jwks_uri,
        needs_pushed_requests=one.needs_pushed_requests,
        needs_dpop=one.needs_dpop,
        introspects=tuple(found.identifier for found in resources if found.upstream.name in one.introspects),
        tenant=one.tenant,
        acts_for=one.acts_for,
    )


def make_trust(configuration: Configuration) -> DomainTrust:
    documents = configuration.client_documents
    return DomainTrust(
        trusted=documents.trusted_domains, blocked=documents.blocked_domains, only_trusted=documents.only_trusted
    )


def make_assertion_issuers(configuration: Configuration) -> list[AssertionIssuer]:
    return [_assertion_issuer(one) for one in configuration.assertion_issuers]


def _assertion_issuer(one: AssertionIssuerConfig) -> AssertionIssuer:
    return AssertionIssuer(
        issuer=one.issuer,
        kind=one.kind,
        jwks_uri=one.jwks_uri,
        name=one.provider or one.name or one.kind,
        audience=one.audience,
        tenant=one.tenant,
        clients=one.clients,
        workloads=tuple(Workload(found.subject, found.client_id) for found in one.workloads),
    )


def hosts_of(configuration: Configuration) -> frozenset[str]:
    """What a Host header may say: the public name; and on loopback each of its names with our port."""
    parts = urlsplit(configuration.public_url)
    hosts = (
        {parts.netloc, f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"} if not parts.port else {parts.netloc}
    )
    if configuration.is_loopback:
        hosts |= {f"{name}:{configuration.port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    return frozenset(host.lower() for host in hosts)


def origins_of(configuration: Configuration) -> frozenset[str]:
    parts = urlsplit(configuration.public_url)
    origins = {f"{parts.scheme}://{parts.netloc}", *configuration.origins}
    if configuration.is_loopback:
        origins |= {f"http://{name}:{configuration.port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    return frozenset(origin.lower() for origin in origins)
