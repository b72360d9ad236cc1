"""Secrets by reference: `env:NAME` and `file:/path`.

A file with a secret is the owner's alone: a link or a mode that lets others read is refused, not repaired, because
somebody may have read it already. What is raised here names the place and never the value.
"""

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from vestibule.config.values import FromEnvironment, wrong
from vestibule.model import Secret

MAX_BYTES = 64 * 1024


class SecretReader:
    """Resolves references against an environment that is passed in."""

    def __init__(self, environ: Mapping[str, str], *, literals: bool) -> None:
        """`literals`: whether a secret may stand in the configuration file itself."""
        self._environ = environ
        self._literals = literals

    def __call__(self, reference: str) -> Secret:
        kind, _, name = reference.partition(":")
        if kind == "env":
            return self._from_variable(name)
        if kind == "file":
            return Secret(read_secret_file(Path(name)))
        if not self._literals and not isinstance(reference, FromEnvironment):
            raise wrong(
                "the secret itself stands in the file, which is allowed only for a public_url on loopback",
                "move it into a variable and write env:NAME, or into a file and write file:/path",
            )
        return Secret(str(reference))

    def _from_variable(self, name: str) -> Secret:
        if name not in self._environ:
            raise wrong("the environment variable it names is not set", f"set {name[:100]}, or name another")
        if not self._environ[name].strip():
            raise wrong("the environment variable it names is empty", f"give {name[:100]} a value")
        return Secret(self._environ[name])


def read_secret_file(path: Path) -> str:
    """What a secret's file holds, without one newline at its end."""
    # O_NOFOLLOW: nobody exchanges the file for a link between looking and opening. O_NONBLOCK: a pipe would hang.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP or path.is_symlink():
            raise wrong("the secret's file is a symbolic link", "name the file itself") from None
        raise wrong(f"the secret's file cannot be read ({error.strerror})", "check the path and its owner") from None
    try:
        check_private(path, os.fstat(descriptor))
        content = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise wrong("the secret's file is larger than any secret", "check the path")
    try:
        text = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise wrong("the secret's file is not text", "write the secret into it as text") from None
    if not text.strip():
        raise wrong("the secret's file is empty", "write the secret into it")
    return text


def check_private(path: Path, status: os.stat_result) -> None:
    """Raise unless it is a regular file that only its owner may read."""
    if not stat.S_ISREG(status.st_mode):
        raise wrong("the secret's file is not a regular file", "name a regular file")
    if os.name == "posix" and status.st_mode & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise wrong(f"other users may read the secret's file (mode {mode})", f"run: chmod 600 {path}")
