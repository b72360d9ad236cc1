"""The conformance suite before an aggregate, as far as its names go: what it calls test_… are one member's tools.

A member `test` has them without the prefix, and a member `json` the tool whose name begins so. The suite's resources
have URIs of their own, which no aggregate can give them: those scenarios are the ones left out.
"""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.aggregate.conftest import Together
from tests.parts.conformance import run_server_scenarios
from tests.parts.processes import free_port, running
from tests.support.house import open_door

pytestmark = pytest.mark.slow

BY_URI = {"resources-read-binary", "resources-read-text", "resources-templates-read"}
PASSED = {"2025-11-25": 78, "2026-07-28": 149}  # of 84 and 152 checks
LEFT_OUT = {
    "2025-11-25": {*BY_URI, "resources-subscribe", "resources-unsubscribe"},
    "2026-07-28": BY_URI,
}


@pytest.mark.parametrize("revision", LEFT_OUT)
async def test_the_suite_finds_no_fault_but_in_names(tmp_path: Path, revision: str) -> None:
    with ExitStack() as stack:
        upstreams = []
        for name in ("test", "json"):
            port = free_port()
            command = [sys.executable, "-m", "tests.parts.fixture_server", str(port), "strip", f"{name}_"]
            stack.enter_context(running(command, port=port, log=tmp_path / f"{name}.log"))
            upstreams.append({"name": name, "url": f"http://localhost:{port}/mcp"})
        async with open_door(tmp_path, "", upstreams=upstreams, aggregate={"enabled": True}) as door:
            token = (await Together(door).sign_in()).access_token
            url = f"{door.url}/all/mcp".replace("127.0.0.1", "localhost")
            report = await run_server_scenarios(url, requirements=revision, token=token)
    assert set(report.failed()) == LEFT_OUT[revision], report.output
    assert report.passed() == PASSED[revision]
