"""What a head says that the same client says with every request: its host, its token, its era, what it accepts.

It is read once for a connection. A request whose lasting lines are those of the request before, to the byte, has been
read already; the lines that differ from one request to the next are read each time. What is remembered here is what
the bytes say, and no decision about who may come in.
"""

from collections.abc import Sequence

from vestibule.gateway.checks import check_single
from vestibule.gateway.headers import Header, fold, named_by_connection, passes_to_upstream
from vestibule.gateway.weight import AROUND_A_LINE
from vestibule.model import Era, Presented

SESSION = b"mcp-session-id"
CHANGING = frozenset(
    b"content-length transfer-encoding expect mcp-method mcp-name last-event-id traceparent tracestate baggage "
    b"dpop".split()
)


def weight_of(headers: Sequence[Header]) -> int:
    """Bytes of these lines."""
    return sum([len(name) + len(value) + AROUND_A_LINE for name, value in headers])


class Lasting:
    """Of one head."""

    __slots__ = (
        "_injected",
        "_is_single",
        "_passing",
        "ends_here",
        "era",
        "host",
        "hosts",
        "lines",
        "origin",
        "presented",
        "session",
        "size",
    )

    def __init__(self, lines: list[Header]) -> None:
        self.lines = lines
        self.size = weight_of(lines)
        single = dict(lines)
        self.host = single.get(b"host", b"")
        self.hosts = sum([name == b"host" for name, _ in lines])
        self.origin = single.get(b"origin")
        self._is_single = False
        version = single.get(b"mcp-protocol-version")
        self.era = Era.of(version.decode("latin-1") if version is not None else None)
        self.presented = Presented(
            single.get(b"authorization"), single.get(b"x-api-key"), single.get(b"x-token-provider")
        )
        self.session = single.get(SESSION)  # as the client calls it
        connection = [value for name, value in lines if name == b"connection"]
        self.ends_here = named_by_connection(connection) if connection else frozenset()
        self._passing = b""
        self._injected: Sequence[Header] | None = None

    def check_single(self) -> None:
        """Raises `BadRequest` when one that steers us or the upstream stands twice."""
        if not self._is_single:
            check_single(self.lines)
            self._is_single = True

    def passing(self, injected: Sequence[Header]) -> bytes:
        """Those that go on to the upstream, as they are written there, and our credential behind them.

        What a client sends under a name of our credential, however it spells it, does not pass.
        """
        if self._injected is not injected:
            self._passing = b"".join([b"%b: %b\r\n" % line for line in (*self.kept(self.lines, injected), *injected)])
            self._injected = injected
        return self._passing

    def kept(self, lines: Sequence[Header], injected: Sequence[Header]) -> list[Header]:
        """Of these lines, those that go on."""
        kept = [line for line in lines if line[0] != SESSION and passes_to_upstream(line[0])]
        if self.ends_here:
            ends = self.ends_here
            kept = [line for line in kept if line[0].startswith(b"mcp-") or fold(line[0]) not in ends]
        if injected:
            ours = {fold(name) for name, _ in injected}
            kept = [line for line in kept if fold(line[0]) not in ours]
        return kept


def apart(headers: Sequence[Header], known: Lasting | None = None) -> tuple[Lasting, list[Header]]:
    """Those that last, and those that change. `known`: what lasted before on this connection."""
    changing = [line for line in headers if line[0] in CHANGING]
    lasting = [line for line in headers if line[0] not in CHANGING]
    if known is not None and known.lines == lasting:
        return known, changing
    return Lasting(lasting), changing
