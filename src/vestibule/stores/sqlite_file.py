"""The file of an SQLite store: ours alone, or not opened at all.

SQLite gives its -wal and -shm files the mode of the database file, so that one mode protects all three. The file is
made here, before SQLite could make it with the umask's idea of a mode. It is never opened here once it exists: closing
any descriptor of a file drops the locks that SQLite holds on it in this process (sqlite.org/howtocorrupt.html §2.2).
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from vestibule.errors import StartError


def prepare_file(path: Path) -> None:
    """Make the file with mode 0600, durably, or check the one that is there. Raises `StartError`."""
    try:
        if not os.path.lexists(path):
            _create(path)
        for part in (path, _beside(path, "-wal"), _beside(path, "-shm")):
            with suppress(FileNotFoundError):
                _check_private(part, os.lstat(part))
    except OSError as error:
        raise StartError(
            f"The store {path} cannot be opened: {error.strerror}.",
            action="Name a file in a folder that this user may write to.",
        ) from error


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):  # another process was faster
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        if os.name == "posix":
            os.fchmod(descriptor, 0o600)  # whatever the umask is
        os.close(descriptor)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _check_private(path: Path, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise StartError(f"The store {path} is a symbolic link.", action="Name the file itself.")
    if not stat.S_ISREG(status.st_mode):
        raise StartError(f"The store {path} is not a file.", action="Name a regular file.")
    if os.name != "posix":  # the modes say nothing there; the folder's access list does
        return
    if status.st_uid != os.geteuid():
        raise StartError(
            f"The store {path} belongs to another user (uid {status.st_uid}).",
            action=f"Run Vestibule as that user, or make uid {os.geteuid()} its owner.",
        )
    if status.st_mode & 0o077:
        raise StartError(
            f"The store {path} may be read or written by other users (mode {stat.S_IMODE(status.st_mode):04o}).",
            action=f"Run: chmod 600 {path}",
        )
