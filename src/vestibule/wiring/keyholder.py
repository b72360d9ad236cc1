"""The key ring of a running process: it follows its file and the clock, and what is in the store follows it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from vestibule.config import Configuration
from vestibule.credentials import KeptProviderTokens
from vestibule.errors import StartError
from vestibule.keys import KeyRing, RootKey, load_or_create, read_roots
from vestibule.model import AuditEvent
from vestibule.ports import AuditLog, Clock, Entropy, Store


def make_key_ring(configuration: Configuration, clock: Clock, entropy: Entropy) -> KeyRing:
    """Raises `StartError`."""
    if configuration.secret_key is not None:  # its strength was checked with the configuration
        return KeyRing.from_secret(configuration.secret_key, entropy, previous=configuration.keys.previous)
    return load_or_create(Path(configuration.keys.file), clock=clock, entropy=entropy)


class Keyholder:
    """Keeps one ring up to date."""

    def __init__(
        self,
        configuration: Configuration,
        ring: KeyRing,
        store: Store,
        provider_tokens: KeptProviderTokens,
        *,
        clock: Clock,
        entropy: Entropy,
        audit: AuditLog,
        on_retired: Callable[[], None],
        log: Callable[..., None],
    ) -> None:
        """`on_retired` is called when a key has gone: what was verified with it must be verified again."""
        self._file = Path(configuration.keys.file) if configuration.secret_key is None else None
        self._ring = ring
        self._provider_tokens = provider_tokens
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._roots: list[RootKey] = []
        self._audit = audit
        self._on_retired = on_retired
        self._log = log
        self._resealed = b""

    async def look(self) -> None:
        """Take up what is new in the file and what the clock has brought; seal again what an old key has sealed.

        A file that cannot be read right now changes nothing: the ring that works goes on working.
        """
        now, before = self._clock().timestamp(), self._ring.key_ids
        if self._file is not None:
            with suppress(StartError, ValueError):
                await self._take_up(await asyncio.to_thread(read_roots, self._file), now)
        self._ring.follow(now)
        if before - self._ring.key_ids:
            self._on_retired()
        if self._ring.sealed_prefix != self._resealed:
            await self._provider_tokens.reseal(self._ring.sealed_prefix)
            await self._retag()
            if self._resealed:
                await self._tell()
            self._resealed = self._ring.sealed_prefix

    async def _retag(self) -> None:
        """The trail's heads under the key in use, so that they are still ours when the old one is retired."""
        for tenant in await self._store.audit.retag():
            self._log("audit_head_is_not_ours", level="error", tenant=tenant, action="Run: vestibule audit verify")

    async def _tell(self) -> None:
        """This process has changed over: an operator who rotates wants to see that it arrived."""
        key_id = self._ring.sealed_prefix[1:].hex()
        event = AuditEvent(self._clock(), "key.use", "allowed", request_id="", target=key_id)
        await self._audit.record(event)

    async def _take_up(self, roots: Sequence[RootKey], now: float) -> None:
        if list(roots) != self._roots:
            # The store learns of a key before anything is sealed with it, and knows a ring that is another store's.
            if not await self._store.bind_keys(KeyRing(roots, self._entropy, now=now).check_values()):
                return
            self._roots = list(roots)
        self._ring.replace(roots, now)
