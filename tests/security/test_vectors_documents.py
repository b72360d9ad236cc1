"""Client ID metadata documents: a URL that a stranger wrote, fetched by us."""

import asyncio
import datetime
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.security.vectors import vector
from tests.support.house import REDIRECT, Door, Flow, open_door
from vestibule.testing.recording_upstream import Answer, Exchange, RecordingUpstream, raw_answer


class DocumentHost:
    """An https server on loopback, with a certificate for localhost, serving one document."""

    def __init__(self, folder: Path, name: str = "localhost") -> None:
        self.ca_file, self._context = _certificate(folder, name)
        self.document: dict[str, Any] = {}
        self.headers: tuple[str, ...] = ()
        self.content_type = "application/json"
        self.answer: Answer = self._serve
        self.asked = 0
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def client_id(self) -> str:
        return f"https://localhost:{self.port}/client.json"

    async def __aenter__(self) -> "DocumentHost":
        inner = RecordingUpstream()

        async def answer(exchange: Exchange) -> None:
            self.asked += 1
            await self.answer(exchange)

        inner.answer = answer
        self._server = await asyncio.start_server(inner._connection, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        self.document = {"client_id": self.client_id, "client_name": "Notebook", "redirect_uris": [REDIRECT]}
        self._inner = inner
        return self

    async def __aexit__(self, *args: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._inner._tasks):
            task.cancel()
        await asyncio.gather(*self._inner._tasks, return_exceptions=True)

    async def _serve(self, exchange: Exchange) -> None:
        body = json.dumps(self.document).encode()
        lines = ["HTTP/1.1 200 OK", f"Content-Type: {self.content_type}", f"Content-Length: {len(body)}", *self.headers]
        await exchange.send("\r\n".join([*lines, "", ""]).encode() + body)


def _certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    return cert_file, context


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[DocumentHost]:
    async with DocumentHost(tmp_path) as running:
        yield running


@pytest.fixture
async def door(tmp_path: Path, upstream: RecordingUpstream, host: DocumentHost) -> AsyncIterator[Door]:
    """Documents may come from 127.0.0.0/8 here, because the test's own host is there."""
    outbound = {"ca_file": str(host.ca_file), "allow_networks": ["127.0.0.0/8", "::1/128"]}
    async with open_door(tmp_path, upstream.url, outbound=outbound) as running:
        yield running


async def ask(door: Door, client_id: str, redirect_uri: str = REDIRECT) -> httpx2.Response:
    return await door.browser().ask(Flow(door, {"client_id": client_id}, redirect_uri=redirect_uri))


def assert_refused(answer: httpx2.Response) -> None:
    assert answer.status_code == 400
    assert "location" not in answer.headers


@vector("CIMD-001", "CIMD-024")
async def test_a_client_named_by_its_document(vector: str, door: Door, host: DocumentHost) -> None:
    flow = Flow(door, {"client_id": host.client_id})
    page = await door.browser().ask(flow)
    assert page.status_code == 200
    for wanted in ("Notebook", "published at localhost", "127.0.0.1"):
        assert wanted in page.text
    flow.code = (await door.browser().approve(flow))["code"]
    assert (await door.call((await flow.redeem()).json()["access_token"])).status_code == 200
    assert host.asked == 1  # the document is kept


@vector("CIMD-002", "CIMD-014", "CIMD-015", "CIMD-023")
@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "{}/"},
        {"client_id": "https://other.example/client.json"},
        {"client_id": None},
        {"client_name": None},
        {"client_name": " "},
        {"redirect_uris": []},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": "x"},
        {"client_secret": "x"},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"grant_types": ["password"]},
        {"logo_uri": "javascript:1"},
        {"jwks": {}, "jwks_uri": "https://10.0.0.1/k"},
    ],
    ids=str,
)
async def test_a_document_that_is_not_valid(
    vector: str, door: Door, host: DocumentHost, change: dict[str, Any]
) -> None:
    host.document = {
        name: value.format(host.client_id) if isinstance(value, str) else value
        for name, value in {**host.document, **change}.items()
        if value is not None
    }
    assert_refused(await ask(door, host.client_id))


@vector("CIMD-014")
@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/javascript", ""])
async def test_wrong_content_type(vector: str, door: Door, host: DocumentHost, kind: str) -> None:
    host.content_type = kind
    assert_refused(await ask(door, host.client_id))


@vector("CIMD-003", "CIMD-004", "CIMD-005")
@pytest.mark.parametrize(
    "client_id",
    [
        "http://c.example/x.json",
        "https://c.example",
        "https://c.example/",
        "https://u:p@c.example/x",
        "https://c.example/x#f",
        "https://c.example/x?y",
        "https://c.example/a/../x",
        "https://c.example/./x",
        "https://c.example/%2e%2e/x",
        "https://c.example:0/x",
        "https://c.example\\@evil.example/x",
        "https://c.exämple/x",
        "HTTPS://c.example/x",
        "https:///x",
        "https://c.example/ x",
    ],
)
async def test_urls_that_name_nobody(vector: str, door: Door, host: DocumentHost, client_id: str) -> None:
    assert_refused(await ask(door, client_id))
    assert host.asked == 0


@vector("CIMD-008", "CIMD-010", "CIMD-026")
@pytest.mark.parametrize(
    "name",
    [
        "127.0.0.1",
        "127.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "[fd00::1]",
        "[fe80::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "localhost",
        "metadata.google.internal",
        "mixed.example",
        "127.0.0.1.",
    ],
)
async def test_special_use_addresses_are_never_connected_to(
    vector: str,
    tmp_path: Path,
    upstream: RecordingUpstream,
    host: DocumentHost,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is opened for this door: the answer is the same page for open and closed ports, and nothing is asked."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{host.port}")

    async def resolver(asked: str, port: int) -> list[str]:
        table = {
            "localhost": ["127.0.0.1"],
            "metadata.google.internal": ["169.254.169.254"],
            "mixed.example": ["93.184.216.34", "10.0.0.1"],
        }
        return table.get(asked, [asked])

    async with open_door(tmp_path, upstream.url, outbound={"ca_file": str(host.ca_file)}) as door:
        monkeypatch.setattr(_fetcher(door), "_resolver", resolver)
        texts = set()
        for port in (host.port, 9):
            answer = await ask(door, f"https://{name}:{port}/client.json")
            assert_refused(answer)
            texts.add(answer.text.split("Request id")[0])
        assert len(texts) == 1
    assert host.asked == 0


def _fetcher(door: Door) -> Any:
    return door.house.plane.server.clients._documents._fetcher  # type: ignore[union-attr]


@vector("CIMD-006")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(vector: str, door: Door, host: DocumentHost, status: int) -> None:
    async with RecordingUpstream() as canary:
        lines = f"HTTP/1.1 {status} X\r\nLocation: {canary.url}\r\nContent-Length: 0\r\n\r\n"
        host.answer = raw_answer(lines.encode())
        assert_refused(await ask(door, host.client_id))
        assert canary.connections == 0


@vector("CIMD-011")
@pytest.mark.parametrize("framing", ["Content-Length: 104857600", "Transfer-Encoding: chunked"])
async def test_a_document_without_end(vector: str, door: Door, host: DocumentHost, framing: str) -> None:
    sent = 0

    async def answer(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.send(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{framing}\r\n\r\n".encode())
        for _ in range(100_000):
            piece = b" " * 1024
            await exchange.send(b"400\r\n" + piece + b"\r\n" if "chunked" in framing else piece)
            sent += 1024

    host.answer = answer
    assert_refused(await ask(door, host.client_id))
    assert sent < 10 * 1024 * 1024


@pytest.mark.parametrize(
    "answer",
    [
        raw_answer(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"),
        raw_answer(
            b"HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\nx"
        ),
        raw_answer(b"nonsense\r\n\r\n", close=True),
        raw_answer(b"", close=True),
    ],
    ids=["404", "gzip", "nonsense", "nothing"],
)
async def test_answers_that_are_no_document(door: Door, host: DocumentHost, answer: Answer) -> None:
    host.answer = answer
    assert_refused(await ask(door, host.client_id))


async def test_a_slow_drip_ends_at_the_deadline(
    door: Door, host: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_fetcher(door), "_deadline", datetime.timedelta(seconds=0.4))

    async def answer(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
        while not exchange.closed.is_set():
            await exchange.send(b" ")
            await asyncio.sleep(0.05)

    host.answer = answer
    async with asyncio.timeout(5):
        assert_refused(await ask(door, host.client_id))


@vector("CIMD-016")
@pytest.mark.parametrize("uri", ["https://evil.example/cb", REDIRECT + "/", "http://localhost:7777/callback"])
async def test_a_redirect_uri_that_is_not_in_the_document(
    vector: str, door: Door, host: DocumentHost, uri: str
) -> None:
    assert_refused(await ask(door, host.client_id, uri))


@vector("CIMD-017")
async def test_a_loopback_redirect_without_a_port(vector: str, door: Door, host: DocumentHost) -> None:
    host.document["redirect_uris"] = ["http://127.0.0.1/callback", "https://c.example/callback"]
    flow = Flow(door, {"client_id": host.client_id}, redirect_uri="http://127.0.0.1:49152/callback")
    flow.code = (await door.browser().approve(flow))["code"]
    assert (await flow.redeem(redirect_uri="http://127.0.0.1/callback")).json()["error"] == "invalid_grant"
    assert (await flow.redeem()).status_code == 200
    assert_refused(await ask(door, host.client_id, "https://c.example:444/callback"))


@vector("CIMD-020")
async def test_a_changed_document_counts_when_its_time_is_over(vector: str, door: Door, host: DocumentHost) -> None:
    host.headers = ("Cache-Control: max-age=300",)
    assert (await ask(door, host.client_id)).status_code == 200
    host.document["redirect_uris"] = ["https://c.example/cb"]
    assert (await ask(door, host.client_id)).status_code == 200
    door.clock.advance(301)
    assert_refused(await ask(door, host.client_id))


@vector("CIMD-021")
async def test_one_fetch_serves_all_who_wait(vector: str, door: Door, host: DocumentHost) -> None:
    answers = await asyncio.gather(*[ask(door, host.client_id) for _ in range(50)])
    assert {answer.status_code for answer in answers} == {200}
    assert host.asked == 1


@vector("CIMD-022")
async def test_a_host_is_asked_a_few_times_a_minute(vector: str, door: Door, host: DocumentHost) -> None:
    for number in range(30):
        assert_refused(await ask(door, f"https://localhost:{host.port}/{number}.json"))
    assert host.asked <= 10


@vector("CIMD-027")
async def test_a_certificate_for_another_name(vector: str, tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with DocumentHost(tmp_path, "other.example") as other:
        for ca_file in (other.ca_file, None):
            outbound: dict[str, Any] = {"allow_networks": ["127.0.0.0/8", "::1/128"]}
            if ca_file is not None:
                outbound["ca_file"] = str(ca_file)
            async with open_door(tmp_path, upstream.url, outbound=outbound) as door:
                assert_refused(await ask(door, other.client_id))
        assert other.asked == 0


async def test_documents_can_be_switched_off(tmp_path: Path, upstream: RecordingUpstream, host: DocumentHost) -> None:
    async with open_door(tmp_path, upstream.url, client_documents={"enabled": False}) as door:
        assert_refused(await ask(door, host.client_id))
    assert host.asked == 0
