"""Names to addresses, and from there to exactly one that was checked.

All answers must be admitted by the guard: a name with one private address is not half public, it is an attempt. What
is connected to is the address that was checked, never the name: a second look at the DNS would be the attacker's
chance (DNS rebinding).
"""

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from vestibule.errors import FetchRefused
from vestibule.outbound.addresses import Address, AddressGuard, UnreadableHost, is_private_name, read_host
from vestibule.ports import Resolver

MAX_LOOKUPS = 16  # at once
MAX_ANSWERS = 64  # addresses of one name


@dataclass(frozen=True, slots=True)
class PinnedHost:
    """A host and the checked addresses that stand for it from here on."""

    name: str  # for the certificate and the Host header
    addresses: tuple[Address, ...]


async def pin(host: str, port: int, *, guard: AddressGuard, resolver: Resolver) -> PinnedHost:
    """Resolve a URL's host once and check every answer.

    Raises `FetchRefused` (its message is the detail: the caller has one text for whoever wrote the URL) or OSError.
    """
    try:
        read = read_host(host)
    except UnreadableHost as error:
        raise FetchRefused(str(error)) from error
    if isinstance(read, IPv4Address | IPv6Address):
        return PinnedHost(str(read), _checked([str(read)], guard, private=False))
    private = is_private_name(read)
    if private and not guard.opens_networks:
        raise FetchRefused(f"{read} is a name of our own network")
    return PinnedHost(read, _checked(await resolver(read, port), guard, private=private))


def _checked(answers: Sequence[str], guard: AddressGuard, *, private: bool) -> tuple[Address, ...]:
    """All of them, parsed: what is checked and what is connected to are one value.

    `private`: the name is one of our own network, so its addresses must be in what the operator opened.
    """
    if not 0 < len(answers) <= MAX_ANSWERS:
        raise FetchRefused(f"{len(answers)} addresses")
    addresses = []
    for answer in answers:
        if not guard.admits(answer) or (private and not guard.opens(ip_address(answer))):
            raise FetchRefused(f"special-use address {answer[:100]}")
        addresses.append(ip_address(answer))
    return tuple(addresses)


class SystemResolver:
    """Asks the operating system. Implements `ports.Resolver`.

    A thread of its own for each look-up: a stranger's slow name server can hold up to 16 of them, but neither the
    loop's own pool, which the rest of the program needs, nor the end of the process.
    """

    def __init__(self, max_lookups: int = MAX_LOOKUPS) -> None:
        self._places = threading.BoundedSemaphore(max_lookups)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """All addresses of `host`, in the system's order. Raises OSError."""
        if not self._places.acquire(blocking=False):
            raise OSError("too many names are being looked up")
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[str]] = loop.create_future()
        try:
            threading.Thread(target=self._look_up, args=(host, port, loop, found), daemon=True).start()
        except RuntimeError as error:
            self._places.release()
            raise OSError("no thread to look a name up in") from error
        return await found

    def _look_up(
        self, host: str, port: int, loop: asyncio.AbstractEventLoop, found: asyncio.Future[Sequence[str]]
    ) -> None:
        try:
            answers: Sequence[str] | OSError = _addresses(host, port)
        except OSError as error:
            answers = error
        except ValueError as error:  # the idna codec's, for a name that no check should have let through
            answers = OSError(str(error))
        finally:
            self._places.release()
        with suppress(RuntimeError):  # the loop has closed: nobody waits
            loop.call_soon_threadsafe(_settle, found, answers)


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def _settle(found: asyncio.Future[Sequence[str]], answers: Sequence[str] | OSError) -> None:
    if found.done():  # the caller gave up
        return
    if isinstance(answers, OSError):
        found.set_exception(answers)
    else:
        found.set_result(answers)


resolve = SystemResolver()
"""The process's resolver."""
