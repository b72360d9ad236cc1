"""A browser's question whether a page may call: OPTIONS, answered at once.

It carries no token, asks nothing of an upstream and is told to nobody. What it is told, `cors` says.
"""

from vestibule.gateway.checks import check_method
from vestibule.gateway.cors import preflight_lines
from vestibule.gateway.exchange import Exchange
from vestibule.gateway.refusals import status_line

_ASKS_FOR = b"access-control-request-method"
_ASKS_TO_SEND = b"access-control-request-headers"


class Preflight(Exchange):
    __slots__ = ()

    def answer(self) -> None:
        """The head and the origin have been checked. Raises `MethodNotAllowed` for an OPTIONS that is no preflight."""
        asked = dict(self.request.headers)
        if self.origin is None or _ASKS_FOR not in asked:
            check_method(self.request.method, self.route.methods)
            return
        self.keep_alive = self.keep_alive and self.request.is_whole and not self.lane.is_closing_soon
        lines = [
            *preflight_lines(self.origin, self.route.methods, asked.get(_ASKS_TO_SEND, b"")),
            (b"x-request-id", self.request_id.encode()),
        ]
        if not self.keep_alive:
            lines.append((b"connection", b"close"))
        head = b"".join(b"%b: %b\r\n" % line for line in lines)
        self.lane.write(b"%b%b%b\r\n" % (status_line(204), self.lane.date_line(), head))
        self.end(answered=True)
