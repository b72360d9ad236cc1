"""POST /par: an authorization request that the client pushes itself (RFC 9126), and taking it up at /authorize.

It passes the same checks as at /authorize, with the client authenticated first; what the browser carries afterwards is
a reference that says nothing and works once. DPoP: a proof here binds the code to its key (RFC 9449 §10.1).
"""

import json
from dataclasses import replace
from datetime import timedelta

from vestibule.authorization_server.authenticate import Credentials, authenticate
from vestibule.authorization_server.refusals import tell_refusal
from vestibule.authorization_server.replies import Browser, Context, JsonReply
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.authorization_server.token import proven_key
from vestibule.errors import InvalidDpopProof, InvalidRequest, PageError
from vestibule.model import PushedRequest, Rate, digest
from vestibule.protocol.authorize import check_redirect_uri, check_request
from vestibule.protocol.caller import network_of
from vestibule.protocol.parameters import Parameters

URI_PREFIX = "urn:ietf:params:oauth:request_uri:"
PURPOSE = "pushed-request"

PUSHES = Rate(120, timedelta(minutes=1))  # of one network

_PARAMETERS = frozenset(
    "client_id response_type response_mode redirect_uri scope state code_challenge code_challenge_method prompt "
    "login_hint max_age dpop_jkt nonce request".split()
)


async def push(form: Parameters, credentials: Credentials, server: AuthorizationServer, context: Context) -> JsonReply:
    """RFC 9126 §2."""
    work = _push(form, credentials, server, context)
    return await tell_refusal(work, server, context, "request.push", client_id=form.get("client_id"))


async def _push(form: Parameters, credentials: Credentials, server: AuthorizationServer, context: Context) -> JsonReply:
    form.check_single()
    if form.has("request_uri"):
        raise InvalidRequest("A pushed request has no request_uri (RFC 9126 §2.1).")
    client = await authenticate(form, credentials, server, context, endpoint="/par", at_start=True)
    allowance = await server.throttle.take("pushed requests", network_of(context.address), PUSHES)
    thumbprint = await proven_key(credentials, server, endpoint="/par")
    form = _with_key(replace(form, values={**form.values, "client_id": client.client_id}), thumbprint)
    try:
        redirect_uri = check_redirect_uri(form, client)
    except PageError as error:
        raise InvalidRequest(error.message, action=error.action, detail=error.detail) from error
    check_request(form, client, redirect_uri, server.settings.resources, server.offered_scopes)
    reference, lifetime = server.token(), server.settings.lifetimes.pushed_request
    values = {name: value for name, value in form.values.items() if name in _PARAMETERS}
    plaintext = json.dumps({"values": values, "resources": form.resources}).encode("utf-8", "surrogatepass")
    await server.store.pushed_requests.add(
        PushedRequest(
            digest=digest(reference),
            client_id=client.client_id,
            sealed_parameters=server.sealer.seal(PURPOSE, plaintext, digest(reference)),
            expires_at=server.clock() + lifetime,
        )
    )
    await server.record(context, "request.push", "allowed", client_id=client.client_id, target=redirect_uri)
    body = {"request_uri": f"{URI_PREFIX}{reference}", "expires_in": int(lifetime.total_seconds())}
    return JsonReply(body, status=201, allowance=allowance)


def _with_key(form: Parameters, thumbprint: str) -> Parameters:
    if not thumbprint:
        return form
    if form.get("dpop_jkt") not in ("", thumbprint):
        raise InvalidDpopProof("The dpop_jkt is not the key of the DPoP proof.")
    return replace(form, values={**form.values, "dpop_jkt": thumbprint})


async def take_up(query: Parameters, browser: Browser, server: AuthorizationServer) -> Parameters:
    """What the client pushed, when the browser brings its reference; else the query as it came. Raises `PageError`."""
    uri = query.get("request_uri")
    if not uri.startswith(URI_PREFIX):
        return query
    if query.repeated & {"client_id", "request_uri"}:
        raise PageError("This link names its application or its request twice.", action="Start again from the app.")
    reference = digest(uri.removeprefix(URI_PREFIX))
    if browser.prefetches:  # it must not use the reference up for the person who clicks later
        raise PageError("This link is not fetched ahead.", action="Open it.", status=503, error="invalid_request_uri")
    pushed = await server.store.pushed_requests.take(reference, now=server.clock())
    opened = server.sealer.open(PURPOSE, pushed.sealed_parameters, reference) if pushed is not None else None
    if pushed is None or opened is None or pushed.client_id != query.get("client_id"):
        raise PageError(
            "This link has been used already, or has expired.",
            action="Go back to the application and start again.",
            error="invalid_request_uri",
        )
    parameters = json.loads(opened)
    return Parameters(parameters["values"], tuple(parameters["resources"]))
