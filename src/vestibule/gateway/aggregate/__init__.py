"""Several MCP servers behind one address.

    AggregateExchange ─► AggregatePool ─► one member, or all of them at once, by errands

`pool` reads a request once and gives it away: `calls` is what one member answers, `listings` and `handshakes` what all
of them say together, `listening` and `pushing` their streams, which `merging` makes one of. `members` asks, `asking` is
what is asked, `out` the answer. `sessions` and `revivals` are the sessions of the legacy eras, `seals` what a client
keeps for us. How things are called is `protocol.aggregate_names`; how messages are rewritten, `aggregate_messages`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vestibule.errors import BadRequest
from vestibule.gateway.aggregate.exchange import AggregateExchange
from vestibule.gateway.aggregate.members import Member, Members
from vestibule.gateway.aggregate.pool import AggregatePool
from vestibule.gateway.aggregate.seals import Seals
from vestibule.model import Operation, Resource
from vestibule.protocol.aggregate_names import Prefixes, Separator
from vestibule.protocol.resource_uri import has_one_spelling

if TYPE_CHECKING:
    from vestibule.gateway.gateway import Gateway
    from vestibule.ports import Authenticator, Sealer

__all__ = ["add_aggregate"]


def add_aggregate(
    gateway: "Gateway",
    resource: Resource,
    members: Sequence[Resource],
    *,
    separator: Separator,
    deadline: float,
    sealer: "Sealer",
    authenticator: "Authenticator",
) -> None:
    """Serve `resource`, which stands for `members`: resources that the gateway serves. `deadline`: in seconds."""
    found = tuple(Member(member.upstream.name, gateway.routes[member.path.encode("ascii")]) for member in members)
    prefixes = Prefixes(frozenset(member.name for member in found), separator)
    together = Members(found, prefixes, deadline, gateway.report, gateway.request_id, gateway.count_absence)
    gateway.add(
        resource,
        AggregatePool(resource.upstream, together, Seals(sealer, authenticator, resource)),
        exchange=AggregateExchange,
        placing=_Placing(resource, together),
    )


class _Placing:
    """Whose business an operation is: decisions, the trail and limits go by the member, and by its own names."""

    def __init__(self, resource: Resource, members: Members) -> None:
        self._resource = resource
        self._members = members

    def __call__(self, operation: Operation) -> tuple[Resource, Operation]:
        """Raises `BadRequest` for a URI that its member could read in another way than a rule about it."""
        prefixes = self._members.prefixes
        named = prefixes.of_operation(operation)
        if named is None:
            return self._resource, operation
        if operation.method.startswith("resources/") and not has_one_spelling(named.name):
            raise BadRequest(
                "The URI of the resource has more than one spelling.",
                action="Send it in normal form (RFC 3986 §6.2.2), with the prefix of its server.",
            )
        member = self._members[named.member]
        return member.route.resource, Operation(operation.method, named.name, operation.arguments)
