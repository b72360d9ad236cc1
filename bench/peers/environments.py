"""A Python environment for each of the others, so that their dependencies are theirs. Made once, by uv."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.machine import Missing


def environment(cache: Path, name: str, requirements: Sequence[str], overrides: Sequence[str] = ()) -> Path:
    """The folder of its programs. Raises `Missing` with the end of what uv said."""
    folder = cache / name
    wanted = "\n".join([*requirements, "# overrides", *overrides])
    done = folder / "installed"
    if done.exists() and done.read_text() == wanted:
        return folder / "bin"
    print(f"  installing {', '.join(requirements)} …", file=sys.stderr, flush=True)
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise Missing("uv is not there to install it; run this by make bench")
    shutil.rmtree(folder, ignore_errors=True)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    _run([uv, "venv", "--quiet", "--python", python, str(folder)])
    over = folder / "overrides.txt"
    over.write_text("\n".join(overrides))
    _run(
        [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            str(folder / "bin/python"),
            "--overrides",
            str(over),
            *requirements,
        ]
    )
    done.write_text(wanted)
    return folder / "bin"


def _run(command: Sequence[str]) -> None:
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise Missing(f"it cannot be installed: {found.stderr.strip()[-300:]}")
