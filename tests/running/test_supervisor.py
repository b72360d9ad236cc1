"""The supervisor with workers that do nothing but what the test wants of them."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WORKER = """
import os, signal, socket, sys, time
number, _, channel = map(int, sys.argv[sys.argv.index("--worker") + 1].split(":"))
channel = socket.socket(fileno=channel)
def say(word): channel.send(word.encode() + b"\\n")
"""
SOUND = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
signal.signal(signal.SIGHUP, lambda *_: say("reloaded"))
say("ready")
while True: time.sleep(60)
"""


@contextmanager
def supervised(folder: Path, worker: str, *, workers: int = 2, grace: float = 1) -> Iterator["Supervised"]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        told = {
            "listener": listener.fileno(),
            "workers": workers,
            "command": [sys.executable, "-c", WORKER + worker, "serve"],
            "grace": grace,
            "form": "json",
        }
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "vestibule.cli.supervisor", json.dumps(told)],
                stderr=log,
                pass_fds=[listener.fileno()],
            )
    try:
        yield Supervised(process, folder / "log")
    finally:
        process.kill()
        process.wait()


class Supervised:
    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.log = log

    def events(self, name: str = "") -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if not name or line["event"] == name]

    def until(self, name: str, times: int = 1) -> None:
        deadline = time.monotonic() + 30
        while len(self.events(name)) < times:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)


def test_it_starts_watches_and_stops(tmp_path: Path) -> None:
    with supervised(tmp_path, SOUND) as run:
        run.until("worker_ready", 2)
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(10) == 0
        assert [one["event"] for one in run.events()].count("worker_ended") == 0


def test_ctrl_c_is_an_interruption(tmp_path: Path) -> None:
    with supervised(tmp_path, SOUND) as run:
        run.until("worker_ready", 2)
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(10) == 130


def test_it_gives_up_when_none_can_start_and_says_so(tmp_path: Path) -> None:
    with supervised(tmp_path, "sys.exit(2)") as run:
        assert run.process.wait(20) == 2
        assert run.events("no_worker_can_start")


def test_a_worker_that_ends_again_and_again_is_started_later_each_time(tmp_path: Path) -> None:
    with supervised(tmp_path, "say('ready')\nif number > 1: sys.exit(1)\n" + SOUND) as run:
        run.until("worker_ended", 3)
        assert [one["again_in_seconds"] for one in run.events("worker_ended")][:3] == [0.5, 1.0, 2.0]


def test_a_worker_that_does_not_end_is_killed(tmp_path: Path) -> None:
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsay('ready')\nwhile True: time.sleep(60)\n"
    with supervised(tmp_path, deaf, workers=1) as run:
        run.until("worker_ready")
        begun = time.monotonic()
        run.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(10) == 1
        assert time.monotonic() - begun < 4
        assert run.events("workers_killed")


def test_one_after_another_is_reloaded(tmp_path: Path) -> None:
    with supervised(tmp_path, SOUND) as run:
        run.until("worker_ready", 2)
        run.process.send_signal(signal.SIGHUP)
        run.until("reloaded")
        run.process.send_signal(signal.SIGHUP)
        run.until("reloaded", 2)


def test_when_one_refuses_the_others_are_not_asked(tmp_path: Path) -> None:
    refusing = SOUND.replace('say("reloaded")', 'say("refused" if number == 1 else "asked")')
    with supervised(tmp_path, refusing) as run:
        run.until("worker_ready", 2)
        run.process.send_signal(signal.SIGHUP)
        run.until("reload_refused")
        (told,) = run.events("reload_refused")
        assert (told["worker"], told["not_asked"]) == (1, 1)


def test_it_is_small(tmp_path: Path) -> None:
    with supervised(tmp_path, SOUND) as run:
        run.until("worker_ready", 2)
        status = Path(f"/proc/{run.process.pid}/status")
        if status.exists():
            resident = next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmRSS" in line)
            assert resident / 1024 < 20  # MB; 12 with CPython 3.11
