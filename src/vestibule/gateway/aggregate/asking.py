"""A request to an aggregate, as far as it has been read, and how its words are put to the members."""

import msgspec

from vestibule.gateway.aggregate.members import Members, Wording, request_to
from vestibule.gateway.aggregate.out import Out
from vestibule.gateway.aggregate.revivals import Revivals
from vestibule.gateway.aggregate.seals import Seals
from vestibule.gateway.aggregate.sessions import MemberSession
from vestibule.gateway.request import ProxiedRequest
from vestibule.model import Era, Operation, Principal
from vestibule.protocol.aggregate_messages import Message, members_of

INVALID_PARAMS = -32602
NO_SUCH_METHOD = -32601
NO_SUCH_RESOURCE = -32002  # of the legacy eras


class Asking:
    """`sessions`: of a legacy session, by member; empty in the modern era and before the handshake."""

    def __init__(
        self,
        request: ProxiedRequest,
        message: Message,
        method: str,
        out: Out,
        *,
        members: Members,
        seals: Seals,
        revivals: Revivals,
        sessions: dict[str, MemberSession],
    ) -> None:
        self.request = request
        self.message = message
        self.method = method
        self.out = out
        self.members = members
        self.seals = seals
        self.revivals = revivals
        self.sessions = sessions

    @property
    def principal(self) -> Principal | None:
        return self.request.principal

    @property
    def is_modern(self) -> bool:
        return self.request.era is Era.MODERN

    @property
    def id(self) -> msgspec.Raw:
        return self.message.get("id", msgspec.Raw(b"null"))

    @property
    def params(self) -> Message:
        return members_of(self.message.get("params"))

    def words(self, member: str, name: str = "") -> Wording:
        """`name`: what the member calls what it is asked for."""
        if self.is_modern:
            version = next((value for key, value in self.request.headers if key == b"mcp-protocol-version"), None)
            return Wording(version, self.method, name)
        session = self.sessions.get(member)
        if session is None:
            return Wording(None, name=name)
        return Wording(session.version, name=name, session=session.session)

    def question(self, member: str, body: bytes, name: str = "") -> ProxiedRequest:
        return request_to(self.request, body, self.words(member, name))

    async def there(self, operation: Operation) -> list[str]:
        """The members that this caller may ask that; of a legacy session also those that come late to it."""
        found = self.members.open_to(self.principal, operation)
        if not self.is_modern:
            await self.revivals.bring_back(self, [one for one in found if one.name not in self.sessions])
            found = [one for one in found if one.name in self.sessions]
        return [one.name for one in found]

    async def refuse_method(self) -> None:
        await self.out.error(
            self.id, NO_SUCH_METHOD, f"Method not found: {self.method}", status=404 if self.is_modern else 200
        )

    async def refuse_params(self, text: str) -> None:
        await self.out.error(self.id, INVALID_PARAMS, text, status=400 if self.is_modern else 200)
