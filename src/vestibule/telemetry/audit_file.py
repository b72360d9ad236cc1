"""The trail as a file of JSON lines, for whoever collects files: the same lines as `vestibule audit export` writes.

The store is the truth. A line is written after the store has its event; a file that cannot be written (a full disk) is
told of once a minute and nothing waits for it. What it missed is in the store.
"""

import asyncio
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

from vestibule.model import AuditLink
from vestibule.protocol.audit_form import line

TOLD_EVERY = 60.0  # seconds


class AuditFile:
    """Implements `AuditSink`. The file is appended to; when it has been renamed (logrotate), another one is made."""

    def __init__(self, path: Path, log: Callable[..., None], *, clock: Callable[[], float] = monotonic) -> None:
        self._path = path
        self._log = log
        self._clock = clock
        self._file: int | None = None
        self._is_cut = False  # the last line was written in part
        self._missed = 0
        self._told_at = float("-inf")

    async def write(self, links: Sequence[AuditLink]) -> None:
        text = "".join(f"{line(link)}\n" for link in links).encode("ascii")
        try:
            await asyncio.to_thread(self._append, text)
        except OSError as error:
            self._missed += len(links)
            if self._clock() - self._told_at >= TOLD_EVERY:
                self._told_at = self._clock()
                reason = error.strerror or type(error).__name__
                self._log("audit_file_failed", level="error", file=str(self._path), reason=reason, missed=self._missed)

    async def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _append(self, text: bytes) -> None:
        file = self._opened()
        text = b"\n" + text if self._is_cut else text
        written = 0
        try:
            while written < len(text):
                written += os.write(file, text[written:])
        finally:
            if written:
                self._is_cut = text[written - 1 : written] != b"\n"

    def _opened(self) -> int:
        if self._file is not None and not self._is_still_there(self._file):
            os.close(self._file)
            self._file, self._is_cut = None, False
        if self._file is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            file = os.open(self._path, flags, 0o600)
            if not stat.S_ISREG(os.fstat(file).st_mode):
                os.close(file)
                raise OSError(0, "it is not a file")
            self._file = file
        return self._file

    def _is_still_there(self, file: int) -> bool:
        try:
            there, ours = self._path.stat(), os.fstat(file)
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
