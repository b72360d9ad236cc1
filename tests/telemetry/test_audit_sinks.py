"""The trail in a file and at a collector: the same events, after the store has them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.security.vectors import vector
from tests.support.house import open_door
from vestibule.model import AuditEvent, AuditHead, AuditLink
from vestibule.protocol.audit_chain import BEGINNING, chain
from vestibule.protocol.audit_form import line
from vestibule.telemetry.audit_file import AuditFile
from vestibule.telemetry.audit_otlp import OtlpAudit
from vestibule.telemetry.audit_words import ArgumentRule, argument_facts, cleaned
from vestibule.telemetry.redact import MASK
from vestibule.testing.records import an_audit_event


def links(count: int, **changes: Any) -> list[AuditLink]:
    return chain([an_audit_event(**changes) for _ in range(count)], AuditHead("default", 0, "", ""))


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, name: str, **facts: Any) -> None:
        self.lines.append((name, facts))


async def test_the_file_has_a_line_for_each_event_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = AuditFile(path, Log())
    await sink.write(links(2))
    await sink.write(links(1))
    await sink.close()
    assert path.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    assert [one["sequence"] for one in lines] == [1, 2, 1]
    assert all(len(one["hash"]) == len(BEGINNING) for one in lines)


async def test_a_file_that_was_renamed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = AuditFile(path, Log())
    await sink.write(links(1))
    path.rename(tmp_path / "audit.jsonl.1")
    await sink.write(links(2))
    path.unlink()
    await sink.write(links(3))
    await sink.close()
    assert len((tmp_path / "audit.jsonl.1").read_text().splitlines()) == 1
    assert len(path.read_text().splitlines()) == 3


async def test_a_file_that_cannot_be_written_is_told_of_once_a_minute(tmp_path: Path) -> None:
    log, now = Log(), [0.0]
    sink = AuditFile(tmp_path / "no" / "audit.jsonl", log, clock=lambda: now[0])
    for moment in (0.0, 1.0, 59.0, 61.0):
        now[0] = moment
        await sink.write(links(2))
    assert [(name, facts["missed"]) for name, facts in log.lines] == [
        ("audit_file_failed", 2),
        ("audit_file_failed", 8),
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
async def test_neither_a_device_nor_a_link_is_a_file(tmp_path: Path) -> None:
    log = Log()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    await AuditFile(Path("/dev/full"), log).write(links(1))
    await AuditFile(tmp_path / "link", log).write(links(1))
    assert len(log.lines) == 2
    assert not (tmp_path / "elsewhere").exists()


@pytest.fixture
async def collector() -> AsyncIterator[tuple[str, list[tuple[str, bytes]]]]:
    """What takes OTLP over HTTP: the heads and bodies of what was posted."""
    taken: list[tuple[str, bytes]] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        taken.append((head.decode(), await reader.readexactly(int(length.split(b":")[1]))))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/logs", taken
    server.close()


async def test_a_collector_gets_log_records_with_what_the_event_says(
    collector: tuple[str, list[tuple[str, bytes]]],
) -> None:
    url, taken = collector
    sink = OtlpAudit(url, {"X-Key": "k1"}, timeout=5, version="1")
    written = links(3, outcome="denied", tool="delete_ticket", facts={"scope": "mcp"})
    await sink.write(written)
    await sink.close()
    head = "".join(head for head, _ in taken)
    assert "POST /v1/logs" in head
    assert "x-key: k1" in head.lower()
    request = ExportLogsServiceRequest()
    request.ParseFromString(taken[0][1])
    (scope,) = request.resource_logs[0].scope_logs
    assert len(scope.log_records) == 3
    record = scope.log_records[0]
    attributes = {one.key: one.value.string_value or one.value.int_value for one in record.attributes}
    event = written[0].event
    assert attributes["vestibule.audit.action"] == event.action
    assert attributes["enduser.id"] == event.actor
    assert attributes["vestibule.tool"] == "delete_ticket"
    assert attributes["vestibule.fact.scope"] == "mcp"
    assert attributes["vestibule.audit.hash"] == written[0].hash
    assert attributes["vestibule.audit.sequence"] == 1
    assert record.severity_text == "WARN"
    assert record.time_unix_nano == int(event.at.timestamp() * 1_000_000) * 1000


async def test_a_gateway_tells_its_collector_before_it_ends(
    collector: tuple[str, list[tuple[str, bytes]]], tmp_path: Path
) -> None:
    url, taken = collector
    async with open_door(tmp_path, "http://127.0.0.1:9/mcp", audit={"otlp": {"endpoint": url}}) as door:
        await door.register()
    assert b"client.register" in b"".join(body for _, body in taken)


RULES = (ArgumentRule("delete_*", ("id", "token", "why")), ArgumentRule("search", ("query",)))


@vector("LOG-001")
def test_of_a_tools_arguments_the_trail_tells_only_what_is_named(vector: str) -> None:
    arguments = {"id": 7, "token": "canary", "why": {"deep": ["vat_canary123456", "x" * 1000]}, "body": "private"}
    facts = argument_facts("delete_ticket", arguments, RULES)
    assert set(facts) == {"argument.id", "argument.token", "argument.why"}
    assert facts["argument.id"] == "7"
    assert facts["argument.token"] == MASK
    assert "canary" not in str(facts)
    assert all(len(value) <= 200 for value in facts.values())
    assert argument_facts("read_ticket", arguments, RULES) == {}
    assert argument_facts("DELETE_ticket", arguments, RULES) == {}


@vector("LOG-005")
@pytest.mark.parametrize("char", ["x", "\x00", "\U0001f600", '"'])
def test_no_event_is_longer_than_a_line_may_be(vector: str, char: str) -> None:
    words = dict.fromkeys(("actor", "client_id", "target", "reason", "tool", "tenant"), char * 1000000)
    event: AuditEvent = cleaned(an_audit_event(**words, facts={f"{n}": char * 100_000 for n in range(60)}))
    (link,) = chain([event], AuditHead(event.tenant, 10**15, BEGINNING, ""))
    assert len(line(link)) < 8192
