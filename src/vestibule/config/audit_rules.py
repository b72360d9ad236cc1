"""Rules about the audit trail: its file can be made, and a collector is not waited for all day."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from vestibule.config import defaults
from vestibule.config.models import Configuration
from vestibule.config.values import write_duration
from vestibule.errors import Fault


def audit_file_can_be_made(configuration: Configuration) -> Iterator[Fault]:
    if configuration.audit.file is None:
        return
    path = Path(configuration.audit.file)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        yield Fault("audit.file", "it is a symbolic link, a folder or a device", "name a file")
    elif path.exists() and os.name == "posix" and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o027:
        yield Fault("audit.file", f"other users may read or change it (mode {mode:04o})", f"run: chmod 600 {path}")
    elif not path.parent.is_dir():
        yield Fault("audit.file", f"there is no folder {path.parent}", "make it, for the user of this program alone")


def collector_answers_in_time(configuration: Configuration) -> Iterator[Fault]:
    otlp = configuration.audit.otlp
    if otlp is not None and not defaults.OTLP_BOUNDS[0] <= otlp.timeout <= defaults.OTLP_BOUNDS[1]:
        low, high = (write_duration(bound) for bound in defaults.OTLP_BOUNDS)
        yield Fault("audit.otlp.timeout", f"it is not between {low} and {high}", "use 10s")
