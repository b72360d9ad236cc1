"""GET /callback/{provider}: the person is back from the identity provider.

In order: the state is ours and unused, the provider is the one we sent them to, the browser is the one that approved;
only then is the provider's answer read.
"""

import hmac

from vestibule.authorization_server.approve import give, refusal
from vestibule.authorization_server.consent import VERIFIER_PURPOSE
from vestibule.authorization_server.refusals import outcome_of, tell_refusal
from vestibule.authorization_server.replies import Browser, Context, Redirect
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.errors import OAuthError, PageError
from vestibule.model import DEFAULT_TENANT, AuthorizationRequest, Identity, Outcome, Purpose, SignedIn, SignIn, digest
from vestibule.ports import SignInRequest
from vestibule.protocol.parameters import Parameters

_START_AGAIN = "Go back to the application and start again."


async def callback(
    provider_name: str, query: Parameters, browser: Browser, server: AuthorizationServer, context: Context
) -> Redirect:
    query.check_single()
    begun = _begun(provider_name, query, browser, server)
    request, sign_in = await tell_refusal(begun, server, context, "session.open")
    who: Identity | None = None
    try:
        signed_in = await _identify(query, request, sign_in, server)
        who = signed_in.identity
        return await _welcome(signed_in, request, browser, server, context)
    except OAuthError as error:
        await _record(request, who, server, context, outcome_of(error), reason=f"{error.error}: {error.detail}")
        return refusal(request, error, server)
    except PageError as error:
        reason = error.detail or error.message
        await _record(request, who, server, context, outcome_of(error), reason=reason)
        raise


async def _begun(
    provider_name: str, query: Parameters, browser: Browser, server: AuthorizationServer
) -> tuple[AuthorizationRequest, SignIn]:
    """The sign-in that this answer belongs to. Raises `PageError`."""
    request, sign_in = await _redeem_state(query, server)
    _check_provider(provider_name, sign_in, server)
    _check_browser(browser, sign_in)
    return request, sign_in


async def _redeem_state(query: Parameters, server: AuthorizationServer) -> tuple[AuthorizationRequest, SignIn]:
    state = query.get("state")
    if not state:
        raise PageError("This answer does not say which sign-in it belongs to.", action=_START_AGAIN)
    request = await server.store.requests.redeem_state(digest(state), now=server.clock())
    if request is None or request.sign_in is None:
        raise PageError("This sign-in has expired, or has been used already.", action=_START_AGAIN)
    return request, request.sign_in


def _check_provider(name: str, sign_in: SignIn, server: AuthorizationServer) -> None:
    # Mix-up (RFC 9700 §4.4): an answer that arrives at another provider's callback is not for it.
    if name != sign_in.provider or name not in server.providers:
        raise PageError("This answer came back at the address of another provider.", action=_START_AGAIN)


def _check_browser(browser: Browser, sign_in: SignIn) -> None:
    # CVE-2026-27124: somebody consents in their own browser and sends the provider's URL to a victim. The code for
    # the victim would go to the attacker's client. Only the browser that clicked may come back.
    if not browser.sign_in or not hmac.compare_digest(digest(browser.sign_in), sign_in.browser_digest):
        raise PageError(
            "This sign-in was begun in another browser.",
            action="If somebody sent you the link, close it: it would have let them in as you. Otherwise start again "
            "from the application, and let this site set cookies.",
        )


async def _identify(
    query: Parameters, request: AuthorizationRequest, sign_in: SignIn, server: AuthorizationServer
) -> SignedIn:
    state = query.get("state")
    verifier = server.sealer.open(VERIFIER_PURPOSE, sign_in.sealed_verifier, digest(state))
    if verifier is None:
        raise PageError("This sign-in was begun with a key that is not used any more.", action=_START_AGAIN)
    return await server.providers[sign_in.provider].finish(
        query.values,
        SignInRequest(
            state=state,
            nonce=sign_in.nonce,
            code_verifier=verifier.decode(),
            callback_url=f"{server.settings.issuer}/callback/{sign_in.provider}",
            max_age=request.max_age,
        ),
    )


async def _welcome(
    signed_in: SignedIn, request: AuthorizationRequest, browser: Browser, server: AuthorizationServer, context: Context
) -> Redirect:
    tenant, user = server.tenant_of(signed_in.identity), signed_in.identity.user
    await server.check_welcome(tenant, user)
    if request.purpose is not Purpose.ACCOUNT:
        server.check_client_serves(await server.clients.for_token(request.client_id), tenant)
    session, cookie = await server.open_session(signed_in, tenant, browser)
    await server.record(context, "session.open", "allowed", actor=user, client_id=request.client_id, tenant=tenant)
    if request.purpose is Purpose.CLIENT:
        await server.remember_consent(request, session, approved=True)
    if request.purpose is not Purpose.ACCOUNT:
        await server.record(
            context,
            "consent.approve",
            "allowed",
            actor=user,
            client_id=request.client_id,
            tenant=tenant,
            target=request.resource,
            facts={"scope": " ".join(request.scopes)},
        )
    redirect = await give(request, session, server, context)
    return Redirect(redirect.url, (cookie,))


async def _record(
    request: AuthorizationRequest,
    who: Identity | None,
    server: AuthorizationServer,
    context: Context,
    outcome: Outcome,
    *,
    reason: str,
) -> None:
    tenant = server.tenants.tenant_of(who) if who is not None else None
    await server.record(
        context,
        "session.open",
        outcome,
        actor=who.user if who is not None else "",
        client_id=request.client_id,
        tenant=tenant or DEFAULT_TENANT,
        target=request.resource,
        reason=reason,
    )
