"""Everything that runs: made and taken down. What runs it is `running`."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import cached_property, partial
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from vestibule.admin import ApiKeyOffice
from vestibule.authorization_server.client_documents import ClientDocuments
from vestibule.authorization_server.client_keys import ClientKeys
from vestibule.authorization_server.clients import ClientDirectory
from vestibule.authorization_server.logos import Logos
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.config import Configuration
from vestibule.config.tls import hsts_value
from vestibule.credentials import KeptProviderTokens, StaticCredentials
from vestibule.errors import StartError, StoreUnavailable
from vestibule.gateway import Gateway, GatewayLimits
from vestibule.keys import KeyRing
from vestibule.model import Resource
from vestibule.outbound import AddressGuard, GuardedFetcher, OutboundClient, resolve
from vestibule.ports import Clock, Entropy
from vestibule.protocol.caller import caller_address
from vestibule.protocol.discovery import PROTECTED_RESOURCE, well_known_url
from vestibule.resource_server import ApiKeys, DpopProofs, ResourceServer, RevocationWatch
from vestibule.stores import SqlStore, open_store
from vestibule.telemetry import AuditTrail, event_logger
from vestibule.web import ControlPlane, build_app
from vestibule.web.cookies import Cookies
from vestibule.web.pages import Pages
from vestibule.web.pages.render import form_origin
from vestibule.wiring.administration import make_administration, make_office
from vestibule.wiring.aggregate import add_aggregate
from vestibule.wiring.api_keys import make_api_keys
from vestibule.wiring.audit import make_trail
from vestibule.wiring.authorities import Authorities
from vestibule.wiring.clock import seconds_of, utc_now
from vestibule.wiring.foreign import make_foreign_tokens, servers_of
from vestibule.wiring.forward_auth import make_forward_auth
from vestibule.wiring.issuers import make_assertion_directory
from vestibule.wiring.judge import make_judge
from vestibule.wiring.keyholder import Keyholder, make_key_ring
from vestibule.wiring.limits import Limits, counts_alike, open_limits
from vestibule.wiring.providers import make_providers, metadata_hosts, sign_in_origins
from vestibule.wiring.settings import (
    hosts_of,
    make_assertion_issuers,
    make_clients,
    make_resources,
    make_settings,
    make_trust,
    origins_of,
)
from vestibule.wiring.tenants import TenantOffice, make_tenant_gate, make_tenant_map

WATCH_INTERVAL = timedelta(seconds=1)  # a revocation reaches every replica within five
SWEEP_INTERVAL = timedelta(minutes=5)
KEYS_INTERVAL = timedelta(seconds=5)
_REVOCATIONS = "revocations"


class House:
    """Everything that runs, made and taken down in one place."""

    def __init__(
        self,
        configuration: Configuration,
        store: SqlStore,
        ring: KeyRing,
        outbound: OutboundClient,
        watch: RevocationWatch,
        gateway: Gateway,
        plane: ControlPlane,
        keyholder: Keyholder,
        api_keys: ApiKeys | None,
        office: ApiKeyOffice,
        tenants: TenantOffice,
        limits: Limits,
        trail: AuditTrail,
        authorities: Authorities,
    ) -> None:
        self.configuration = configuration
        self.store = store
        self.ring = ring
        self.gateway = gateway
        self.plane = plane
        self.keyholder = keyholder
        self.office = office
        self._api_keys = api_keys
        self.limits = limits
        self.tenants = tenants
        self.trail = trail
        self.authorities = authorities
        self._outbound = outbound
        self._watch = watch
        self._chores: dict[str, asyncio.Task[None]] = {}

    @cached_property
    def app(self) -> Callable[..., Any]:
        """The control plane as an ASGI application."""
        return build_app(self.plane)

    @classmethod
    async def build(
        cls,
        configuration: Configuration,
        *,
        clock: Clock = utc_now,
        entropy: Entropy = os.urandom,
        monotonic: Callable[[], float] = time.monotonic,
        migrate_apart: bool = False,
    ) -> "House":
        """Raises `StartError`."""
        ring = make_key_ring(configuration, clock, entropy)
        try:
            store = await open_store(configuration.store, apart=migrate_apart, authenticator=ring)
        except StoreUnavailable as error:
            raise StartError(
                "The store cannot be reached.", action="Check store in the configuration.", detail=error.detail
            ) from error
        try:
            if not await store.bind_keys(ring.check_values()):
                raise StartError(
                    "The key ring is not the one this store was written with: nothing in it could be opened.",
                    action="Give the right keys.file or secret_key, or a new store.",
                )
            limits = await open_limits(configuration, monotonic)
            try:
                return cls._assemble(configuration, store, ring, limits, clock, entropy)
            except BaseException:
                await limits.close()
                raise
        except BaseException:
            await store.close()
            raise

    @classmethod
    async def succeed(cls, predecessor: "House", configuration: Configuration) -> "House":
        """Another house for another configuration, on the same store and keys. Raises `StartError`.

        What counts, or remembers what must not be shown twice, goes on counting where its configuration is the same.
        """
        server, limits = predecessor.plane.server, predecessor.limits
        if not counts_alike(predecessor.configuration, configuration):
            limits = await open_limits(configuration, limits.monotonic)
        try:
            return cls._assemble(
                configuration, predecessor.store, predecessor.ring, limits, server.clock, server.entropy, predecessor
            )
        except BaseException:
            if limits is not predecessor.limits:
                await limits.close()
            raise

    @classmethod
    def _assemble(
        cls,
        configuration: Configuration,
        store: SqlStore,
        ring: KeyRing,
        limits: Limits,
        clock: Clock,
        entropy: Entropy,
        predecessor: "House | None" = None,
    ) -> "House":
        authorities = Authorities.of(configuration)
        has_same_ca = predecessor is not None and predecessor.authorities == authorities
        ca_file = authorities.file
        outbound = OutboundClient(extra_ca_file=ca_file, plain_hosts=metadata_hosts(configuration))
        watch = RevocationWatch(store.revocations, clock)
        if predecessor is not None and predecessor.configuration.audit == configuration.audit:
            trail = predecessor.trail
        else:
            trail = make_trail(configuration, store.audit)
        resources = make_resources(configuration)
        fetcher = GuardedFetcher(
            guard=AddressGuard(configuration.outbound.allow_networks), resolver=resolve, extra_ca_file=ca_file
        )
        trusted_proxies = tuple(ip_network(network) for network in configuration.trusted_proxies)
        if predecessor is not None and predecessor.configuration.tokens.dpop_nonce == configuration.tokens.dpop_nonce:
            proofs = predecessor.plane.server.proofs
        else:
            proofs = DpopProofs(authenticator=ring, clock=clock, needs_nonce=configuration.tokens.dpop_nonce)
        tenants, tenant_gate = make_tenant_map(configuration), make_tenant_gate(configuration, store.tenants)
        api_keys = make_api_keys(configuration, store, tenant_gate, watch, resources, clock)
        doorkeeper = ResourceServer(
            issuer=configuration.issuer,
            sealer=ring,
            signer=ring,
            proofs=proofs,
            revocations=watch,
            api_keys=api_keys,
            foreign=make_foreign_tokens(configuration, outbound, clock, tenants=tenants, log=event_logger("issuers")),
            tenants=tenant_gate,
            blocks=store.blocks,
            mode=configuration.resource_server.mode,
        )
        providers = make_providers(
            configuration, outbound, sealer=ring, clock=clock, entropy=entropy, log=event_logger("identity")
        )
        provider_tokens = KeptProviderTokens(store.kept_tokens, providers, ring, clock=clock, entropy=entropy)
        server = AuthorizationServer(
            settings=make_settings(configuration, resources),
            store=store,
            clients=ClientDirectory(
                {client.client_id: client for client in make_clients(configuration, resources)},
                store.clients,
                ClientDocuments(fetcher, clock, make_trust(configuration), monotonic=limits.monotonic)
                if configuration.client_documents.enabled
                else None,
                issuer=configuration.issuer,
            ),
            providers=providers,
            sealer=ring,
            authenticator=ring,
            audit=trail,
            clock=clock,
            entropy=entropy,
            signer=ring,
            proofs=proofs,
            tokens=doorkeeper,
            assertion_issuers=make_assertion_directory(make_assertion_issuers(configuration), outbound, clock),
            client_keys=ClientKeys(fetcher, clock, limits.throttle),
            provider_tokens=provider_tokens,
            throttle=limits.throttle,
            tenants=tenants,
            tenant_gate=tenant_gate,
            announce=watch.learn,
        )
        gateway = Gateway(
            resources=resources,
            doorkeeper=doorkeeper,
            judge=make_judge(configuration, resources, trail, clock),
            credentials=StaticCredentials([resource.upstream for resource in resources]),
            authenticator=ring,
            hosts=hosts_of(configuration),
            origins=origins_of(configuration),
            resource_metadata_url=_metadata_url,
            realm=urlsplit(configuration.public_url).netloc,
            clock=seconds_of(clock),
            entropy=entropy,
            tls=authorities.context,
            call_limits=limits.calls,
            address_of=partial(caller_address, trusted=trusted_proxies),
            limits=GatewayLimits(max_body=configuration.http.max_body, max_head=configuration.http.max_head),
            log=event_logger("gateway"),
            hsts=(hsts_value(configuration) or "").encode("ascii"),
            predecessor=predecessor.gateway if predecessor is not None and has_same_ca else None,
            forward_auth=make_forward_auth(configuration, ring, entropy),
        )
        add_aggregate(gateway, configuration, resources, ring)
        office = make_office(server, resources)
        tenant_office = TenantOffice(configuration, store, server)
        plane = ControlPlane(
            server=server,
            administration=make_administration(configuration, server, office, tenant_office),
            pages=Pages(public_url=configuration.public_url),
            cookies=Cookies(secure=configuration.public_url.startswith("https:")),
            signer=ring,
            logos=Logos(fetcher, clock, limits.throttle) if configuration.client_documents.logos else None,
            hosts=hosts_of(configuration),
            form_sources=tuple(form_origin(one) for one in sign_in_origins(configuration)),
            trusted_proxies=trusted_proxies,
            log=event_logger("web"),
            authorization_servers=servers_of(configuration),
            scopes_supported=configuration.resource_server.scopes_supported,
            signs_people_in=configuration.signs_people_in,
            signs=configuration.signs_people_in or gateway.forward_auth is not None,
            counters=limits.counters,
        )
        keyholder = Keyholder(
            configuration,
            ring,
            store,
            provider_tokens,
            clock=clock,
            entropy=entropy,
            audit=trail,
            on_retired=doorkeeper.forget,
            log=event_logger("keys"),
        )
        return cls(
            configuration,
            store,
            ring,
            outbound,
            watch,
            gateway,
            plane,
            keyholder,
            api_keys,
            office,
            tenant_office,
            limits,
            trail,
            authorities,
        )

    async def look(self) -> None:
        """Learn what must be known before the first request: what is revoked, and which keys there are.

        Raises `StoreUnavailable`.
        """
        await self._watch.look()
        await self.keyholder.look()

    def begin(self) -> None:
        """Watch the clock, and do what has to be done again and again. Needs a running loop."""
        self.gateway.start()
        self._chores = {
            chore: asyncio.create_task(self._again_and_again(chore, work, interval))
            for chore, work, interval in (
                (_REVOCATIONS, self._watch.look, WATCH_INTERVAL),
                ("sweep", self.sweep, SWEEP_INTERVAL),
                ("keys", self.keyholder.look, KEYS_INTERVAL),
            )
        }

    async def step_back(self) -> None:
        """Another house serves. What came in before may still be judged here, by what is revoked meanwhile, too."""
        await self._end([chore for chore in self._chores if chore != _REVOCATIONS])

    async def rest(self) -> None:
        """No chore any more."""
        await self._end(list(self._chores))

    async def _end(self, chores: Sequence[str]) -> None:
        ending = [self._chores.pop(chore) for chore in chores]
        for one in ending:
            one.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def retire(self, successor: "House") -> None:
        """Close what is this house's alone: its successor goes on with the store, and with what did not change."""
        await self.rest()
        await self.gateway.close()
        if self._api_keys is not None:
            await self._api_keys.settle()
        if self.trail is not successor.trail:
            await self.trail.close()
        await self._outbound.close()
        if self.limits is not successor.limits:
            await self.limits.close()
        await self.tenants.close()

    async def close(self) -> None:
        await self.rest()
        await self.gateway.close()
        if self._api_keys is not None:
            await self._api_keys.settle()
        await self.trail.close()
        await self._outbound.close()
        await self.limits.close()
        await self.tenants.close()
        await self.store.close()

    async def _again_and_again(self, chore: str, work: Callable[[], Awaitable[object]], interval: timedelta) -> None:
        """For ever; ended by cancelling it. A chore that fails is told of and tried again: none may end in silence."""
        while True:
            await asyncio.sleep(interval.total_seconds())
            try:
                await work()
            except StoreUnavailable:
                continue  # readiness tells of it; the next time catches up
            except Exception as error:
                self.plane.log("chore_failed", level="error", chore=chore, exc_info=error)

    async def sweep(self) -> int:
        """Delete what has expired. How many rows."""
        now = self.plane.server.clock()
        unused_since = now - self.configuration.registration.unused_lifetime
        return await self.store.housekeeping.sweep(now=now, unused_since=unused_since)


def _metadata_url(resource: Resource) -> str:
    """Where a client learns how to get a token; nowhere, if none would help it."""
    if resource.upstream.access == "api-key-only":
        return ""
    return well_known_url(PROTECTED_RESOURCE, resource.identifier)
