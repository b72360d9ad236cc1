"""API keys, from the operator's file and the store."""

from collections.abc import Sequence

from vestibule.config import Configuration
from vestibule.config.api_keys import StaticKeyConfig
from vestibule.model import ApiKey, Resource, Upstream
from vestibule.ports import Clock, Store, TenantGate
from vestibule.resource_server import ApiKeys, RevocationWatch
from vestibule.telemetry import event_logger


def upstreams_of(resources: Sequence[Resource]) -> tuple[Upstream, ...]:
    """Each once: an upstream may be served at several addresses, and by an aggregate."""
    return tuple({one.upstream.name: one.upstream for one in resources if not one.upstream.members}.values())


def make_api_keys(
    configuration: Configuration,
    store: Store,
    tenants: TenantGate,
    watch: RevocationWatch,
    resources: Sequence[Resource],
    clock: Clock,
) -> ApiKeys | None:
    if not configuration.api_keys.enabled:
        return None
    upstreams = upstreams_of(resources)
    return ApiKeys(
        store.api_keys,
        tenants,
        watch,
        issuer=configuration.issuer,
        static=[_static_key(one, upstreams, clock) for one in configuration.api_keys.static],
        log=event_logger("api_keys"),
    )


def _static_key(one: StaticKeyConfig, upstreams: Sequence[Upstream], clock: Clock) -> ApiKey:
    theirs = [upstream for upstream in upstreams if upstream.name in one.upstreams or not one.upstreams]
    return ApiKey(
        key_id=one.name,
        digest=one.key.digest(),
        tenant=one.tenant,
        name=one.name,
        scopes=one.scopes or tuple(dict.fromkeys(scope for upstream in theirs for scope in upstream.scopes)),
        created_at=clock(),
        upstreams=one.upstreams,
    )
