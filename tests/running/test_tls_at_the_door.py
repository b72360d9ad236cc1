"""TLS on our own port in the test's own loop: quick enough to be asked every time."""

import asyncio
import ssl
from pathlib import Path

from tests.support.certificates import write_certificate
from tests.support.house import open_door
from vestibule.testing.recording_upstream import RecordingUpstream


async def test_a_request_over_tls_is_read_and_answered(tmp_path: Path, upstream: RecordingUpstream) -> None:
    certificate, key = write_certificate(tmp_path, "127.0.0.1")
    tls = {"certificate": str(certificate), "key": str(key)}
    async with open_door(tmp_path, upstream.url, tls=tls) as door:
        host = door.url.removeprefix("http://")
        trusting = ssl.create_default_context(cafile=str(certificate))
        reader, writer = await asyncio.open_connection(*host.split(":"), ssl=trusting)
        for _ in range(2):
            writer.write(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            answer = await asyncio.wait_for(reader.readuntil(b"ok\n"), 5)
            assert answer.startswith(b"HTTP/1.1 200")
        writer.close()
