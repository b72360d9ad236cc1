"""TLS on our own port: what it speaks, what it refuses, and whose certificate it shows."""

import asyncio
import signal
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.support.certificates import write_certificate
from tests.support.serving import load, serving
from vestibule.testing.recording_upstream import RecordingUpstream

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Shown:
    certificate: bytes  # DER
    version: str | None
    protocol: str | None


def shown_by(port: int) -> Shown:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5)) as one:
        return Shown(one.getpeercert(binary_form=True) or b"", one.version(), one.selected_alpn_protocol())


def der(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


async def test_https_ends_here_and_http_is_told_so(tmp_path: Path, upstream: RecordingUpstream) -> None:
    certificate, key = write_certificate(tmp_path, "127.0.0.1")
    tls = {"certificate": str(certificate), "key": str(key)}
    async with serving(tmp_path, upstream.url, trusting=trusting(certificate), tls=tls) as program:
        url, port = program.door.url, int(program.door.url.rpartition(":")[2])
        assert f"Vestibule is open at {url}" in program.said()
        token = (await program.door.sign_in()).access_token
        assert (await program.door.call(token)).status_code == 200
        answer = await program.door.http.get(f"{url}/.well-known/oauth-authorization-server")
        assert answer.json()["issuer"] == url
        assert "strict-transport-security" not in answer.headers  # loopback is shared with other programs

        assert shown_by(port) == Shown(der(certificate), "TLSv1.3", "http/1.1")

        async with httpx2.AsyncClient(trust_env=False) as plain:
            told = await plain.get(f"http://127.0.0.1:{port}/healthz")
        assert told.status_code == 400
        assert "https" in told.text
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with socket.create_connection(("127.0.0.1", port), 5) as plain_socket, pytest.raises(ssl.SSLError):
            old.wrap_socket(plain_socket)


def hello_to(name: bytes) -> bytes:
    """How a client begins that asks for this name, which need not be one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    decent, said = "x" * len(name), ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), said, server_hostname=decent)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return said.read().replace(decent.encode(), name)


async def test_a_name_that_is_none_is_no_line_in_the_log(tmp_path: Path, upstream: RecordingUpstream) -> None:
    certificate, key = write_certificate(tmp_path, "127.0.0.1")
    tls = {"certificate": str(certificate), "key": str(key)}
    async with serving(tmp_path, upstream.url, trusting=trusting(certificate), tls=tls) as program:
        before = program.said()
        port = int(program.door.url.rpartition(":")[2])
        for name in (b"\xff\xfe.example", b"xn--\xff\x01.example", b"a\nname\x00of-two-lines"):
            with socket.create_connection(("127.0.0.1", port), 5) as stranger:
                stranger.sendall(hello_to(name))
                await asyncio.to_thread(stranger.recv, 1)  # an answer, or nothing more
        assert (await program.door.http.get(f"{program.door.url}/healthz")).status_code == 200
        assert program.said() == before


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_renewed_certificate_is_shown_to_new_connections_and_fails_nobody(
    tmp_path: Path, upstream: RecordingUpstream, workers: int
) -> None:
    certificate, key = write_certificate(tmp_path, "127.0.0.1")
    first = tmp_path / "first.pem"
    first.write_bytes(certificate.read_bytes())
    second, second_key = write_certificate(tmp_path, "127.0.0.1", stem="second")
    trust = trusting(first)
    trust.load_verify_locations(second)
    tls = {"certificate": str(certificate), "key": str(key)}
    async with serving(tmp_path, upstream.url, workers=workers, trusting=trust, tls=tls) as program:
        port = int(program.door.url.rpartition(":")[2])
        token = (await program.door.sign_in()).access_token
        assert {shown_by(port).certificate for _ in range(6)} == {der(first)}
        async with load(program, token, tls=trust) as running:
            key.write_bytes(second_key.read_bytes())
            certificate.write_bytes(second.read_bytes())
            program.signal(signal.SIGHUP)
            await program.says('"logger": "serving", "event": "reloaded"', times=workers)
            assert {shown_by(port).certificate for _ in range(6)} == {der(second)}
            certificate.write_bytes(first.read_bytes())  # it does not fit the key
            program.signal(signal.SIGHUP)
            await program.says('"logger": "serving", "event": "reload_refused"')
            assert {shown_by(port).certificate for _ in range(6)} == {der(second)}
        assert "tls.key" in program.said()
        assert (running.failures, running.refused, running.closed) == ([], 0, 0)


async def test_with_tls_too_nothing_is_lost_at_sigterm(tmp_path: Path, upstream: RecordingUpstream) -> None:
    certificate, key = write_certificate(tmp_path, "127.0.0.1")
    trust = trusting(certificate)
    tls = {"certificate": str(certificate), "key": str(key)}
    async with serving(tmp_path, upstream.url, trusting=trust, tls=tls) as program:
        token = (await program.door.sign_in()).access_token
        async with load(program, token, tls=trust) as running:
            while running.answered < 50:
                await asyncio.sleep(0.02)
            program.signal(signal.SIGTERM)
            assert await program.ended(12) == 0
        assert running.failures == []
        assert running.closed > 0
