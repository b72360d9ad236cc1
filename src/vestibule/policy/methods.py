"""What the methods of MCP are to a policy: the use of something, or the machinery around it.

The machinery opens and keeps a connection, lists what there is and reports on work that was allowed when it began. A
rule about tools must not lock anybody out of it by accident, so it is left alone by every rule that does not name
its method. Everything else is a use of something, also a method that nobody here has heard of.
"""

from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["tools", "prompts", "resources"]

KINDS: dict[str, Kind] = {
    "tools/call": "tools",
    "prompts/get": "prompts",
    "resources/read": "resources",
    "resources/subscribe": "resources",
}

COMPLETION = "completion/complete"  # of a prompt's arguments, or of a template's: whoever may use that may ask

_MACHINERY = frozenset(
    [
        "",  # no request: a GET stream, the end of a session, an answer of the client's
        *"initialize ping server/discover logging/setLevel subscriptions/listen resources/unsubscribe".split(),
        *"tools/list prompts/list resources/list resources/templates/list".split(),
        *"tasks/get tasks/list tasks/result tasks/update tasks/cancel".split(),
    ]
)


def is_machinery(method: str) -> bool:
    return method in _MACHINERY or method.startswith("notifications/")
