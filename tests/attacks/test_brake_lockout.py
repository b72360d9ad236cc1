"""One stranger with 900 connections and forged JWTs of a trusted issuer: people with fresh tokens get 503, or wait."""

# ruff: noqa: E401, E501, I001, F401
# mypy: ignore-errors

import asyncio, time
from pathlib import Path
import httpx2, pytest
from tests.support.foreign import trusted
from tests.support.wire import head


@pytest.mark.skip(reason="half a minute of both cores; open finding")
async def test_lockout(tmp_path: Path, upstream):
    async with trusted(tmp_path, upstream) as work:
        good = [work.token(jti=f"g{i}") for i in range(40)]
        base = work.token()
        h, p, s = base.split(".")
        stop = False
        count = 0
        statuses = {}
        host = work.door.url.removeprefix("http://")
        ip, port = host.split(":")

        async def attacker(n):
            nonlocal count
            i = 0
            try:
                r, w = await asyncio.open_connection(ip, int(port))
                while not stop:
                    sig = (f"{n:04d}{i:06d}" + s)[: len(s) - 2] + s[-2:]
                    w.write(
                        (
                            f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {h}.{p}.{sig}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
                        ).encode()
                    )
                    d = await r.readuntil(b"\r\n\r\n")
                    ln = int(d.lower().split(b"content-length: ")[1].split(b"\r")[0])
                    await r.readexactly(ln)
                    st = d[9:12]
                    statuses[st] = statuses.get(st, 0) + 1
                    i += 1
                    count += 1
            except Exception as e:
                statuses[type(e).__name__] = statuses.get(type(e).__name__, 0) + 1

        tasks = [asyncio.create_task(attacker(n)) for n in range(900)]
        await asyncio.sleep(6)
        results = {}
        slow = []
        for t in good[:12]:
            t0 = time.perf_counter()
            a = await work.call(t)
            slow.append(round(time.perf_counter() - t0, 2))
            results[a.status_code] = results.get(a.status_code, 0) + 1
        stop = True
        print("RESULT", results, slow, count, statuses)
        assert results == {200: 12}
        for t in tasks:
            t.cancel()
