"""The data plane: MCP requests from clients to upstreams, byte for byte, at the level of the HTTP connection.

`lane` is the server's connection class: it sees a request's route when its head is complete, and hands everything that
is not MCP to the ASGI application. `lasting` is what a client says with every request. `admission` is a request on its
way in; `exchange` is what all of them have in common, `proxied` one that goes through, and `errand` one of our own;
`request` and `answer` are what is kept of each, and `framing` how a body ends. `upstreams` are the other side, however
it is spoken to. `headers` says what passes, `weight` how much, and `patience` how long we wait for it. `judge`
decides, where a decision hangs on what is asked for, and tells the trail; `listing` leaves out what a caller may not
call. `forward_auth` answers a proxy that relays calls itself; `vouching` tells it who the caller is. `cors` and
`preflight` are for pages; `sse_clients` are clients of the transport before; `aggregate` is several upstreams as one.
`routes` is what is served where. `gateway` holds them together and watches the clock for all of them.
"""

from vestibule.gateway.forward_auth import ForwardAuth
from vestibule.gateway.gateway import Gateway
from vestibule.gateway.judge import Judge
from vestibule.gateway.limits import GatewayLimits
from vestibule.gateway.vouching import Vouching

__all__ = ["ForwardAuth", "Gateway", "GatewayLimits", "Judge", "Vouching"]
