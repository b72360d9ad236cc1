"""The key ring's file: made at the first start, readable by its owner only, never half there.

    {"version": 1, "keys": [{"id": "5f0c21aa", "created_at": 1795234920, "state": "active", "secret": "…"}]}

It is written beside its place, synced, and linked into place: a link fails where a file is, so of two processes that
start at once one wins and both use what won. Whoever can read this file can open everything we sealed. So a file that
others can reach, a symbolic link and somebody else's file are refused, not repaired.
"""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec

from vestibule.errors import StartError
from vestibule.keys.ring import ROOT_BYTES, KeyRing, KeyState, RootKey
from vestibule.ports import Clock, Entropy

_VERSION = 1
_MAX_BYTES = 64 * 1024
_ELSEWHERE = "Name a file in a folder that this user may write to, or give a root secret in the configuration."


class _Key(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    created_at: int
    state: KeyState
    secret: Annotated[bytes, msgspec.Meta(min_length=ROOT_BYTES, max_length=ROOT_BYTES)]  # base64 in the file

    used_from: int = 0
    retired_at: int = 0

    def __repr__(self) -> str:
        return f"_Key({self.id})"


class _Ring(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    keys: list[_Key]


def load_or_create(path: Path, *, clock: Clock, entropy: Entropy) -> KeyRing:
    """The ring in `path`; a new one when there is none yet. Raises `StartError`."""
    try:
        if not os.path.lexists(path):
            _create(path, [RootKey(entropy(ROOT_BYTES), created_at=int(clock().timestamp()))], entropy)
        return KeyRing(_roots(path, _read_private(path)), entropy, now=clock().timestamp())
    except OSError as error:
        raise _unusable(path, error) from error
    except ValueError as error:
        raise _damaged(path, str(error)) from None


def read_roots(path: Path) -> Sequence[RootKey]:
    """What stands in the file. Raises `StartError`."""
    try:
        return _roots(path, _read_private(path))
    except OSError as error:
        raise _unusable(path, error) from error


def write_roots(path: Path, roots: Sequence[RootKey], *, expected: Sequence[RootKey], entropy: Entropy) -> None:
    """Put another ring in the file's place, whole or not at all. Raises `StartError`.

    `expected`: what was read before; if somebody has changed the file since, it stays as it is.
    """
    draft = path.with_name(f".{path.name}.{entropy(8).hex()}")
    try:
        _write_private(draft, _encode(roots))
        if list(read_roots(path)) != list(expected):
            raise StartError(f"The key ring {path} has been changed by somebody else meanwhile.", action="Try again.")
        draft.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _unusable(path, error) from error
    finally:
        draft.unlink(missing_ok=True)


def _unusable(path: Path, error: OSError) -> StartError:
    return StartError(f"The key ring {path} cannot be used: {error.strerror}.", action=_ELSEWHERE)


def _create(path: Path, roots: Sequence[RootKey], entropy: Entropy) -> None:
    """Write a new ring, durably; leave the one alone that another process made meanwhile."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{entropy(8).hex()}")
    try:
        _write_private(draft, _encode(roots))
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _encode(roots: Sequence[RootKey]) -> bytes:
    keys = [
        _Key(root.kid.hex(), root.created_at, root.state, root.secret, root.used_from, root.retired_at)
        for root in roots
    ]
    return msgspec.json.format(msgspec.json.encode(_Ring(_VERSION, keys)), indent=2) + b"\n"


def _roots(path: Path, text: bytes) -> Sequence[RootKey]:
    try:
        ring = msgspec.json.decode(text, type=_Ring)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # its text names places, never values
        raise _damaged(path, str(error)) from None
    if ring.version != _VERSION:
        raise StartError(
            f"The key ring {path} has version {ring.version}, which this program does not know.",
            action="Use the version of Vestibule that wrote it, or a newer one.",
        )
    roots = [RootKey(key.secret, key.created_at, key.state, key.used_from, key.retired_at) for key in ring.keys]
    if [root.kid.hex() for root in roots] != [key.id for key in ring.keys]:
        raise _damaged(path, "a key does not fit its id")
    if len({root.kid for root in roots}) != len(roots):
        raise _damaged(path, "a key stands in it twice")
    if not any(root.state == "active" for root in roots):
        raise _damaged(path, "no key of it is active")
    return roots


def _damaged(path: Path, reason: str) -> StartError:
    return StartError(
        f"The key ring {path} cannot be read: {reason}.",
        action="Restore it from a backup. Without it nothing that is sealed in the store can be opened.",
    )


def _read_private(path: Path) -> bytes:
    if path.is_symlink():
        raise StartError(f"The key ring {path} is a symbolic link.", action="Name the file itself.")
    # O_NOFOLLOW: the file may be exchanged between the look above and the opening. O_NONBLOCK: a pipe would hang.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    try:
        _check_private(path, os.fstat(descriptor))
        return os.read(descriptor, _MAX_BYTES)
    finally:
        os.close(descriptor)


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise StartError(f"The key ring {path} is not a file.", action="Name a regular file.")
    if os.name != "posix":  # the modes say nothing there; the folder's access list does
        return
    if status.st_uid != os.geteuid():
        raise StartError(
            f"The key ring {path} belongs to another user (uid {status.st_uid}).",
            action=f"Make the user that runs Vestibule (uid {os.geteuid()}) its owner.",
        )
    if status.st_mode & 0o077:
        raise StartError(
            f"The key ring {path} may be read or written by other users (mode {stat.S_IMODE(status.st_mode):04o}).",
            action=f"Run: chmod 600 {path} (and think about whether somebody has read it).",
        )


def _write_private(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if os.name == "posix":
            os.fchmod(descriptor, 0o600)  # whatever the umask is
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """A new name is durable when its folder is."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
