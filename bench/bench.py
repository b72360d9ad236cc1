"""One run: what is started, in which turns it is measured, and what came of it."""

import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.certificate import Certificate
from bench.load import Figures, Load
from bench.machine import FOR_PROXIES, FOR_THE_REST, Missing, free_port
from bench.peers import PEERS
from bench.peers.stage import Running, Stage
from bench.samples import Sample

CACHE = Path(".cache/bench")


@dataclass(frozen=True)
class Pace:
    """How long everything is measured."""

    seconds: float = 2.0
    rounds: int = 5
    is_quick: bool = False

    def some(self, rounds: int) -> int:
        """For what is steadier, or takes longer: at most so many rounds."""
        return min(rounds, self.rounds)


@dataclass
class Bench:
    """What a measure works with."""

    load: Load
    pace: Pace
    folder: Path
    samples: list[Sample] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)  # by measure and peer: why it is not there
    measure: str = ""
    _requests: int = 0

    def say(self, text: str) -> None:
        """Progress, where somebody may be looking."""
        print(f"  {self.measure}: {text}", file=sys.stderr, flush=True)

    def record(self, peer: str, turn: int, case: str = "", **figures: float) -> None:
        self.samples.append(Sample(self.measure, peer, case, turn, figures))

    def leave_out(self, peer: str, why: str) -> None:
        self.missing[f"{self.measure}: {peer}"] = why
        self.say(f"{peer} is left out: {why}")

    @contextmanager
    def upstream(self, **options: object) -> Iterator[int]:
        """The static server's port."""
        port = free_port()
        program = self.load.upstream(port, self.folder, options)
        try:
            yield port
        finally:
            program.stop()

    @contextmanager
    def peers(
        self,
        names: Sequence[str],
        upstream: int,
        *,
        workers: int = 1,
        streams: bool = False,
        tls: Certificate | None = None,
        cores: frozenset[int] = FOR_PROXIES,
    ) -> Iterator[Mapping[str, Running]]:
        """Those of them that run here, all at once; the rest is told of."""
        stage = Stage(self.folder, CACHE.resolve(), upstream, workers, cores, streams, tls)
        with ExitStack() as stack:
            running: dict[str, Running] = {}
            for name in names:
                try:
                    running[name] = PEERS[name](replace(stage))
                except Missing as missing:
                    self.leave_out(name, str(missing))
                else:
                    stack.callback(running[name].stop)
            yield running

    def request(self, content: bytes) -> Path:
        """The file of a request."""
        self._requests += 1
        path = self.folder / f"request-{self._requests}"
        path.write_bytes(content)
        return path

    def warm_up(self, running: Running, request: Path, **options: object) -> None:
        """Let it see the request, and make its connections. Raises `RuntimeError` when its answer is wrong."""
        whole = {"port": running.port, "request": request, "connections": 8, "seconds": 0.5, **options}
        self.load.run("closed", whole).check()

    def closed(
        self,
        running: Running,
        request: Path,
        *,
        seconds: float | None = None,
        connections: int = 32,
        cores: frozenset[int] = FOR_THE_REST,
        **options: object,
    ) -> "Measured":
        """Requests one after the other on each connection."""
        return self._measured(
            "closed",
            running,
            cores,
            request=request,
            seconds=seconds or self.pace.seconds,
            connections=connections,
            **options,
        )

    def at_rate(
        self, running: Running, request: Path, rate: float, *, seconds: float | None = None, connections: int = 32
    ) -> "Measured":
        """Requests at a constant rate."""
        return self._measured(
            "open",
            running,
            FOR_THE_REST,
            request=request,
            seconds=seconds or self.pace.seconds,
            connections=connections,
            rate=rate,
            warm=0.3,
        )

    def _measured(self, mode: str, running: Running, cores: frozenset[int], **options: object) -> "Measured":
        before = running.program.cpu() if running.program else 0.0
        figures = self.load.run(mode, {"port": running.port, **options}, cores=cores)
        if running.program is None:
            return Measured(figures, math.nan, math.nan)
        return Measured(figures, running.program.cpu() - before, running.program.rss())


@dataclass(frozen=True)
class Measured:
    figures: Figures
    cpu: float  # seconds that the peer used
    rss: float  # MB, after it

    @property
    def cpu_us(self) -> float:
        """Of the peer, for one request."""
        return self.cpu / self.figures.done * 1e6 if self.figures.done else math.nan


@contextmanager
def open_bench(pace: Pace) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as folder:
        yield Bench(Load(CACHE), pace, Path(folder))


def turns(bench: Bench, rounds: int, names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Everybody in each round, told as it goes; who begins changes, so that nobody always follows the same one."""
    started = time.monotonic()
    for turn in range(rounds):
        bench.say(f"round {turn + 1} of {rounds} ({time.monotonic() - started:.0f} s)")
        shift = turn % len(names) if names else 0
        for name in (*names[shift:], *names[:shift]):
            yield turn, name
