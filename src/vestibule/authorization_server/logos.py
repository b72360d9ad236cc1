"""Logos of clients that are named by their documents: fetched once by us, never by the browser of whoever decides.

A page that loaded them from their own hosts would tell those hosts who is about to sign in, and a host could show one
picture to us and another to the person. What is no small PNG, JPEG, GIF or WebP is left out, SVG too: it is a program.
"""

import asyncio
import base64
from collections import OrderedDict
from datetime import datetime, timedelta

from vestibule.errors import FetchError, InvalidClientMetadata, TooManyRequests
from vestibule.model import Client, ClientOrigin, Rate
from vestibule.ports import Clock, DocumentFetcher, Throttle
from vestibule.protocol.client_url import check_client_id_url

CAP = 64 * 1024  # bytes
KEEP = timedelta(hours=6)
KEEP_NOTHING = timedelta(minutes=10)
PATIENCE = 1.0  # seconds that a page waits for a picture
MAX_LOGOS = 200
FETCHES = Rate(60, timedelta(minutes=1))  # in all

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


class Logos:
    def __init__(self, fetcher: DocumentFetcher, clock: Clock, throttle: Throttle) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._throttle = throttle
        self._kept: OrderedDict[str, tuple[str, datetime]] = OrderedDict()
        self._flights: dict[str, asyncio.Task[None]] = {}

    async def data_uri(self, client: Client) -> str:
        """The picture as a data: URI; empty when there is none, or it is not here in time for this page."""
        url = client.logo_uri
        if client.origin is not ClientOrigin.DOCUMENT or not url:
            return ""
        kept, until = self._kept.get(url, ("", self._clock()))
        if until > self._clock():
            return kept
        if url not in self._flights:
            self._flights[url] = asyncio.create_task(self._fetch(url))
            self._flights[url].add_done_callback(lambda _: self._flights.pop(url, None))
        await asyncio.wait([self._flights[url]], timeout=PATIENCE)
        return self._kept.get(url, ("", until))[0]

    async def _fetch(self, url: str) -> None:
        picture = ""
        try:
            check_client_id_url(url)  # https, a named host, one spelling
            await self._throttle.take("logos", "", FETCHES)
            document = await self._fetcher.fetch(url, cap=CAP)
            picture = as_data_uri(document.body)
        except (FetchError, InvalidClientMetadata, TooManyRequests):
            picture = ""
        self._kept[url] = (picture, self._clock() + (KEEP if picture else KEEP_NOTHING))
        self._kept.move_to_end(url)
        while len(self._kept) > MAX_LOGOS:
            self._kept.popitem(last=False)


def as_data_uri(body: bytes) -> str:
    """A picture by what it is, not by what its host says it is; empty for anything else."""
    kind = next((kind for magic, kind in _MAGIC if body.startswith(magic)), "")
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        kind = "image/webp"
    return f"data:{kind};base64,{base64.b64encode(body).decode()}" if kind else ""
