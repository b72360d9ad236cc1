"""Our gateway, as `vestibule serve` starts it: SQLite, the development sign-in, and whatever a measurement configures.

Its tokens are sealed here with the gateway's own key ring, so that there can be a hundred thousand of them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.machine import Missing, Program, free_port
from bench.peers.stage import Running, Stage
from bench.peers.tokens import Issued, seal_tokens


def start(stage: Stage, *, keys: Mapping[str, Any] | None = None, scopes: Mapping[str, Any] | None = None) -> Running:
    """`keys` go into its configuration, `scopes` into its upstream's.

    Raises `Missing` where this version does not know what is asked of it.
    """
    port = free_port()
    folder = stage.folder / f"vestibule-{port}"
    folder.mkdir()
    document = _document(folder, stage, port, scopes or {}) | dict(keys or {})
    (folder / "vestibule.yaml").write_text(yaml.safe_dump(document))
    workers = _workers(stage.workers)
    seal = Issued(folder / "vestibule.keys", f"{stage.scheme}://127.0.0.1:{port}")
    token = seal_tokens(seal, 1)[0]  # which makes the key ring
    program = Program(
        [sys.executable, "-m", "vestibule", "serve", "--config", "vestibule.yaml", *workers],
        folder,
        cores=stage.cores,
    )
    try:
        program.wait_until_ready(port, "/readyz", scheme=stage.scheme)
    except Missing as missing:
        raise _why_not(folder, missing) from None
    return Running(port, program, token=token, tokens=lambda count: seal_tokens(seal, count))


def _document(folder: Path, stage: Stage, port: int, scopes: Mapping[str, Any]) -> dict[str, Any]:
    upstream = {"name": "main", "url": f"{stage.scheme}://127.0.0.1:{stage.upstream}/mcp"}
    document: dict[str, Any] = {
        "listen": f"127.0.0.1:{port}",
        "upstreams": [{**upstream, **({"scopes": dict(scopes)} if scopes else {})}],
        "store": f"sqlite:///{folder / 'vestibule.db'}",
        "keys": {"file": str(folder / "vestibule.keys")},
        "http": {"max_body": "16MiB"},
        "logging": {"level": "warning"},
    }
    if stage.tls is not None:
        document["public_url"] = f"https://127.0.0.1:{port}"
        document["tls"] = {"certificate": str(stage.tls.certificate), "key": str(stage.tls.key)}
        document["outbound"] = {"ca_file": str(stage.tls.authority)}
    return document


def _why_not(folder: Path, missing: Missing) -> Missing:
    """What `vestibule check` finds: a key that this version does not know is what cannot be measured yet."""
    done = subprocess.run(
        [sys.executable, "-m", "vestibule", "check", "--config", "vestibule.yaml", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.returncode or not done.stdout.startswith("{"):
        return missing
    keys = ", ".join(str(fault.get("key")) for fault in json.loads(done.stdout)["faults"])
    return Missing(f"not yet: this version does not take {keys}")


def _workers(count: int) -> Sequence[str]:
    if count == 1:
        return ()
    shown = subprocess.run(
        [sys.executable, "-m", "vestibule", "serve", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
    ).stdout
    if "--workers" not in shown:
        raise Missing("not yet: this version has no --workers")
    return ("--workers", str(count))
