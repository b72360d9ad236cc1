"""Which client a `client_id` means: one of the configuration, the URL of a document, or a registered one."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from vestibule.errors import FetchError, InvalidClient, InvalidClientMetadata, PageError
from vestibule.model import Client, ClientId, ClientOrigin
from vestibule.ports import ClientStore
from vestibule.protocol.client_url import check_client_id_url
from vestibule.protocol.registration import GRANT_TYPES

MAX_CLIENT_ID = 2048


class DocumentClients(Protocol):
    async def get(self, url: str, address: str = "") -> Client:
        """The client whose metadata document stands at this URL. Raises `InvalidClientMetadata` or `FetchError`.

        `address`: on whose behalf it is fetched, if it must be.
        """

    def is_trusted(self, url: str) -> bool: ...


class ClientDirectory:
    """Looks in the three places, in this order. A registered id never looks like a URL, so none can shadow another."""

    def __init__(
        self,
        configured: Mapping[ClientId, Client],
        registered: ClientStore,
        documents: DocumentClients | None,
        *,
        issuer: str = "",
    ) -> None:
        """`issuer`: a client that registered at another of our issuers is not known here, nor is its secret good."""
        self._configured = configured
        self._registered = registered
        self._documents = documents
        self._issuer = issuer

    async def for_authorize(self, client_id: str, address: str = "") -> Client:
        """The client, with everything it says of itself fetched and checked. Raises `PageError`."""
        if not client_id:
            raise PageError(
                "This link does not say which application it comes from.",
                action="Go back to the application and start again.",
            )
        if is_url(client_id) and client_id not in self._configured:
            return await self._document(client_id, address)
        client = await self._known(client_id)
        if client is None:
            raise PageError(
                "The application that sent you here is not known to this server.",
                action="Go back to the application, remove this server there and add it again: it will register anew.",
                detail=f"unknown client_id {client_id[:200]!r}",
                error="invalid_client",
            )
        return client

    async def for_token(self, client_id: str) -> Client | None:
        """The client as far as its authentication goes.

        A document is not fetched again: what it said of the client's keys was remembered when somebody approved it, and
        a host that is down signs nobody out. One that nobody has approved has nothing to redeem either.
        """
        known = await self._known(client_id)
        return self._unfetched(client_id) if known is None and is_url(client_id) else known

    async def for_start(self, client_id: str, address: str, *, is_new: bool = True) -> Client | None:
        """The client where a program begins something (PAR, a device), or proves its keys before anybody approved it.

        Its document is looked at; unless `is_new`, only when nothing is remembered of it. Raises `InvalidClient`.
        """
        if client_id in self._configured or not is_url(client_id):
            return await self._known(client_id)
        known = None if is_new else await self._known(client_id)
        if known is not None:
            return known
        try:
            return await self._document(client_id, address)
        except PageError as error:
            raise InvalidClient(error.message, action=error.action, detail=error.detail) from error

    def is_trusted(self, client: Client) -> bool:
        """Whether the operator knows it: by name, or by the domain of its document."""
        if client.origin is ClientOrigin.CONFIGURED:
            return True
        is_document = client.origin is ClientOrigin.DOCUMENT and self._documents is not None
        return is_document and self._documents is not None and self._documents.is_trusted(client.client_id)

    async def remember(self, client: Client, *, now: datetime) -> None:
        """Somebody has approved a client named by its document: what it says of itself is known at /token too."""
        if client.origin is ClientOrigin.DOCUMENT:
            await self._registered.remember(replace(client, issuer=self._issuer, registered_at=now))

    async def _known(self, client_id: str) -> Client | None:
        if client_id in self._configured:
            return self._configured[client_id]
        if len(client_id) > MAX_CLIENT_ID or not client_id.isprintable():
            return None
        client = await self._registered.get(client_id)
        return client if client is not None and client.issuer in ("", self._issuer) else None

    async def _document(self, url: str, address: str) -> Client:
        if self._documents is None:
            raise _refused("This server does not accept applications named by a URL.", url)
        try:
            return await self._documents.get(url, address)
        except InvalidClientMetadata as error:
            raise _refused(f"The application's own description is not valid: {error.message}", url) from error
        except FetchError as error:
            # One text for every cause: whoever wrote the URL learns nothing about our network from it.
            raise _refused("The application's own description could not be fetched.", url, error.detail) from error

    def _unfetched(self, url: str) -> Client | None:
        if self._documents is None:
            return None
        try:
            check_client_id_url(url)
        except InvalidClientMetadata:
            return None
        return Client(client_id=url, origin=ClientOrigin.DOCUMENT, redirect_uris=(), grant_types=GRANT_TYPES)


def is_url(client_id: str) -> bool:
    return client_id.lower().startswith(("https:", "http:"))


def _refused(message: str, url: str, detail: str = "") -> PageError:
    return PageError(
        message,
        action="If you write the application: client_id must be the https URL of its Client ID Metadata Document, and "
        "the document must name that same URL.",
        detail=f"client_id {url[:200]!r}: {detail}",
        error="invalid_client",
    )
