"""What every grant handler gets: a token request whose client, and key if it has one, are proven."""

from dataclasses import dataclass

from vestibule.authorization_server.replies import Context
from vestibule.authorization_server.token_limits import Admission
from vestibule.model import Client
from vestibule.protocol.parameters import Parameters


@dataclass(frozen=True, slots=True)
class TokenCall:
    form: Parameters
    client: Client
    context: Context
    admission: Admission
    key_thumbprint: str = ""  # of the DPoP key that the request proved; empty: there was no proof

    async def admit(self) -> None:
        """Everything is proven, nothing is spent: count what will be given. Raises `TooManyRequests`."""
        await self.admission.take(self.client.client_id)
