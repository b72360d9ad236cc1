"""Reading whole chains: is the trail as it was written? In pages, so that a long one needs no more memory than a short.

A chain may grow while it is read. The head is asked for when the links have come to an end: an honest one is never
behind the links that were there before it, and the links that it knows of can be read after it. A reading may stop
after any page, and another one go on from there.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from vestibule.model import AuditHead, AuditLink, AuditPlace
from vestibule.ports import AuditHistory, Authenticator
from vestibule.protocol.audit_chain import HEAD_PURPOSE, ChainCheck, ChainFault, ChainState, head_message

PAGE = 1000  # links

_BEFORE_ALL: AuditPlace = (-(2**62), 0)
_NOTHING_READ = ChainState()


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What was found of one tenant's chain."""

    tenant: str
    sequence: int  # of the last link
    hash: str  # of the last link, empty where there is none
    before_the_chains: int
    faults: tuple[ChainFault, ...]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head that somebody has kept elsewhere: the chain must still go through it."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a reading has come."""

    place: AuditPlace = _BEFORE_ALL
    state: ChainState = _NOTHING_READ


class ChainReading:
    """A tenant's chain, read from its beginning, or from where another reading stopped, to its head."""

    def __init__(
        self,
        tenant: str,
        history: AuditHistory,
        authenticator: Authenticator,
        *,
        anchor: Anchor | None = None,
        since: Reached | None = None,
        page: int = PAGE,
    ) -> None:
        since = since or Reached()
        self._history = history
        self._authenticator = authenticator
        self._check = ChainCheck(tenant, since.state)
        self._place = since.place
        self._page = page
        self._anchor = anchor
        self._head: AuditHead | None = None
        self.links = 0  # that this reading has read

    @property
    def reached(self) -> Reached:
        return Reached(self._place, self._check.state)

    async def go_on(self) -> bool:
        """One page more; False when that was all, and the head has been looked at. Raises `StoreUnavailable`."""
        page = await self._history.links(self._check.tenant, after=self._place, limit=self._page)
        for link in page:
            self._check.feed(link)
            if self._anchor is not None and (link.sequence, link.hash) == (self._anchor.sequence, self._anchor.hash):
                self._anchor = None
        self.links += len(page)
        if page and page[-1].place > self._place:
            self._place = page[-1].place
            return True
        before, self._head = self._head, await self._history.head(self._check.tenant)
        head = self._head
        if head is not None and head.sequence > self._check.sequence and head != before:
            return True  # more was written meanwhile
        self._check.end(head, is_ours=head is not None and _is_ours(head, self._authenticator))
        return False

    def report(self) -> ChainReport:
        """What this reading has found so far."""
        check, faults = self._check, list(self._check.faults)
        if self._anchor is not None:
            faults.append(
                ChainFault(self._anchor.sequence, "head forged", "the chain does not go through the head that was kept")
            )
        last = check.hash if check.sequence else ""
        return ChainReport(check.tenant, check.sequence, last, check.before_the_chains, tuple(faults))


async def check_chain(
    tenant: str,
    history: AuditHistory,
    authenticator: Authenticator,
    *,
    anchor: Anchor | None = None,
    progress: Callable[[int], None] = lambda links: None,
) -> ChainReport:
    """Read the tenant's chain from its beginning to its head. Raises `StoreUnavailable`."""
    reading = ChainReading(tenant, history, authenticator, anchor=anchor)
    while await reading.go_on():
        progress(reading.links)
    return reading.report()


def _is_ours(head: AuditHead, authenticator: Authenticator) -> bool:
    return authenticator.verify(HEAD_PURPOSE, head_message(head.tenant, head.sequence, head.hash), head.tag)


async def chain_between(history: AuditHistory, tenant: str, first: int, last: int) -> AsyncIterator[AuditLink]:
    """The links of a tenant from one sequence to another, a page at a time."""
    place: AuditPlace = (first - 1, 2**62)
    while True:
        page = await history.links(tenant, after=place, up_to=last, limit=PAGE)
        for link in page:
            yield link
        if not page or page[-1].place <= place:
            return
        place = page[-1].place
