"""HTTP+SSE in the configuration: which servers speak it, and where its clients are served."""

import pytest

from tests.config.conftest import PUBLIC, STRONG, Faults, Load

SERVER = "upstreams: [{{name: a, url: 'http://127.0.0.1:3000{}'}}]\n"


@pytest.mark.parametrize(
    ("rest", "spoken"),
    [
        ("/mcp", "streamable-http"),
        ("/sse", "sse"),
        ("/base/sse/", "sse"),
        ("/assets", "streamable-http"),
        ("/sse/mcp", "streamable-http"),
        ("/sse', transport: 'streamable-http", "streamable-http"),
        ("/events', transport: 'sse", "sse"),
    ],
)
def test_the_path_tells_where_nobody_does(read: Load, rest: str, spoken: str) -> None:
    assert read(SERVER.format(rest)).upstreams[0].spoken == spoken


def test_a_command_does_not_speak_http(read: Load, faults: Faults) -> None:
    assert read("upstreams: [{name: a, command: [python]}]\n").upstreams[0].spoken == "stdio"
    assert "upstreams[0].transport" in faults("upstreams: [{name: a, command: [python], transport: sse}]\n")


@pytest.mark.parametrize(
    ("replicas", "said", "served"),
    [(1, "", True), (2, "", False), (2, "sse_clients: true\n", True), (1, "sse_clients: false\n", False)],
)
def test_old_clients_are_served_where_their_streams_are_found(
    read: Load, replicas: int, said: str, served: bool
) -> None:
    text = SERVER.format("/mcp") + PUBLIC + said
    if replicas > 1:
        text += f"replicas: {replicas}\nstore: env:STORE\nsecret_key: env:ROOT\n"
    configuration = read(text, {"STORE": "postgresql://u:p@h/d", "ROOT": STRONG})
    assert configuration.serves_sse_clients is served


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (SERVER.format("/mcp") + "workers: 2\nsse_clients: true\n", "sse_clients"),
        (SERVER.format("/sse") + "workers: 2\n", "workers"),
    ],
)
def test_several_workers_do_not_know_each_others_streams(faults: Faults, text: str, key: str) -> None:
    assert key in faults(text)


def test_several_workers_serve_no_old_clients(read: Load) -> None:
    assert not read(SERVER.format("/mcp") + "workers: 2\n").serves_sse_clients
