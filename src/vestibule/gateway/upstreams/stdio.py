"""A server that is a child process: one JSON-RPC message a line, there on its input, back on its output.

No shell: the configuration's words are the program's, and nothing of a request is among them. The child gets the
environment that the configuration gives it and a few variables that programs cannot do without; of ours nothing else,
so that no secret of the gateway is in it. It leads a process group of its own, which ends with it. What it writes to
its standard error goes to the log.

It ends by the end of its input, then SIGTERM, then SIGKILL. Should the gateway itself be killed, Linux ends it: a few
lines of Python ask for that (PR_SET_PDEATHSIG) in the child before they become the server. `preexec_fn` would do it
without them, in a forked process where other threads may hold locks.
"""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from vestibule.gateway.upstreams.channel import MAX_MESSAGE, Listener
from vestibule.gateway.upstreams.seldom import Seldom
from vestibule.model import Command

# What a child has of our environment. Never ours: VESTIBULE_*, and whatever an operator's secrets are called.
KEPT = (
    "PATH HOME USER LOGNAME SHELL LANG LANGUAGE LC_ALL LC_CTYPE TZ TMPDIR TERM SSL_CERT_FILE SSL_CERT_DIR "
    "SYSTEMROOT SYSTEMDRIVE COMSPEC PATHEXT TEMP TMP USERPROFILE APPDATA LOCALAPPDATA PROGRAMFILES WINDIR"
).split()
MAX_UNTAKEN = 4 * 1024 * 1024  # bytes that wait for the child to read them
MAX_LOG_LINE = 4096
LOG_LINES = 200  # a minute
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_LAUNCH = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.stderr.write(f"cannot start {sys.argv[2]}: {error.strerror}\\n")
    os._exit(127)
"""
_EXIT_FOLLOWS = 0.2  # seconds, between the end of a child's output and its exit, in either order


class StdioChannel(asyncio.SubprocessProtocol):
    """See the top of the file. Implements `Channel`."""

    def __init__(self, command: Command, *, report: Callable[..., None], clock: Callable[[], float]) -> None:
        self._command = command
        self._buffer = bytearray()
        self._ending: asyncio.Task[None] | None = None
        self._exited = asyncio.Event()
        self._is_lost = False
        self._listener: Listener = cast("Listener", None)
        self._pid = 0
        self._report = report
        self._says = Seldom(LOG_LINES, clock)
        self._said = bytearray()
        self._searched = 0
        self._stdin: asyncio.WriteTransport = cast("asyncio.WriteTransport", None)
        self._transport: asyncio.SubprocessTransport = cast("asyncio.SubprocessTransport", None)

    # --- Channel ----------------------------------------------------------------------------------------------------

    async def open(self, listener: Listener) -> None:
        self._listener = listener
        command, environment = self._command, environment_of(self._command)
        if program_of(command, environment) is None:
            raise FileNotFoundError(f"there is no program {command.arguments[0]}")
        await asyncio.get_running_loop().subprocess_exec(
            lambda: self,
            *(_launcher() if sys.platform == "linux" else ()),
            *command.arguments,
            env=environment,
            cwd=command.working_directory or None,
            start_new_session=os.name == "posix",
        )

    def send(self, message: bytes) -> None:
        if not self._is_lost and not self._stdin.is_closing():
            self._stdin.write(message + b"\n")

    @property
    def is_clogged(self) -> bool:
        return self._stdin.get_write_buffer_size() > MAX_UNTAKEN

    def pause(self) -> None:
        self._reading(lambda pipe: pipe.pause_reading())

    def resume(self) -> None:
        self._reading(lambda pipe: pipe.resume_reading())

    def _reading(self, change: Callable[[asyncio.ReadTransport], None]) -> None:
        pipe = cast("asyncio.ReadTransport | None", self._transport.get_pipe_transport(_STDOUT))
        if pipe is not None and not pipe.is_closing():
            with suppress(RuntimeError):
                change(pipe)

    def close(self) -> None:
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end())

    async def closed(self) -> None:
        if self._ending is not None:
            await asyncio.wait({self._ending})

    async def _end(self) -> None:
        grace = self._command.stop_grace.total_seconds()
        self._stdin.close()
        if not await self._exits_within(grace):
            self._signal(signal.SIGTERM)
            if not await self._exits_within(grace):
                self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
                await self._exits_within(grace)
        self._lose("stopped")
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))  # whatever it has left behind in its group
        self._transport.close()

    async def _exits_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._exited.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._pid, number)
            elif not self._exited.is_set():
                self._transport.send_signal(number)

    def _lose(self, reason: str) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._buffer.clear()
            self._listener.lost(reason)

    def _give_up(self, reason: str) -> None:
        """It is of no more use, whether it still runs or not."""
        self.close()
        self._lose(reason)

    # --- asyncio ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(_STDIN))
        self._pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == _STDERR:
            self._err(data)
        elif not self._is_lost:
            self._out(data)

    def pipe_connection_lost(self, fd: int, error: Exception | None) -> None:
        if fd == _STDOUT and self._exited.is_set():
            self._give_up(self._last_words())
        elif fd != _STDERR and self._ending is None:
            self._soon("it has closed its output" if fd == _STDOUT else "it has closed its input")

    def process_exited(self) -> None:
        """What it has written may still be on its way; but a child of its own may keep the pipe open."""
        self._exited.set()
        self._soon("")

    def _soon(self, reason: str) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(_EXIT_FOLLOWS, lambda: self._give_up(self._last_words() if self._exited.is_set() else reason))

    def _last_words(self) -> str:
        return f"it has exited with status {self._transport.get_returncode()}"

    def _out(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        at = 0
        while (end := buffer.find(b"\n", max(at, self._searched))) >= 0:
            line = bytes(buffer[at:end]).strip()
            at = end + 1
            if line:
                self._listener.heard(line)
            if self._is_lost:
                return
        del buffer[:at]
        self._searched = len(buffer)
        if len(buffer) > MAX_MESSAGE:
            buffer.clear()
            self._give_up(f"it wrote a line of more than {MAX_MESSAGE} bytes")

    def _err(self, data: bytes) -> None:
        said = self._said
        said += data
        *lines, rest = said.split(b"\n")
        if len(rest) > MAX_LOG_LINE:
            lines.append(rest)
            rest = bytearray()
        self._said = bytearray(rest)
        for line in lines:
            if line.strip() and (left_out := self._says.now()) is not None:
                text = line[:MAX_LOG_LINE].decode("utf-8", "replace").rstrip()
                self._report("upstream_stderr", text=text, left_out=left_out)


def environment_of(command: Command) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, **{name: value.reveal() for name, value in command.environment.items()}}


def program_of(command: Command, environment: dict[str, str]) -> str | None:
    """Where the program is that would be started, if it is anywhere."""
    program = command.arguments[0]
    if Path(program).name != program:
        program = str(Path(command.working_directory) / program)
    return shutil.which(program, path=environment.get("PATH"))


def _launcher() -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()))
