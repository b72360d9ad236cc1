"""The application that the server knows: it leads each request of the control plane to the house of that moment."""

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vestibule.wiring.house import House


class Front:
    """An ASGI application. `house`: to whom requests are led from now on."""

    def __init__(self, house: "House") -> None:
        self.house = house
        self.is_leaving = False  # the server stops: connections close after their answer, and readiness says no
        self._in_use: Counter[House] = Counter()

    def is_in_use(self, house: "House") -> bool:
        return self._in_use[house] > 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        house = self.house
        self._in_use[house] += 1
        try:
            await house.app(scope, receive, self._last(scope, send) if self.is_leaving else send)
        finally:
            self._in_use[house] -= 1
            if not self._in_use[house]:
                del self._in_use[house]

    def _last(self, scope: Any, send: Any) -> Any:
        """What is sent is the last on its connection."""
        scope.setdefault("state", {})["is_leaving"] = True

        async def send_last(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        return send_last
