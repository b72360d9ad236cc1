"""The key ring's file: JSON, mode 0600, made at the first start.

It is made whole or not at all (a temporary file, fsync, link into place), so that two processes that start at once end
with one ring. A file that others may read, a symlink, or a file of another user is refused: then the keys are not a
secret any more.
"""

import base64
import json
import os
import stat
from contextlib import suppress
from pathlib import Path

from vestibule.errors import StartError
from vestibule.keys.ring import ROOT_BYTES, KeyRing, RootKey
from vestibule.ports import Clock, Entropy

_VERSION = 1


def load_or_create(path: Path, *, clock: Clock, entropy: Entropy) -> KeyRing:
    """The ring in `path`; a new one when there is none yet. Raises `StartError`."""
    if not path.exists() and not path.is_symlink():
        _create(path, RootKey(entropy(ROOT_BYTES), created_at=int(clock().timestamp())), entropy)
    return KeyRing(_read(path), entropy)


def _create(path: Path, key: RootKey, entropy: Entropy) -> None:
    document = {
        "version": _VERSION,
        "keys": [
            {"secret": base64.urlsafe_b64encode(key.secret).decode(), "created_at": key.created_at, "state": key.state}
        ],
    }
    temporary = path.with_name(f".{path.name}.{entropy(8).hex()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was faster: its ring is the ring
            os.link(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StartError(
            f"The key ring cannot be written to {path}: {error.strerror}.",
            action="Give a folder that this user may write to in keys.file, or the secret itself in secret_key.",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: Path) -> list[RootKey]:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        raise StartError(
            f"The key ring {path} cannot be opened: {error.strerror}.",
            action="It must be a regular file of this user, not a symbolic link.",
        ) from error
    with os.fdopen(descriptor, "r") as file:
        _check_mode(path, os.fstat(file.fileno()))
        try:
            document = json.load(file)
            if document["version"] != _VERSION:
                raise StartError(
                    f"The key ring {path} has version {document['version']}, which this program does not know.",
                    action="Use the version of Vestibule that wrote it, or a newer one.",
                )
            roots = [
                RootKey(base64.urlsafe_b64decode(entry["secret"]), int(entry["created_at"]), entry["state"])
                for entry in document["keys"]
            ]
            if not roots or any(len(root.secret) < ROOT_BYTES for root in roots):
                raise ValueError
        except (ValueError, KeyError, TypeError) as error:
            raise StartError(
                f"The key ring {path} cannot be read.",
                action="Restore it from a backup. Without it nothing that is sealed in the store can be opened.",
            ) from error
    return roots


def _check_mode(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode) or (os.name == "posix" and status.st_mode & 0o077):
        raise StartError(
            f"The key ring {path} may be read by other users of this computer.",
            action=f"Run: chmod 600 {path} (and think about whether somebody has read it).",
        )
    if hasattr(os, "geteuid") and status.st_uid not in (os.geteuid(), 0):
        raise StartError(
            f"The key ring {path} belongs to another user.", action="Make the user that runs Vestibule its owner."
        )


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
