"""Rules about HTTP+SSE: what is kept in one process is not found in another."""

from collections.abc import Iterator

from vestibule.config.models import Configuration
from vestibule.errors import Fault


def old_clients_reach_their_process(configuration: Configuration) -> Iterator[Fault]:
    if configuration.workers > 1 and configuration.sse_clients:
        yield Fault(
            "sse_clients",
            "the stream of an HTTP+SSE client is held by one worker, and its messages would reach any of them",
            "use one worker, or leave it out: then these clients are not served",
        )


def sessions_with_old_servers_stay_with_their_process(configuration: Configuration) -> Iterator[Fault]:
    old = [upstream.name for upstream in configuration.upstreams if upstream.spoken == "sse"]
    if configuration.workers > 1 and old:
        yield Fault(
            "workers",
            f"a session of {old[0]} is a stream of one worker (HTTP+SSE), and the others would not know it",
            "use one worker; a gateway of its own for such servers leaves the others as many as they like",
        )


SSE_RULES = (old_clients_reach_their_process, sessions_with_old_servers_stay_with_their_process)
