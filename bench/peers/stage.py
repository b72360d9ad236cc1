"""What every peer is started with, and what is known of one that runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.certificate import Certificate
from bench.machine import FOR_PROXIES, Program


@dataclass(frozen=True)
class Stage:
    folder: Path  # of this measurement
    cache: Path  # what is installed once
    upstream: int  # port on 127.0.0.1
    workers: int = 1
    cores: frozenset[int] = FOR_PROXIES
    streams: bool = False  # pass bytes on as they come: what nginx calls unbuffered
    tls: Certificate | None = None  # on both sides

    @property
    def scheme(self) -> str:
        return "http" if self.tls is None else "https"


@dataclass(frozen=True)
class Running:
    port: int
    program: Program | None  # None: it is the upstream itself
    token: str = ""  # that it lets in
    version: str = "2026-07-28"  # of the protocol, the newest it speaks
    tool: str = "search"  # what it calls the upstream's
    tokens: Callable[[int], Sequence[str]] | None = field(default=None, repr=False)  # as many as asked for

    def stop(self) -> None:
        if self.program is not None:
            self.program.stop()
