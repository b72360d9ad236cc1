"""Logos and trust: what the page shows of a client that is named by its document, and what is never fetched."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.security.test_vectors_documents import DocumentHost
from tests.support.house import Flow, open_door
from vestibule.authorization_server.logos import Logos, as_data_uri
from vestibule.errors import FetchError
from vestibule.model import Client, ClientOrigin
from vestibule.policy import LocalThrottle
from vestibule.ports import FetchedDocument
from vestibule.testing.clock import FrozenClock
from vestibule.testing.recording_upstream import RecordingUpstream

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
LOGO = "https://app.example/logo.png"


class Host:
    """Answers with one picture, counts, and may be slow or down."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.body = PNG
        self.seconds = 0.0
        self.is_down = False

    async def fetch(self, url: str, *, cap: int) -> FetchedDocument:
        self.asked.append((url, cap))
        await asyncio.sleep(self.seconds)
        if self.is_down:
            raise FetchError("The document could not be fetched.")
        return FetchedDocument(url, "text/html", self.body, {})


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def logos(host: Host, clock: FrozenClock) -> Logos:
    return Logos(host, clock, LocalThrottle(clock.monotonic))


def client(logo: str = LOGO, origin: ClientOrigin = ClientOrigin.DOCUMENT) -> Client:
    return Client("https://app.example/client.json", origin, ("https://app.example/cb",), logo_uri=logo)


async def test_a_logo_is_fetched_once_and_shown_by_us(logos: Logos, host: Host, clock: FrozenClock) -> None:
    shown = await asyncio.gather(*(logos.data_uri(client()) for _ in range(5)))
    assert set(shown) == {f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}
    assert [url for url, _ in host.asked] == [LOGO]
    clock.advance(6 * 3600)
    await logos.data_uri(client())
    assert len(host.asked) == 2


@pytest.mark.parametrize(
    "body", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<!doctype html>", b"GIF", b"RIFF1234WAVE"]
)
async def test_what_is_no_picture_is_left_out(logos: Logos, host: Host, body: bytes) -> None:
    host.body = body
    assert await logos.data_uri(client()) == ""
    assert await logos.data_uri(client()) == ""
    assert len(host.asked) == 1


@pytest.mark.parametrize(
    ("body", "kind"), [(b"\xff\xd8\xff\xe0", "jpeg"), (b"GIF89a", "gif"), (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp")]
)
def test_a_picture_is_what_it_is_not_what_its_host_says(body: bytes, kind: str) -> None:
    assert as_data_uri(body).startswith(f"data:image/{kind};base64,")


@pytest.mark.parametrize(
    "logo",
    ["http://app.example/logo.png", "https://app.example/", "data:image/png;base64,AAAA", "https://u@app.example/x"],
)
async def test_only_https_urls_of_one_spelling_are_fetched(logos: Logos, host: Host, logo: str) -> None:
    assert await logos.data_uri(client(logo)) == ""
    assert host.asked == []


async def test_a_client_that_registered_itself_has_no_picture(logos: Logos, host: Host) -> None:
    assert await logos.data_uri(client(origin=ClientOrigin.REGISTERED)) == ""
    assert host.asked == []


async def test_a_slow_host_keeps_no_page_waiting(logos: Logos, host: Host) -> None:
    host.seconds = 1.3
    assert await logos.data_uri(client()) == ""
    await asyncio.sleep(0.5)
    assert (await logos.data_uri(client())).startswith("data:image/png")


# --- trust by domain, in the whole gateway --------------------------------------------------------------------------


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncIterator[DocumentHost]:
    async with DocumentHost(tmp_path) as running:
        yield running


@pytest.mark.parametrize(
    ("rules", "status", "says"),
    [
        ({"logos": False}, 200, "published at localhost."),
        ({"trusted_domains": ["localhost"]}, 200, "known to this server"),
        ({"trusted_domains": ["localhost"], "only_trusted": True}, 200, "known to this server"),
        ({"trusted_domains": ["claude.ai"], "only_trusted": True}, 400, "does not accept applications of this domain"),
        ({"blocked_domains": ["localhost"]}, 400, "does not accept applications of this domain"),
        ({"blocked_domains": ["host"]}, 200, "published at localhost."),
    ],
    ids=str,
)
async def test_what_the_operator_thinks_of_a_domain(
    tmp_path: Path,
    upstream: RecordingUpstream,
    documents: DocumentHost,
    rules: dict[str, object],
    status: int,
    says: str,
) -> None:
    outbound = {"ca_file": str(documents.ca_file), "allow_networks": ["127.0.0.0/8", "::1/128"]}
    async with open_door(tmp_path, upstream.url, outbound=outbound, client_documents=rules) as door:
        page = await door.browser().ask(Flow(door, {"client_id": documents.client_id}))
        assert page.status_code == status
        assert says in page.text
        assert documents.asked == (1 if status == 200 else 0)  # a refused one is not even asked for
