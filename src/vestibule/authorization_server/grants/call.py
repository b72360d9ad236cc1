"""What every grant handler gets: a token request whose client, and key if it has one, are proven."""

from dataclasses import dataclass

from vestibule.authorization_server.replies import Context
from vestibule.model import Client
from vestibule.protocol.parameters import Parameters


@dataclass(frozen=True, slots=True)
class TokenCall:
    form: Parameters
    client: Client
    context: Context
    key_thumbprint: str = ""  # of the DPoP key that the request proved; empty: there was no proof
