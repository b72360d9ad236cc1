"""The life of a command: started, fed, stopped, begun again; whatever it does, it does to itself."""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge import Answer, Bench, bench
from tests.support.house import open_door
from tests.support.stdio import LegacyClient, odd, odd_door, sign_in_as, text_of, tool
from vestibule.gateway.upstreams.backoff import Backoff

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc, or is about Linux")


def said(answer: Answer) -> Any:
    text = bytes(answer.body).split(b"data: ")[-1]
    return json.loads(json.loads(text)["result"]["content"][0]["text"])


async def gone(pid: int) -> None:
    """Until there is no such process, or it is only waiting to be counted."""
    async with asyncio.timeout(10):
        while True:
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                return
            if state == "Z":
                return
            await asyncio.sleep(0.02)


async def closed(made: Bench) -> None:
    made.pool.close()
    async with asyncio.timeout(10):
        await made.pool.wait_closed()
    assert made.pool.size == 0


async def test_what_fails_in_a_row_waits_twice_as_long_each_time() -> None:
    backoff, waits = Backoff(lambda: 0.0), []
    for _ in range(10):
        backoff.failed("a", lived=1.0, now=100.0)
        waits.append(backoff.wait("a", 100.0))
    assert waits == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert backoff.wait("b", 100.0) == 0.0
    assert backoff.wait("a", 130.0) == 0.0
    backoff.failed("a", lived=61.0, now=200.0)
    assert backoff.wait("a", 200.0) == 0.0


async def test_a_command_that_ends_at_once_is_not_started_for_ever() -> None:
    made = bench("--dies")
    reasons = [(await made.tool("echo")[0].wait()).lost for _ in range(6)]
    assert "status 4" in reasons[0]
    assert "started again in 0.5 s" in reasons[-1]
    assert len(made.told("upstream_started")) == 2
    made.tick(0.6)
    await made.tool("echo")[0].wait()
    assert len(made.told("upstream_started")) == 3
    await closed(made)


async def test_a_crash_answers_who_waits_and_the_next_request_starts_anew() -> None:
    made = bench()
    waiting, _ = made.tool("never")
    crashed, _ = made.tool("exit")
    for answer in (waiting, crashed):
        assert "status 3" in (await answer.wait()).lost
    assert said(await made.tool("echo")[0].wait())["pid"] > 0
    await closed(made)


async def test_a_crash_in_mid_stream_ends_it_with_an_error_for_its_request() -> None:
    made = bench()
    answer = await made.tool("fall")[0].wait()
    last = json.loads(bytes(answer.body).split(b"data: ")[-1])
    assert answer.status == 200
    assert (last["id"], last["error"]["code"]) == (1, -32603)
    assert last["error"]["data"] == {"error_code": "UPSTREAM_UNAVAILABLE"}
    await closed(made)


async def test_one_that_nobody_asks_is_stopped() -> None:
    made = bench(idle=timedelta(seconds=60))
    pid = said(await made.tool("echo")[0].wait())["pid"]
    waiting, line = made.tool("never")
    while not any(server.waiting for server in made.pool._fleet._servers):
        await asyncio.sleep(0.01)
    made.tick(61)
    assert not waiting.over.is_set()
    line.abandon()
    made.tick(59)
    assert made.pool.size == 1
    made.tick(2)
    await gone(pid)
    await closed(made)


@pytest.mark.parametrize("flags", [(), ("--deaf",)], ids=["polite", "deaf"])
async def test_it_ends_when_it_is_told_to_whether_it_listens_or_not(flags: tuple[str, ...]) -> None:
    made = bench(*flags)
    pid = said(await made.tool("echo")[0].wait())["pid"]
    await closed(made)
    await gone(pid)


@on_linux
async def test_what_it_has_started_ends_with_it() -> None:
    made = bench("--forks")
    pid = said(await made.tool("echo")[0].wait())["pid"]
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 1
    os.kill(pid, signal.SIGKILL)
    await gone(int(children[0]))
    await closed(made)


async def test_one_that_closes_its_output_is_ended() -> None:
    made = bench()
    pid = said(await made.tool("echo")[0].wait())["pid"]
    assert "closed its output" in (await made.tool("close")[0].wait()).lost
    await gone(pid)
    await closed(made)


@on_linux
async def test_a_line_without_end_ends_it_and_fills_no_memory() -> None:
    made = bench()
    await made.tool("echo")[0].wait()
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    assert "a line of more than" in (await made.tool("long_line")[0].wait()).lost
    assert _peak() - before < 64 * 1024
    await closed(made)


def _peak() -> int:
    """The most memory this process has had, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


async def test_a_flood_of_log_lines_is_read_and_mostly_dropped() -> None:
    made = bench()
    assert said(await made.tool("flood")[0].wait())["pid"] > 0
    lines = made.told("upstream_stderr")
    assert 0 < len(lines) <= 200
    assert all(len(line["text"]) <= 4096 for line in lines)
    await closed(made)


async def test_a_program_that_is_not_there_is_told_of_as_such() -> None:
    made = bench(words=("no-such-program-anywhere",))
    assert "no program" in (await made.tool("echo")[0].wait()).lost
    await closed(made)


async def test_not_more_run_than_the_configuration_allows(tmp_path: Path) -> None:
    async with odd_door(tmp_path, max_instances=1) as door:
        first, second = (await sign_in_as(door, "ada")).access_token, (await sign_in_as(door, "grace")).access_token
        assert (await tool(door, first, "echo")).status_code == 200
        refused = await tool(door, second, "echo")
        assert refused.status_code == 502
        assert refused.json()["error"]["data"]["error_code"] == "UPSTREAM_UNAVAILABLE"


async def test_one_that_was_left_alone_makes_room_for_somebody_else() -> None:
    made = bench(max_instances=2)
    first = said(await made.tool("echo", who="ada")[0].wait())["pid"]
    made.now += 20
    await made.tool("echo", who="grace")[0].wait()
    made.now += 20
    assert said(await made.tool("echo", who="alan")[0].wait())["pid"] > 0
    await gone(first)
    assert "max_instances" in (await made.tool("echo", who="ada")[0].wait()).lost
    await closed(made)


async def test_one_person_who_opens_and_ends_sessions_leaves_room_for_others(tmp_path: Path) -> None:
    """What is being stopped takes room as well, for as long as it does not listen."""
    async with odd_door(tmp_path, "--deaf", max_instances=12) as door:
        ada, grace = (await sign_in_as(door, "ada")).access_token, (await sign_in_as(door, "grace")).access_token
        refused = 0
        for _ in range(26):
            try:
                client = await LegacyClient(door, ada).open()
            except AssertionError:
                refused += 1
                continue
            await door.http.delete(door.mcp, headers=client.headers())
        assert refused > 0
        assert (await tool(door, grace, "echo")).status_code == 200


async def test_one_person_with_many_clients_leaves_room_for_others() -> None:
    """A client is registered for the asking, and what waits for an answer makes no room."""
    made = bench(max_instances=22)
    for number in range(24):
        made.tool("never", who=f"ada/{number}")
    refused, _ = made.tool("echo", who="ada/24")
    assert "of one person" in (await refused.wait()).lost
    assert said(await made.tool("echo", who="grace")[0].wait())["pid"] > 0
    await closed(made)


async def test_where_nobody_signs_in_a_slow_reader_holds_nobody_up() -> None:
    """All are one caller there, and have one server; but they are not one client."""
    made = bench()
    _, slow = made.tool("chatty", times=3000, size=1000)
    slow.pause()
    assert said(await made.tool("echo")[0].wait(20))["pid"] > 0
    await closed(made)


async def test_nothing_of_our_environment_but_what_programs_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VESTIBULE_CONFIG", "ROOT_SECRET", "DATABASE_URL", "PYTHONPATH", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary")
    (tmp_path / "secret").write_text("from-a-file")
    (tmp_path / "secret").chmod(0o600)
    environment = {"FROM_ENV": "env:THE_KEY", "FROM_FILE": f"file:{tmp_path}/secret", "PLAIN": "plain", "PORT": 7}
    upstream = odd("; $(id)", environment=environment, working_directory=str(tmp_path))
    async with open_door(tmp_path, "", environ={"THE_KEY": "from-the-environment"}, upstreams=[upstream]) as door:
        token = (await door.sign_in()).access_token
        where = text_of(await tool(door, token, "where"))
    found = where["environment"]
    assert "canary" not in json.dumps(where)
    assert (found["FROM_ENV"], found["FROM_FILE"]) == ("from-the-environment", "from-a-file")
    assert (found["PLAIN"], found["PORT"], found["PATH"]) == ("plain", "7", os.environ["PATH"])
    assert where["folder"] == str(tmp_path)
    assert where["words"][-1] == "; $(id)"


async def test_a_revoked_grant_ends_the_servers_of_its_person(tmp_path: Path) -> None:
    async with odd_door(tmp_path) as door:
        ada, grace = await sign_in_as(door, "ada"), await sign_in_as(door, "grace")
        client = await LegacyClient(door, ada.access_token).open()
        pids = [text_of(await tool(door, ada.access_token, "echo"))["pid"], text_of(await client.tool("echo"))["pid"]]
        other = text_of(await tool(door, grace.access_token, "echo"))["pid"]
        form = {"token": ada.refresh_token, "client_id": ada.flow.client["client_id"]}
        assert (await door.post("/revoke", form)).status_code == 200
        for pid in pids:
            await gone(pid)
        assert text_of(await tool(door, grace.access_token, "echo"))["pid"] == other


@on_linux
async def test_a_gateway_that_is_killed_leaves_no_child_behind() -> None:
    program = (
        "import asyncio, sys\n"
        "from tests.support.bridge import bench\n"
        "from tests.gateway.test_stdio_processes import said\n"
        "async def main():\n"
        "    made = bench('--deaf')\n"
        "    print(said(await made.tool('echo')[0].wait())['pid'], flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    await gone(pid)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
