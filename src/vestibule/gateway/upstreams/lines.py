"""What an exchange and an upstream ask of each other, whatever carries their words.

A pool is one upstream; a line is one request's way there and its answer's way back. Everything behind a pool speaks
streamable HTTP as far as an exchange can tell: what is a child process or an HTTP+SSE server answers with a status, a
head and a body as well. Nothing here waits; whoever cannot be written to says so.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from vestibule.errors import Refusal
from vestibule.gateway.headers import Header
from vestibule.model import Principal, Upstream

if TYPE_CHECKING:
    from vestibule.gateway.request import ProxiedRequest


class Answered(Protocol):
    """Who waits for an answer. Called in this order: a head, data, the end; or `upstream_lost`
    (or `upstream_refused`) at any time, once.

    `upstream_flush` follows what came together. After `Line.abandon` nothing more is called.
    """

    def upstream_head(self, status: int, headers: list[Header], length: int | None) -> None:
        """`headers`: lower-case names. `length`: of the body in bytes, or None when only its end will tell."""

    def upstream_data(self, data: bytes) -> None: ...
    def upstream_flush(self) -> None: ...
    def upstream_end(self) -> None: ...
    def upstream_lost(self, reason: str) -> None:
        """There will be no (more of an) answer. `reason`: for the log."""

    def upstream_refused(self, refusal: Refusal) -> None:
        """There will be no answer, and this is what to say instead. In the place of `upstream_lost`."""

    def upstream_paused(self) -> None:
        """It takes no more of the body for now."""

    def upstream_resumed(self) -> None: ...


class Line(Protocol):
    """One request's way to an upstream. It belongs to one exchange until its answer has ended."""

    def send(self, request: "ProxiedRequest", injected: Sequence[Header], answered: Answered) -> None:
        """The head and what there is of the body; the answer is told to `answered`.

        `injected`: the header lines of our credential.
        """

    def write(self, data: bytes) -> None:
        """More of a body that was not whole when it was sent, as its framing has it."""

    def finish(self) -> None:
        """The request is out, to its last byte."""

    def pause(self) -> None:
        """Read no more of the answer until `resume`."""

    def resume(self) -> None: ...

    def abandon(self) -> None:
        """Nobody waits for this answer any more, and the upstream is told so."""

    def give_back(self) -> None:
        """It was taken, and nothing has been sent."""


class Pool(Protocol):
    """One upstream, and the lines to it."""

    @property
    def upstream(self) -> Upstream: ...

    @property
    def takes_whole_requests(self) -> bool:
        """Whether `send` wants a request whose body is whole, however long it is."""

    @property
    def size(self) -> int:
        """Connections, or processes, that are open."""

    def take(self, request: "ProxiedRequest") -> Line | None:
        """A line for this request's caller that is ready, or None: then `connect`."""

    async def connect(self, request: "ProxiedRequest") -> Line:
        """A new line. Raises OSError or TimeoutError; its text is for the log."""

    def tick(self, now: float) -> None:
        """About once a second, with the loop's time."""

    def revoke(self, unwelcome: Callable[[Principal], bool]) -> None:
        """What is kept for those principals from one request to the next ends."""

    def close(self) -> None:
        """End everything at once, or begin to."""

    async def wait_closed(self) -> None:
        """Returns when nothing is left. After `close`."""
