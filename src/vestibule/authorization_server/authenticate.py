"""Which client asks, proven (RFC 6749 §2.3, RFC 7523 §2.2): none, a secret, or an assertion under the client's key.

Whoever guesses secrets is slowed down, by client and network: a guess that failed counts, an expired grant does not.
An assertion counts once, on all replicas.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vestibule.authorization_server.replies import Context
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.errors import FetchError, InvalidClient, TemporarilyUnavailable
from vestibule.model import Client, Rate
from vestibule.protocol.caller import network_of
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.token_request import PresentedClient, check_client, read_client_credentials

_GUESSES = "guesses of a client's credentials"
GUESSES = Rate(20, timedelta(minutes=1))  # of one client's secret or assertion, from one network


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request of a client carried beside its form."""

    authorization: str | None = None
    proofs: tuple[str, ...] = ()  # the values of its DPoP headers
    method: str = "POST"


async def authenticate(
    form: Parameters,
    credentials: Credentials,
    server: AuthorizationServer,
    context: Context,
    *,
    endpoint: str,
    at_start: bool = False,
) -> Client:
    """Raises `InvalidClient`, `TooManyRequests`. `endpoint`: its path; older clients name it as an audience.

    `at_start`: a flow begins here, so that a client named by a document is what the document says now.
    """
    presented = read_client_credentials(form, credentials.authorization)
    guesser = f"{presented.client_id[:2048]}\n{network_of(context.address)}"
    if presented.method != "none":
        # Counted before it is known to be wrong: many at once must not all be looked at.
        await server.throttle.take(_GUESSES, guesser, GUESSES)
    try:
        if at_start or presented.method == "private_key_jwt":
            found = await server.clients.for_start(presented.client_id, context.address, is_new=at_start)
        else:
            found = await server.clients.for_token(presented.client_id)
        client = check_client(presented, found)
        if presented.method == "private_key_jwt":
            await _check_assertion(presented, client, server, endpoint)
    except (FetchError, TemporarilyUnavailable):
        await server.throttle.forgive(_GUESSES, guesser, GUESSES)
        raise
    if presented.method != "none":
        await server.throttle.forgive(_GUESSES, guesser, GUESSES)
    return client


async def _check_assertion(
    presented: PresentedClient, client: Client, server: AuthorizationServer, endpoint: str
) -> None:
    from vestibule.protocol import jwt  # brings the JOSE library: 3 MB
    from vestibule.protocol.assertion import check_client_assertion

    issuer, now = server.settings.issuer, server.clock()
    algorithms = tuple(jwt.ASYMMETRIC_ALGORITHMS)
    try:
        try:
            keys = await server.client_keys.get(client)
            header, claims = jwt.verify(presented.assertion, keys, algorithms=algorithms)
        except jwt.UnknownKey:
            keys = await server.client_keys.get(client, fresh=True)
            header, claims = jwt.verify(presented.assertion, keys, algorithms=algorithms)
        checked = check_client_assertion(
            header,
            claims,
            client_id=client.client_id,
            audiences=(issuer, f"{issuer}{endpoint}", f"{issuer}/token"),
            now=now.timestamp(),
        )
    except jwt.JwtError as error:
        raise InvalidClient(
            "The client_assertion cannot be accepted.",
            action=f"It is signed with a registered key; iss and sub are the client_id, aud is {issuer}, exp is at "
            "most ten minutes ahead, and jti is new each time.",
            detail=f"{client.client_id[:200]!r}: {error}",
        ) from error
    except FetchError as error:
        raise TemporarilyUnavailable("The client's keys could not be fetched.", detail=error.detail) from error
    until = datetime.fromtimestamp(checked.expires_at, UTC) + timedelta(minutes=2)
    if not await server.store.one_time.use("client-assertion", checked.digest, expires_at=until, now=now):
        raise InvalidClient("The client_assertion has been used already.", action="Make one for each request.")
