"""Everything that runs: made, run and taken down."""

import asyncio
import ctypes
import gc
import os
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from vestibule.admin import ApiKeyOffice
from vestibule.authorization_server.client_documents import ClientDocuments
from vestibule.authorization_server.client_keys import ClientKeys
from vestibule.authorization_server.clients import ClientDirectory
from vestibule.authorization_server.logos import Logos
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.config import Configuration
from vestibule.credentials import KeptProviderTokens, StaticCredentials
from vestibule.errors import StartError, StoreUnavailable
from vestibule.gateway import Gateway, GatewayLimits
from vestibule.keys import KeyRing
from vestibule.model import Resource
from vestibule.outbound import AddressGuard, GuardedFetcher, OutboundClient, resolve
from vestibule.outbound.tls import client_context
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
from vestibule.wiring.api_keys import make_api_keys
from vestibule.wiring.audit import make_trail
from vestibule.wiring.foreign import make_foreign_tokens, servers_of
from vestibule.wiring.forward_auth import make_forward_auth
from vestibule.wiring.issuers import make_assertion_directory
from vestibule.wiring.judge import make_judge
from vestibule.wiring.keyholder import Keyholder, make_key_ring
from vestibule.wiring.limits import Limits, open_limits
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


@dataclass(frozen=True, slots=True)
class Running:
    """What a caller of `serve` is told when the door is open."""

    public_url: str
    mcp_urls: tuple[str, ...]
    signs_in_with: tuple[str, ...]


def utc_now() -> datetime:
    return datetime.now(UTC)


async def serve(
    configuration: Configuration, *, ready: Callable[[Running], None] | None = None, migrate_apart: bool = False
) -> None:
    """Run until SIGINT or SIGTERM. Raises `StartError`; then nothing has been left half-started.

    `migrate_apart`: as `apart` of `open_store`; for what runs long.
    """
    listener = listen(configuration.host, configuration.port)
    try:
        house = await House.build(configuration, migrate_apart=migrate_apart)
    except BaseException:
        listener.close()
        raise
    try:
        await house.run(listener, ready)
    finally:
        await house.close()
        listener.close()


def listen(host: str, port: int) -> socket.socket:
    """The listening socket, before anything else is made. Raises `StartError` when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise StartError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}.",
            action="Stop the program that uses the port, or choose another with --listen HOST:PORT (or --port).",
        ) from error
    return listener


class House:
    """Everything that runs, made and taken down in one place."""

    def __init__(
        self,
        configuration: Configuration,
        store: SqlStore,
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
    ) -> None:
        self.configuration = configuration
        self.store = store
        self.gateway = gateway
        self.plane = plane
        self.keyholder = keyholder
        self.office = office
        self._api_keys = api_keys
        self.limits = limits
        self.tenants = tenants
        self.trail = trail
        self._outbound = outbound
        self._watch = watch
        self._server: uvicorn.Server | None = None

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
    def _assemble(
        cls,
        configuration: Configuration,
        store: SqlStore,
        ring: KeyRing,
        limits: Limits,
        clock: Clock,
        entropy: Entropy,
    ) -> "House":
        ca_file = Path(configuration.outbound.ca_file) if configuration.outbound.ca_file else None
        outbound = OutboundClient(extra_ca_file=ca_file, plain_hosts=metadata_hosts(configuration))
        watch = RevocationWatch(store.revocations, clock)
        trail = make_trail(configuration, store.audit)
        resources = make_resources(configuration)
        fetcher = GuardedFetcher(
            guard=AddressGuard(configuration.outbound.allow_networks), resolver=resolve, extra_ca_file=ca_file
        )
        trusted_proxies = tuple(ip_network(network) for network in configuration.trusted_proxies)
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
            clock=lambda: clock().timestamp(),
            entropy=entropy,
            tls=lambda: client_context(ca_file),
            call_limits=limits.calls,
            address_of=partial(caller_address, trusted=trusted_proxies),
            limits=GatewayLimits(max_body=configuration.http.max_body, max_head=configuration.http.max_head),
            log=event_logger("gateway"),
            forward_auth=make_forward_auth(configuration, ring, entropy),
        )
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
        )

    async def run(self, listener: socket.socket, ready: Callable[[Running], None] | None) -> None:
        """Serve until a signal."""
        await self._watch.look()
        await self.keyholder.look()
        self._server = server = uvicorn.Server(
            uvicorn.Config(
                build_app(self.plane),
                http=self.gateway.protocol_class(),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=max(1, int(self.configuration.http.graceful_timeout.total_seconds())),
            )
        )
        self.gateway.start()
        chores = [
            asyncio.create_task(self._again_and_again("revocations", self._watch.look, WATCH_INTERVAL)),
            asyncio.create_task(self._again_and_again("sweep", self.sweep, SWEEP_INTERVAL)),
            asyncio.create_task(self._again_and_again("keys", self.keyholder.look, KEYS_INTERVAL)),
            asyncio.create_task(self._announce(server, ready)),
        ]
        try:
            await server.serve(sockets=[listener])
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)

    def stop(self) -> None:
        """What SIGTERM does: finish what is under way, then leave `run`."""
        if self._server is not None:
            self._server.should_exit = True

    async def close(self) -> None:
        await self.gateway.close()
        if self._api_keys is not None:
            await self._api_keys.settle()
        await self.trail.close()
        await self._outbound.close()
        await self.limits.close()
        await self.tenants.close()
        await self.store.close()

    async def _announce(self, server: uvicorn.Server, ready: Callable[[Running], None] | None) -> None:
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        _settle_memory()
        if ready is not None:
            ready(
                Running(
                    public_url=self.configuration.public_url,
                    mcp_urls=tuple(one.identifier for one in make_resources(self.configuration)),
                    signs_in_with=tuple(provider.title for provider in self.plane.server.providers.values())
                    if self.configuration.signs_people_in
                    else self.plane.authorization_servers,
                )
            )

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


def _settle_memory() -> None:
    """What starting up has left behind goes back to the system, and what stays is no work for the collector."""
    gc.collect()
    gc.freeze()
    with suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)
