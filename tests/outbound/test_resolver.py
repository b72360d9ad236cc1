"""From a name to the addresses that were checked."""

import asyncio
import socket
import threading
from collections.abc import Sequence

import pytest

from vestibule.errors import FetchRefused
from vestibule.outbound.addresses import AddressGuard
from vestibule.outbound.resolver import MAX_ANSWERS, PinnedHost, SystemResolver, pin, resolve

CLOSED = AddressGuard()


class Names:
    """A resolver with a table, which counts how often it was asked."""

    def __init__(self, **table: list[str]) -> None:
        self.table = {name.replace("_", "."): addresses for name, addresses in table.items()}
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.table[host]


def shown(pinned: PinnedHost) -> tuple[str, list[str]]:
    return pinned.name, [str(address) for address in pinned.addresses]


async def test_all_addresses_in_the_resolvers_order() -> None:
    names = Names(c_example=["93.184.216.34", "2606:2800:220:1::1", "93.184.216.35"])
    pinned = await pin("C.Example.", 8443, guard=CLOSED, resolver=names)
    assert shown(pinned) == ("c.example", ["93.184.216.34", "2606:2800:220:1::1", "93.184.216.35"])
    assert names.asked == [("c.example", 8443)]


@pytest.mark.parametrize(
    "answers",
    [
        ["10.0.0.1"],
        ["93.184.216.34", "10.0.0.1"],
        ["10.0.0.1", "93.184.216.34"],
        ["93.184.216.34", "::1"],
        ["2606:2800:220:1::1", "127.0.0.1"],
        ["93.184.216.34", "::ffff:93.184.216.34"],
        ["93.184.216.34", "not an address"],
        ["93.184.216.34", "fe80::1%eth0"],
        [],
        ["93.184.216.34"] * (MAX_ANSWERS + 1),
    ],
    ids=lambda answers: " ".join(answers)[:40] or "none",
)
async def test_one_address_that_is_not_public_refuses_the_name(answers: list[str]) -> None:
    with pytest.raises(FetchRefused):
        await pin("c.example", 443, guard=CLOSED, resolver=Names(c_example=answers))


@pytest.mark.parametrize("host", ["93.184.216.34", "[2606:2800:220:1::1]"])
async def test_an_address_is_not_looked_up(host: str) -> None:
    names = Names()
    assert shown(await pin(host, 443, guard=CLOSED, resolver=names)) == (host.strip("[]"), [host.strip("[]")])
    assert names.asked == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1.", "127.1", "[::1]", "[::ffff:7f00:1]", "2130706433", "localhost", "db.internal", "x"],
)
async def test_what_is_refused_by_its_spelling_is_not_looked_up(host: str) -> None:
    names = Names()
    with pytest.raises(FetchRefused):
        await pin(host, 443, guard=CLOSED, resolver=names)
    assert names.asked == []


async def test_a_private_name_leads_into_what_the_operator_opened_and_nowhere_else() -> None:
    guard = AddressGuard(["10.20.0.0/16"])
    names = Names(docs_internal=["10.20.0.5"], metadata_google_internal=["169.254.169.254"], odd_internal=["1.1.1.1"])
    assert shown(await pin("docs.internal", 443, guard=guard, resolver=names)) == ("docs.internal", ["10.20.0.5"])
    for host in ("metadata.google.internal", "odd.internal"):
        with pytest.raises(FetchRefused):
            await pin(host, 443, guard=guard, resolver=names)


# --- the operating system's resolver --------------------------------------------------------------------------------


async def test_the_system_is_asked_for_all_addresses_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(host: str, port: int, **options: object) -> object:
        assert (host, port) == ("c.example", 443)
        addresses = ("93.184.216.34", "93.184.216.34", "2606:2800:220:1::1")
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert await SystemResolver()("c.example", 443) == ["93.184.216.34", "2606:2800:220:1::1"]


async def test_a_name_that_is_none_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(host: str, port: int, **options: object) -> object:
        raise UnicodeError("label too long") if host.startswith("x") else socket.gaierror(-2, "Name not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for host in ("c.example", "x.example"):
        with pytest.raises(OSError, match=r"not known|too long"):
            await resolve(host, 443)


async def test_slow_look_ups_are_bounded_and_hold_up_neither_the_loop_nor_its_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go, started = threading.Event(), threading.Semaphore(0)

    def getaddrinfo(host: str, port: int, **options: object) -> object:
        started.release()
        assert go.wait(10)
        return [(0, 0, 0, "", ("93.184.216.34", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    resolver = SystemResolver(max_lookups=2)
    first, second = (asyncio.create_task(resolver("c.example", 443)) for _ in range(2))
    for _ in range(2):
        assert await asyncio.to_thread(started.acquire, timeout=10)  # the loop and its own threads work meanwhile
    with pytest.raises(OSError, match="too many"):
        await resolver("c.example", 443)
    first.cancel()  # who gives up leaves the place to its thread, which is still there
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(OSError, match="too many"):
        await resolver("c.example", 443)
    go.set()
    assert await second == ["93.184.216.34"]
    assert await resolver("c.example", 443) == ["93.184.216.34"]
