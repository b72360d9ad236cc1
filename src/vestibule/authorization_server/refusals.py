"""What was refused is in the trail, before the answer says so: who asked, for what, and why not.

A stranger must not fill the disk with refusals: of each network so many a minute are told, and the log has the rest.
"""

from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from vestibule.authorization_server.replies import Context
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.errors import AuthorizationPending, OAuthError, PageError, SignInFirst, SlowDown, UseDpopNonce
from vestibule.model import Outcome, Rate
from vestibule.protocol.caller import network_of

REFUSALS_RECORDED = Rate(60, timedelta(minutes=1))  # of one network
_NOTHING_HAPPENED = (AuthorizationPending, SlowDown, UseDpopNonce, SignInFirst)  # a step of the protocol, no refusal

Answer = TypeVar("Answer")


async def tell_refusal(
    work: Awaitable[Answer], server: AuthorizationServer, context: Context, action: str, *, client_id: str = ""
) -> Answer:
    """What `work` returns; what it raises is recorded as this action's refusal, and raised on.

    `client_id`: the client that the request named; nothing has proven it where the refusal is that it did not.
    """
    try:
        return await work
    except _NOTHING_HAPPENED:
        raise
    except (OAuthError, PageError) as error:
        if await server.throttle.allows("refusals in the trail", network_of(context.address), REFUSALS_RECORDED):
            reason = f"{error.error}: {error.detail or error.message}"
            await server.record(context, action, outcome_of(error), client_id=client_id, reason=reason)
        raise


def outcome_of(error: OAuthError | PageError) -> Outcome:
    """denied: we would not. failed: we could not."""
    return "failed" if error.status >= 500 else "denied"
