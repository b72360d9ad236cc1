"""The chain of the audit trail: how links hang together, and what is wrong with one that does not.

Each tenant has a chain. A link's hash is SHA-256 over the 32 bytes of the hash before it (zeros before the first) and
the event's canonical form (`audit_form`). Whoever has an export can check it without us (docs/audit.md has the
program); a member that a later version adds changes no older hash, because it is empty there. The head is tagged with
a key that the database does not have: whoever can only write rows can compute hashes, but not a head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, TypeAlias

from vestibule.model import AuditEvent, AuditHead, AuditLink
from vestibule.protocol.audit_form import canonical

HEAD_PURPOSE = "audit-head"
BEGINNING = "0" * 64  # the hash before the first link

MAX_FAULTS = 20  # of one chain: after that it is clear

Damage: TypeAlias = Literal["changed", "missing", "inserted", "reordered", "head forged", "rows after head"]


def link_hash(previous: str, event: AuditEvent, sequence: int) -> str:
    """`previous`: a hash in hex. Raises `ValueError` for one that is none."""
    return sha256(bytes.fromhex(previous) + canonical(event, sequence)).hexdigest()


def chain(events: Sequence[AuditEvent], head: AuditHead) -> list[AuditLink]:
    """These events, all of the head's tenant, as the links that follow it. Rows have no number yet."""
    links, previous = [], bytes.fromhex(head.hash or BEGINNING)
    for sequence, event in enumerate(events, start=head.sequence + 1):
        previous = sha256(previous + canonical(event, sequence)).digest()
        links.append(AuditLink(event, sequence, previous.hex()))
    return links


def head_message(tenant: str, sequence: int, hash_: str) -> bytes:
    """What a head's tag is over."""
    return f"{sequence}:{hash_}:{tenant}".encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class ChainFault:
    """What is wrong, and where."""

    sequence: int
    damage: Damage
    detail: str


@dataclass(frozen=True, slots=True)
class ChainState:
    """All that a check remembers of the links that it has read, but for their faults: enough to go on from there."""

    sequence: int = 0
    hash: str = BEGINNING
    row: int = 0
    before_the_chains: int = 0
    before_changed: str = ""  # the hash before the last link, when that link was not what it should be


class ChainCheck:
    """Reads a chain link by link, in the order of sequence and row, and remembers only the last one."""

    def __init__(self, tenant: str, state: ChainState | None = None) -> None:
        """`state`: of an earlier check, which this one goes on from."""
        state = state or ChainState()
        self.tenant = tenant
        self.faults: list[ChainFault] = []
        self.sequence = state.sequence
        self.hash = state.hash
        self.before_the_chains = state.before_the_chains
        self._row = state.row
        self._before_changed = state.before_changed

    @property
    def state(self) -> ChainState:
        return ChainState(self.sequence, self.hash, self._row, self.before_the_chains, self._before_changed)

    def feed(self, link: AuditLink) -> None:
        if link.sequence == 0:
            self.before_the_chains += 1
            self._row = max(self._row, link.row)
        elif link.sequence <= self.sequence:
            self._fault(link.sequence, "inserted", "there is more than one row of this number")
        else:
            self._check_place(link)
            self._check_hash(link)
            self.sequence, self.hash, self._row = link.sequence, link.hash, link.row

    def end(self, head: AuditHead | None, *, is_ours: bool) -> None:
        """`is_ours`: whether the head's tag verifies."""
        if head is None:
            if self.sequence:
                self._fault(self.sequence, "head forged", "the head is missing")
            return
        if not is_ours:
            self._fault(head.sequence, "head forged", "its tag is not made with a key of this ring")
        if head.sequence > self.sequence:
            self._fault(self.sequence + 1, "missing", f"the head says that there are {head.sequence}")
        elif head.sequence < self.sequence:
            self._fault(head.sequence + 1, "rows after head", f"the head says that there are {head.sequence}")
        elif head.hash != self.hash:
            self._fault(head.sequence, "head forged", "it names another hash than the last link has")

    def _check_place(self, link: AuditLink) -> None:
        if link.sequence > self.sequence + 1:
            last = link.sequence - 1
            told = "" if last == self.sequence + 1 else f"to {last}"
            self._fault(self.sequence + 1, "missing", told)
        elif link.row and link.row <= self._row and self.sequence == 0:
            self._fault(0, "inserted", "a row without a number was written after the chain began")
        elif link.row and link.row <= self._row:
            self._fault(link.sequence, "reordered", "it was written before the one that it follows")

    def _check_hash(self, link: AuditLink) -> None:
        previous, swapped_with = self.hash, self._before_changed
        self._before_changed = ""
        if link.sequence > self.sequence + 1 or _is(link, previous, link.sequence):
            return  # after a gap there is nothing to compare with: the gap is the fault
        if swapped_with and _is(link, swapped_with, link.sequence - 1):
            self._fault(link.sequence, "reordered", f"it belongs in place {link.sequence - 1}")
            return
        self._before_changed = previous
        self._fault(link.sequence, "changed", "its hash does not follow from what it says")

    def _fault(self, sequence: int, damage: Damage, detail: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(ChainFault(sequence, damage, detail))


def _is(link: AuditLink, previous: str, sequence: int) -> bool:
    try:
        return link_hash(previous, link.event, sequence) == link.hash
    except ValueError:  # the hash before it is no hash any more; that one has its fault
        return False
