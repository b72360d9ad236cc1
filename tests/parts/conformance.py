"""The MCP conformance suite: server scenarios against a URL, authorization-server scenarios against an issuer."""

import asyncio
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.parts.node import FOLDER, MODULES, node

SUITE = MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"

Checks = Mapping[str, Mapping[tuple[str, str], int]]
"""Scenario → (check, status) → how often."""


@dataclass(frozen=True)
class Report:
    checks: Checks
    output: str
    exit_code: int

    def counted(self) -> Checks:
        """The checks that a revision requires: all but those of its extensions.

        Scenarios that the suite still calls pending, or that came after the release, count like the others.
        """
        extensions = re.findall(r"^\s+[✓✗] (\S+) \(extension\)$", self.output, re.MULTILINE)
        return {scenario: checks for scenario, checks in self.checks.items() if scenario not in extensions}

    def failed(self) -> dict[str, list[str]]:
        """Scenario → those of its counted checks that are worse than passed."""
        return {
            scenario: names
            for scenario, checks in self.counted().items()
            if (names := [name for name, status in checks if status not in ("SUCCESS", "INFO")])
        }

    def without_checks(self) -> list[str]:
        """Counted scenarios that proved nothing: no check of theirs passed or failed."""
        return [
            scenario
            for scenario, checks in self.counted().items()
            if not any(status in ("SUCCESS", "FAILURE") for _, status in checks)
        ]

    def passed(self) -> int:
        return sum(
            count for checks in self.counted().values() for (_, status), count in checks.items() if status == "SUCCESS"
        )


async def run_server_scenarios(url: str, *, requirements: str, token: str | None = None) -> Report:
    """All scenarios of a revision's requirements. `token` goes into every request to the URL's origin."""
    environ = dict(os.environ)
    if token is not None:
        parts = urlsplit(url)
        environ |= {
            "NODE_OPTIONS": f"--import {FOLDER / 'inject-bearer.mjs'}",
            "TEST_BEARER": token,
            "TEST_BEARER_ORIGIN": f"{parts.scheme}://{parts.netloc}",
        }
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["server", "--url", url, "--requirements", requirements, "-o", folder]
        process = await asyncio.create_subprocess_exec(
            node(),
            str(SUITE),
            *arguments,
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return Report(_read_checks(Path(folder)), output.decode(), process.returncode or 0)


async def run_authorization_scenarios(
    issuer: str, *, client_id: str, port: int, resource: str, browser: Callable[[str], Awaitable[str]]
) -> Report:
    """`browser` is given the authorization URL that the suite prints, and returns the URL that comes back."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--url", issuer, "--client-id", client_id, "-p", str(port), "--resource", resource, "-o", folder]
        process = await asyncio.create_subprocess_exec(
            node(),
            str(SUITE),
            "authorization",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        output = b""
        asked = False
        while line := await process.stdout.readline():
            output += line
            found = re.search(rb"https?://\S*/authorize\?\S+", line)
            if found is not None and not asked:
                asked = True
                await browser(found[0].decode())
        await process.wait()
        return Report(_read_checks(Path(folder)), output.decode(), process.returncode or 0)


def _read_checks(folder: Path) -> dict[str, dict[tuple[str, str], int]]:
    found: dict[str, dict[tuple[str, str], int]] = {}
    for file in sorted(folder.rglob("checks.json")):
        scenario = re.sub(r"-\d{4}-\d\d-\d\dT.*", "", file.parent.name).removeprefix("server-")
        checks: list[dict[str, Any]] = json.loads(file.read_text())
        found[scenario] = dict(Counter((check["id"], check["status"]) for check in checks))
    return found
