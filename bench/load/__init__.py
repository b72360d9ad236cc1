"""The load: two small programs in C, compiled at the first run. What they do is told at the top of each.

They are ours because nothing that the registries have does all of it: a constant rate without coordinated omission,
thousands of event streams whose events are timed, bodies of 10 MB both ways, a token for every request. A request costs
the load some 6 µs, so that it is never what is measured; `Figures.load_share` tells.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.machine import FOR_THE_REST, Missing, Program, on_cores

_HERE = Path(__file__).parent
_OPENSSL = Path("/usr/include/openssl/ssl.h")


@dataclass(frozen=True)
class Figures:
    """What became of a load."""

    seconds: float
    done: int  # requests answered, or events that came
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    bytes_in: int
    bytes_out: int
    lost: int  # requests without an answer, streams that ended
    refused: int  # connections
    wrong_status: int
    opened: int
    failed: int
    load_cpu: float  # seconds
    statuses: dict[str, int] = field(default_factory=dict)
    first_wrong: str = ""

    @property
    def errors(self) -> int:
        return self.lost + self.refused + self.wrong_status + self.failed

    @property
    def load_share(self) -> float:
        """Of one core, that the load used."""
        return self.load_cpu / self.seconds if self.seconds else 0.0

    def check(self) -> "Figures":
        """Raises `RuntimeError` unless everything was answered as it should be."""
        if self.wrong_status or not self.done:
            raise RuntimeError(f"answers were wrong: {self.statuses} {self.first_wrong}")
        return self


class Load:
    """The two programs, compiled."""

    def __init__(self, cache: Path) -> None:
        """Raises `Missing`."""
        self.has_tls = _OPENSSL.exists()
        self._load, self._upstream = (_compile(name, cache, tls=self.has_tls) for name in ("load", "upstream"))

    def run(self, mode: str, options: Mapping[str, object], *, cores: frozenset[int] = FOR_THE_REST) -> Figures:
        """`options` as load.c has them."""
        with on_cores(cores):
            done = subprocess.run(
                [str(self._load), f"mode={mode}", *_words(options)], capture_output=True, text=True, check=True
            )
        return _read(done.stdout)

    @contextmanager
    def streams(self, options: Mapping[str, object]) -> Iterator["Streams"]:
        """Event streams that stay open while the block runs."""
        with on_cores(FOR_THE_REST):
            process = subprocess.Popen(
                [str(self._load), "mode=streams", *_words(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        try:
            yield Streams(process)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(60)

    def upstream(self, port: int, folder: Path, options: Mapping[str, object]) -> Program:
        """The static MCP server. `options` as upstream.c has them."""
        program = Program([str(self._upstream), *_words({"port": port, **options})], folder, cores=FOR_THE_REST)
        program.wait_for(port)
        return program


class Streams:
    """Many streams, open."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())  # once all of them are open, or have failed
        self.opened, self.failed = int(told["opened"]), int(told["failed"])

    def end(self) -> Figures:
        out, _ = self._process.communicate(timeout=60)  # which ends its standard input
        return _read(out)


def _read(out: str) -> Figures:
    found: dict[str, Any] = json.loads(out)
    return Figures(**found)


def _words(options: Mapping[str, object]) -> Sequence[str]:
    return [f"{name}={int(value) if isinstance(value, bool) else value}" for name, value in options.items()]


def _compile(name: str, cache: Path, *, tls: bool) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Missing("there is no C compiler. Install one: apt-get install gcc libc6-dev")
    cache.mkdir(parents=True, exist_ok=True)
    cache = cache.resolve()
    program, sources = cache / name, [_HERE / f"{name}.c", _HERE / "http.h"]
    if not program.exists() or program.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        extra = ["-DTLS", "-lssl", "-lcrypto"] if tls else []
        subprocess.run([compiler, "-O2", "-Wall", "-o", str(program), str(sources[0]), *extra], check=True)
    return program
