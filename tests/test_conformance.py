"""The conformance suite against the fixture server, directly and through the gateway: the same, check by check."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.parts.conformance import Report, run_authorization_scenarios, run_server_scenarios
from tests.parts.processes import free_port, running
from tests.support.house import Door, open_door

pytestmark = pytest.mark.slow

EXPECTED = {"2025-11-25": 84, "2026-07-28": 152}  # counted checks of the suite at its pinned version


@pytest.fixture(scope="module")
def fixture_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    log = tmp_path_factory.mktemp("fixture") / "log"
    with running([sys.executable, "-m", "tests.parts.fixture_server", str(port)], port=port, log=log):
        yield f"http://localhost:{port}/mcp"


@pytest.fixture
async def gateway(tmp_path: Path, fixture_url: str) -> AsyncIterator[Door]:
    async with open_door(tmp_path, fixture_url) as door:
        yield door


@pytest.mark.parametrize("revision", EXPECTED)
async def test_same_result_through_the_gateway_check_by_check(revision: str, gateway: Door, fixture_url: str) -> None:
    direct = await directly(fixture_url, revision)

    token = (await gateway.sign_in()).access_token
    localhost = gateway.mcp.replace("127.0.0.1", "localhost")
    through = await run_server_scenarios(localhost, requirements=revision, token=token)
    judge(through, revision)
    assert through.checks == direct.checks


@pytest.mark.parametrize("revision", EXPECTED)
async def test_same_result_where_every_request_is_judged(revision: str, tmp_path: Path, fixture_url: str) -> None:
    """Reading bodies and rewriting listings changes nothing for a caller who may do all of it."""
    scopes = {"default": ["mcp"], "tools": {"nobody_has_this_*": ["more"]}}
    upstreams = [{"name": "main", "url": fixture_url, "scopes": scopes, "hide_denied": True}]
    async with open_door(tmp_path, fixture_url, upstreams=upstreams) as door:
        token = (await door.sign_in()).access_token
        localhost = door.mcp.replace("127.0.0.1", "localhost")
        judge(await run_server_scenarios(localhost, requirements=revision, token=token), revision)


# What a server on a pipe has no way to do, scenario by scenario, and why. All other checks are the same, one by one.
NOT_ON_A_PIPE = {
    "2025-11-25": {
        "server-sse-polling": "the server closes an HTTP stream in mid-call, and the client takes it up again by "
        "Last-Event-ID (SEP-1699); a pipe has neither, and our own streams stay open until the answer",
        "server-sse-multiple-streams": "its three answers are documents, because nothing comes before them; the check "
        "of streams then only informs, and the one that several requests are answered at once passes",
    },
    "2026-07-28": {},
}


@pytest.mark.parametrize("revision", EXPECTED)
async def test_same_result_on_a_pipe_check_by_check(revision: str, tmp_path: Path, fixture_url: str) -> None:
    command = [sys.executable, "-m", "tests.parts.fixture_server", "--stdio"]
    upstream = {"name": "main", "command": command}
    direct = await directly(fixture_url, revision)
    async with open_door(tmp_path, "", upstreams=[upstream]) as door:
        token = (await door.sign_in()).access_token
        localhost = door.mcp.replace("127.0.0.1", "localhost")
        through = await run_server_scenarios(localhost, requirements=revision, token=token)
    differ = {name for name in direct.checks if through.checks.get(name) != direct.checks[name]}
    assert differ == set(NOT_ON_A_PIPE[revision]), through.output
    assert set(through.failed()) <= differ, through.output


_direct: dict[tuple[str, str], Report] = {}


async def directly(url: str, revision: str) -> Report:
    """The same server without anything before it: asked once, for all who compare."""
    if (url, revision) not in _direct:
        report = await run_server_scenarios(url, requirements=revision)
        judge(report, revision)
        _direct[url, revision] = report
    return _direct[url, revision]


def judge(report: Report, revision: str) -> None:
    assert report.failed() == {}, report.output
    assert report.without_checks() == [], report.output
    assert report.passed() == EXPECTED[revision], report.output


async def test_authorization_server_scenarios_all_pass(gateway: Door) -> None:
    port = free_port()
    client = await gateway.register(redirect_uris=[f"http://127.0.0.1:{port}/callback"])
    visitor = gateway.browser()

    async def browser(url: str) -> str:
        answer = await visitor.get(url)
        page = await visitor.get(answer.headers["location"])
        answer = await visitor.sign_in_at(await visitor.decide(page))
        await visitor.http.get(answer.headers["location"])
        return str(answer.headers["location"])

    report = await run_authorization_scenarios(
        gateway.url, client_id=client["client_id"], port=port, resource=gateway.mcp, browser=browser
    )
    assert report.exit_code == 0, report.output
    assert len(report.checks) == 2, report.output
    assert report.failed() == {}, report.output
    assert report.without_checks() == [], report.output
