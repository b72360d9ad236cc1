"""Which client a `client_id` means: one of the configuration, the URL of a document, or a registered one."""

from collections.abc import Mapping
from typing import Protocol

from vestibule.errors import FetchError, InvalidClientMetadata, PageError
from vestibule.model import Client, ClientId, ClientOrigin
from vestibule.ports import ClientStore
from vestibule.protocol.client_document import check_client_id_url

MAX_CLIENT_ID = 2048


class DocumentClients(Protocol):
    async def get(self, url: str) -> Client:
        """The client whose metadata document stands at this URL. Raises `InvalidClientMetadata` or `FetchError`."""


class ClientDirectory:
    """Looks in the three places, in this order. A registered id never looks like a URL, so none can shadow another."""

    def __init__(
        self, configured: Mapping[ClientId, Client], registered: ClientStore, documents: DocumentClients | None
    ) -> None:
        self._configured = configured
        self._registered = registered
        self._documents = documents

    async def for_authorize(self, client_id: str) -> Client:
        """The client, with everything it says of itself fetched and checked. Raises `PageError`."""
        if not client_id:
            raise PageError(
                "This link does not say which application it comes from.",
                action="Go back to the application and start again.",
            )
        if is_url(client_id) and client_id not in self._configured:
            return await self._document(client_id)
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

        A document is not fetched again: its client is public, so the code's and the refresh token's own binding to the
        `client_id` is all there is to prove, and a host that is down signs nobody out.
        """
        if is_url(client_id) and client_id not in self._configured:
            return self._unfetched(client_id)
        return await self._known(client_id)

    async def _known(self, client_id: str) -> Client | None:
        if client_id in self._configured:
            return self._configured[client_id]
        if len(client_id) > MAX_CLIENT_ID or not client_id.isprintable():
            return None
        return await self._registered.get(client_id)

    async def _document(self, url: str) -> Client:
        if self._documents is None:
            raise _refused("This server does not accept applications named by a URL.", url)
        try:
            return await self._documents.get(url)
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
        return Client(client_id=url, origin=ClientOrigin.DOCUMENT, redirect_uris=())


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
