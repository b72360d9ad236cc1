"""Replicas of the authorization server below HTTP, over one SQLite file, that may be killed at any moment.

Made as `wiring` makes them, with two differences: the store does not wait for the disk (nobody pulls the plug here; a
killed process loses nothing that the kernel has), and it has a fuse that burns after so many of its operations.
"""

import base64
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection

from vestibule.authorization_server.assertion_issuers import AssertionIssuers
from vestibule.authorization_server.authenticate import Credentials
from vestibule.authorization_server.authorize import authorize
from vestibule.authorization_server.callback import callback
from vestibule.authorization_server.client_keys import ClientKeys
from vestibule.authorization_server.clients import ClientDirectory
from vestibule.authorization_server.consent import answer, question
from vestibule.authorization_server.replies import Browser, Context, CookieName, Redirect
from vestibule.authorization_server.revoke import revoke
from vestibule.authorization_server.server import AuthorizationServer, RegistrationLimits, Settings
from vestibule.authorization_server.token import token
from vestibule.credentials import KeptProviderTokens
from vestibule.errors import OAuthError, Refusal
from vestibule.identity_providers.development import DevelopmentProvider
from vestibule.keys import KeyRing, RootKey
from vestibule.model import DEFAULT_TENANT, Client, Presented, Principal, Resource, Upstream
from vestibule.policy import LocalThrottle, OneTenant, TenantGate
from vestibule.ports import FetchedDocument, HttpAnswer
from vestibule.protocol.parameters import read_parameters
from vestibule.resource_server import DpopProofs, ResourceServer, RevocationWatch
from vestibule.stores.address import read_address
from vestibule.stores.engine import WORK_TIMEOUT, Database
from vestibule.stores.sql import SqlStore
from vestibule.telemetry import AuditTrail
from vestibule.testing.clock import FrozenClock

ISSUER = "http://127.0.0.1:8080"
SCOPES = {"tickets": ("read", "write", "admin"), "wiki": ("read", "write")}
RESOURCES = tuple(
    Resource(f"{ISSUER}/{name}/mcp", f"/{name}/mcp", Upstream(name, f"http://127.0.0.1:9/{name}", scopes=scopes))
    for name, scopes in SCOPES.items()
)
CONTEXT = Context("test", "127.0.0.1")


class Nobody:
    """The outside, for tests that have none."""

    async def fetch(self, url: str, *, cap: int) -> FetchedDocument:
        raise AssertionError(url)

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        raise AssertionError(url)

    async def post_form(
        self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        raise AssertionError(url)

    async def send_json(
        self, method: str, url: str, document: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        raise AssertionError(url)


NOBODY = Nobody()


class Killed(BaseException):
    """SIGKILL, as far as the code under test can tell."""


class FusedDatabase(Database):
    """A database whose process may die between two of its operations."""

    def __init__(self, file: Path) -> None:
        super().__init__(read_address(f"sqlite:///{file}"), synchronous="OFF")
        self.fuse: int | None = None  # operations until it burns; None: never

    def _burn(self) -> None:
        if self.fuse is not None:
            if self.fuse == 0:
                raise Killed
            self.fuse -= 1

    @asynccontextmanager
    async def read(self, *, limit: float = WORK_TIMEOUT) -> AsyncIterator[AsyncConnection]:
        self._burn()
        async with super().read(limit=limit) as connection:
            yield connection

    @asynccontextmanager
    async def write(self, *, limit: float | None = WORK_TIMEOUT) -> AsyncIterator[AsyncConnection]:
        self._burn()
        async with super().write(limit=limit) as connection:
            yield connection


class FusedStore(SqlStore):
    def __init__(self, file: Path) -> None:
        self.database = FusedDatabase(file)
        super().__init__(self.database)

    @asynccontextmanager
    async def killed_after(self, operations: int) -> AsyncIterator[None]:
        """Whoever uses it dies before they can do more than so many operations."""
        self.database.fuse = operations
        try:
            yield
        finally:
            self.database.fuse = None


class Time:
    """A wall clock that may be set, and a monotonic one that cannot."""

    def __init__(self) -> None:
        self.wall = FrozenClock()
        self._elapsed = 0.0
        self._offset = 0  # seconds that the wall clock is ahead of the truth

    def monotonic(self) -> float:
        return self._elapsed

    def passes(self, by: timedelta) -> None:
        self.wall.advance(by)
        self._elapsed += by.total_seconds()

    def is_set(self, offset: int) -> None:
        """The wall clock is so many seconds ahead of the truth, or behind it, from now on."""
        self.wall.advance(offset - self._offset)
        self._offset = offset


@dataclass
class Replica:
    """One process: what it holds in memory is gone when it is made anew."""

    store: SqlStore
    server: AuthorizationServer
    watch: RevocationWatch
    doorkeeper: ResourceServer

    @classmethod
    async def start(cls, store: SqlStore, roots: Sequence[RootKey], time: Time) -> "Replica":
        ring = KeyRing(roots, os.urandom)
        if not await store.bind_keys(ring.check_values()):
            raise AssertionError("the store does not know this ring")
        watch = RevocationWatch(store.revocations, time.wall, monotonic=time.monotonic)
        provider = DevelopmentProvider(
            name="development", public_url=ISSUER, is_loopback=True, sealer=ring, clock=time.wall
        )
        throttle = LocalThrottle(time.monotonic)
        proofs = DpopProofs(authenticator=ring, clock=time.wall)
        doorkeeper = ResourceServer(issuer=ISSUER, sealer=ring, signer=ring, proofs=proofs, revocations=watch)
        server = AuthorizationServer(
            settings=Settings(
                issuer=ISSUER, resources=RESOURCES, registration_limits=RegistrationLimits(per_hour=100_000)
            ),
            store=store,
            clients=ClientDirectory({}, store.clients, None, issuer=ISSUER),
            providers={"development": provider},
            sealer=ring,
            authenticator=ring,
            audit=AuditTrail(store.audit, lambda *_, **__: None),
            clock=time.wall,
            entropy=os.urandom,
            signer=ring,
            proofs=proofs,
            tokens=doorkeeper,
            client_keys=ClientKeys(NOBODY, time.wall, throttle),
            assertion_issuers=AssertionIssuers((), {}),
            provider_tokens=KeptProviderTokens(store.kept_tokens, {}, ring, clock=time.wall, entropy=os.urandom),
            throttle=throttle,
            tenants=OneTenant(),
            tenant_gate=TenantGate(store.tenants, frozenset({DEFAULT_TENANT})),
            announce=watch.learn,
        )
        await watch.look()
        return cls(store, server, watch, doorkeeper)

    async def ask_token(self, client: "Caller", **form: str) -> dict[str, Any] | str:
        """The answer of /token, or its error code."""
        fields, authorization = client.authenticated(form)
        try:
            reply = await token(read_parameters(urlencode(fields)), Credentials(authorization), self.server, CONTEXT)
        except OAuthError as error:
            return error.error
        return dict(reply.body)

    async def ask_revoke(self, client: "Caller", presented: str) -> None:
        fields, authorization = client.authenticated({"token": presented})
        await revoke(read_parameters(urlencode(fields)), Credentials(authorization), self.server, CONTEXT)

    async def admit(self, access_token: str, resource: Resource) -> Principal | str:
        """Who is let in, or the name of the refusal; the warm path must know neither more nor less."""
        header, now = Presented(f"Bearer {access_token}".encode()), self.server.clock().timestamp()
        warm = self._recognize(header, resource, now)
        answer: Principal | str
        try:
            answer = await self.doorkeeper.admit(header, resource, now)
        except Refusal as refusal:
            answer = type(refusal).__name__
        assert warm in (None, answer), (warm, answer)
        again = self._recognize(header, resource, now)
        assert again == answer if isinstance(answer, Principal) else again in (None, answer), (again, answer)
        return answer

    def _recognize(self, header: Presented, resource: Resource, now: float) -> Principal | str | None:
        try:
            return self.doorkeeper.recognize(header, resource, now)
        except Refusal as refusal:
            return type(refusal).__name__


@dataclass(frozen=True)
class Caller:
    """A client and its secret."""

    client: Client
    secret: str = ""

    @property
    def client_id(self) -> str:
        return self.client.client_id

    def authenticated(self, form: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
        match self.client.auth_method:
            case "client_secret_basic":
                pair = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
                return dict(form), f"Basic {pair}"
            case "client_secret_post":
                return {**form, "client_id": self.client_id, "client_secret": self.secret}, None
            case _:
                return {**form, "client_id": self.client_id}, None


@dataclass
class Person:
    """Somebody with a browser."""

    login: str
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def browser(self) -> Browser:
        return Browser(
            consent=self.cookies.get("consent", ""),
            csrf=self.cookies.get("csrf", ""),
            sign_in=self.cookies.get("signin", ""),
            session=self.cookies.get("session", ""),
        )

    async def authorize(self, replica: Replica, url: str) -> tuple[str, list[str]]:
        """All the way to the client: the code, and what the person was asked (`consent`, `sign-in`) on it."""
        server, asked = replica.server, list[str]()
        redirect = await authorize(read_parameters(urlsplit(url).query), self.browser, server, CONTEXT)
        self._keep(redirect)
        if redirect.url.startswith(f"{ISSUER}/consent?"):
            asked.append("consent")
            txn = parse_qs(urlsplit(redirect.url).query)["txn"][0]
            page = await question(txn, self.browser, server)
            self.cookies |= {str(cookie.name): cookie.value for cookie in page.cookies}
            form = urlencode({"txn": txn, "csrf": page.csrf, "account": page.account_tag, "decision": "approve"})
            redirect = await answer(read_parameters(form), self.browser, server, CONTEXT)
            self._keep(redirect)
        if redirect.url.startswith(f"{ISSUER}/development/sign-in?"):
            asked.append("sign-in")
            redirect = await self._sign_in(redirect, server)
        response = parse_qsl(urlsplit(redirect.url).query)
        assert [name for name, _ in response] == ["code", "state", "iss"], redirect.url
        assert dict(response)["iss"] == ISSUER
        return dict(response)["code"], asked

    async def _sign_in(self, redirect: Redirect, server: AuthorizationServer) -> Redirect:
        state = parse_qs(urlsplit(redirect.url).query)["state"][0]
        provider = server.providers["development"]
        assert isinstance(provider, DevelopmentProvider)
        person = provider.person(self.login)
        assert person is not None
        query = urlsplit(provider.callback_url(person, state)).query
        arrived = await callback("development", read_parameters(query), self.browser, server, CONTEXT)
        self._keep(arrived)
        return arrived

    def _keep(self, redirect: Redirect) -> None:
        self.cookies |= {str(cookie.name): cookie.value for cookie in redirect.cookies}

    @property
    def session(self) -> str:
        return self.cookies.get(CookieName.SESSION, "")


def copy_of_store(file: Path, folder: Path) -> Path:
    """What a killed process leaves on the disk: the database and its write-ahead log, as they are."""
    folder.mkdir()
    for name in (file.name, f"{file.name}-wal"):
        if (file.parent / name).exists():
            shutil.copy(file.parent / name, folder / name)
    return folder / file.name
