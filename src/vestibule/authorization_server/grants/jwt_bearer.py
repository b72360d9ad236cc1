"""grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer (RFC 7523 §2.1): somebody else's word, taken as a grant.

An enterprise's identity provider says that this person may use this client here (ID-JAG: MCP enterprise-managed
authorization); then no person is asked, because their organisation has decided. Or the platform that runs a workload
says which one it is (MCP workload identity federation); then the workload is a client of the operator's file, and has
no secret at all. Neither gets a refresh token: who asks again shows a fresh assertion, and the issuer may say no.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from vestibule.authorization_server.assertion_issuers import AssertionIssuer
from vestibule.authorization_server.grants.call import TokenCall
from vestibule.authorization_server.grants.client_credentials import own_grant
from vestibule.authorization_server.issue import token_reply
from vestibule.authorization_server.replies import Context, JsonReply
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.authorization_server.token_limits import Admission
from vestibule.errors import (
    AccessDenied,
    InvalidDpopProof,
    InvalidGrant,
    InvalidTarget,
    TenantClosed,
    UnauthorizedClient,
)
from vestibule.model import Client, Grant, Identity, Resource, TenantId
from vestibule.protocol.claims import verified_email
from vestibule.protocol.claims_text import claim_text
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.registration import JWT_BEARER
from vestibule.protocol.resource import find_resource, is_same_resource
from vestibule.protocol.scope import grantable, narrowed, permitted, read_scope
from vestibule.protocol.token_request import require

WORKLOAD = "workload"
ENTERPRISE = "enterprise"


def is_of_workload(form: Parameters, server: AuthorizationServer) -> bool:
    """Whether the assertion claims to come from a platform: then there may be no client to authenticate."""
    from vestibule.protocol.jwt import JwtError, unverified_claims  # brings the JOSE library: 3 MB

    try:
        _, claims = unverified_claims(form.get("assertion"))
    except JwtError:
        return False
    issuer = server.assertion_issuers.find(claims.get("iss"))
    return issuer is not None and issuer.kind == WORKLOAD


async def redeem_assertion(call: TokenCall, server: AuthorizationServer) -> JsonReply:
    """An ID-JAG, presented by the confidential client that it was made for."""
    from vestibule.protocol.assertion import check_identity_assertion
    from vestibule.protocol.jwt import JwtError

    if not call.client.is_confidential:
        raise UnauthorizedClient("An identity assertion is taken from a confidential client only.")
    assertion = require(call.form, "assertion")
    issuer = _issuer_of(assertion, ENTERPRISE, server)
    if issuer.clients and call.client.client_id not in issuer.clients:
        raise UnauthorizedClient("This client may not present assertions of this issuer.")
    now = server.clock()
    try:
        header, claims = await server.assertion_issuers.verify(assertion, issuer)
        checked = check_identity_assertion(
            header,
            claims,
            issuer=issuer.issuer,
            audience=server.settings.issuer,
            client_id=call.client.client_id,
            now=now.timestamp(),
        )
    except JwtError as error:
        raise _not_acceptable(issuer, error) from error
    _check_key(claims, call.key_thumbprint)
    resource = _resource(call.form, claims, server)
    grant = _enterprise_grant(call, issuer, claims, resource, server)
    await _check_welcome(grant, call.client, server)
    await call.admit()
    until = datetime.fromtimestamp(checked.expires_at, UTC) + timedelta(minutes=2)
    if not await server.store.one_time.use("identity-assertion", checked.digest, expires_at=until, now=now):
        raise InvalidGrant("The assertion has been used already.", action="Ask the identity provider for a new one.")
    try:
        await server.store.grants.add(grant)
    except TenantClosed as error:
        raise InvalidGrant("Whoever this is about may not come in any more.", detail=error.detail) from error
    await server.store.clients.touch(call.client.client_id, now=now)
    await server.record(
        call.context,
        "assertion.redeem",
        "allowed",
        actor=grant.identity.user,
        client_id=call.client.client_id,
        tenant=grant.tenant,
        target=grant.grant_id,
        facts={"issuer": issuer.issuer, "scope": " ".join(grant.scopes)},
    )
    return token_reply(call, grant, grant.scopes, "", server)


def _enterprise_grant(
    call: TokenCall, issuer: AssertionIssuer, claims: Mapping[str, Any], resource: Resource, server: AuthorizationServer
) -> Grant:
    now = server.clock()
    identity = Identity(
        issuer.issuer,
        claims["sub"],
        issuer.name,
        name=claim_text(claims, "name"),
        email=verified_email(claims),
        claims=claims,
    )
    asserted = read_scope(claim_text(claims, "scope"))
    offered = grantable(asserted, server.offered_scopes(resource), resource.upstream.scopes)
    allowed = permitted(offered, identity.roles, server.settings.permissions)
    return Grant(
        grant_id=server.token(size=16),
        tenant=_tenant_of(identity, issuer, server),
        identity=identity,
        client_id=call.client.client_id,
        scopes=tuple(narrowed(read_scope(call.form.get("scope")), allowed)),
        resource=resource.identifier,
        created_at=now,
        expires_at=now + server.lifetimes_for(call.client).access_token,
    )


def _tenant_of(identity: Identity, issuer: AssertionIssuer, server: AuthorizationServer) -> TenantId:
    """Whose this person is: the issuer's, where it is one tenant's; else as for a sign-in."""
    try:
        return issuer.tenant or server.tenant_of(identity)
    except AccessDenied as error:
        raise InvalidGrant(error.message, action=error.action, detail=error.detail) from error


def _workload_grant(
    form: Parameters, client: Client, identity: Identity, issuer: AssertionIssuer, server: AuthorizationServer
) -> tuple[Grant, Sequence[str]]:
    if issuer.tenant and client.tenant not in ("", issuer.tenant):
        raise InvalidGrant("This workload is not known here.", detail=f"{client.client_id} is another tenant's")
    return own_grant(form, replace(client, tenant=client.tenant or issuer.tenant), identity, server)


def _resource(form: Parameters, claims: Mapping[str, Any], server: AuthorizationServer) -> Resource:
    """What the assertion is for; the form may repeat it, and say nothing else."""
    named = claims.get("resource")
    resources = [named] if isinstance(named, str) else named or []
    if not isinstance(resources, list) or not all(isinstance(one, str) for one in resources):
        raise InvalidGrant("The assertion's resource cannot be read.")
    wanted = form.resources or tuple(resources)
    if resources and not all(any(is_same_resource(one, other) for other in resources) for one in wanted):
        raise InvalidTarget("The assertion is for another resource.")
    return find_resource(wanted, server.settings.resources)


async def redeem_workload_token(
    form: Parameters, server: AuthorizationServer, context: Context, admission: Admission, *, key_thumbprint: str = ""
) -> JsonReply:
    """A workload shows what its platform says of it: that names the client."""
    from vestibule.protocol.assertion import check_workload_token
    from vestibule.protocol.jwt import JwtError

    assertion = require(form, "assertion")
    issuer = _issuer_of(assertion, WORKLOAD, server)
    audience = issuer.audience or server.settings.issuer
    now = server.clock().timestamp()
    try:
        header, claims = await server.assertion_issuers.verify(assertion, issuer)
        checked = check_workload_token(header, claims, issuer=issuer.issuer, audience=audience, now=now)
    except JwtError as error:
        raise _not_acceptable(issuer, error) from error
    found = next((one for one in issuer.workloads if one.fits(checked.subject)), None)
    client = await server.clients.for_token(found.client_id) if found is not None else None
    if client is None or JWT_BEARER not in client.grant_types:
        raise InvalidGrant(
            "This workload is not known here.",
            action="The operator names it, with its subject.",
            detail=f"{issuer.issuer}: {checked.subject[:200]!r}",
        )
    if form.has("client_id") and form.get("client_id") != client.client_id:
        raise InvalidGrant("The client_id is not the one of this workload.")
    if client.needs_dpop and not key_thumbprint:
        raise InvalidDpopProof("This client is registered for tokens that are bound to a key: send a DPoP proof.")
    _check_key(checked.claims, key_thumbprint)
    identity = Identity(issuer.issuer, checked.subject, issuer.name, name=client.name)
    grant, scopes = _workload_grant(form, client, identity, issuer, server)
    await _check_welcome(grant, client, server)
    call = TokenCall(form, client, context, admission, key_thumbprint)
    await call.admit()
    end = datetime.fromtimestamp(checked.expires_at, UTC)  # nothing outlives what it came from
    await server.record(
        context,
        "assertion.redeem",
        "allowed",
        actor=identity.user,
        client_id=client.client_id,
        tenant=grant.tenant,
        target=grant.resource,
        facts={"issuer": issuer.issuer, "scope": " ".join(scopes)},
    )
    return token_reply(call, replace(grant, expires_at=end), scopes, "", server)


def _check_key(claims: Mapping[str, Any], key_thumbprint: str) -> None:
    """RFC 7800 §3: an assertion that names its holder's key is good with a proof of that key, and with nothing else."""
    confirmation = claims.get("cnf")
    if confirmation is None:
        return
    thumbprint = confirmation.get("jkt") if isinstance(confirmation, dict) else None
    if not isinstance(thumbprint, str) or not key_thumbprint or thumbprint != key_thumbprint:
        raise InvalidGrant("The assertion is for the holder of a key.", action="Send a DPoP proof of that key.")


async def _check_welcome(grant: Grant, client: Client, server: AuthorizationServer) -> None:
    try:
        server.check_client_serves(client, grant.tenant)
        await server.check_welcome(grant.tenant, grant.identity.user)
    except AccessDenied as error:
        raise InvalidGrant("Whoever this is about may not come in any more.", detail=error.detail) from error


def _issuer_of(assertion: str, kind: str, server: AuthorizationServer) -> AssertionIssuer:
    from vestibule.protocol.assertion import MAX_ASSERTION
    from vestibule.protocol.jwt import JwtError, unverified_claims

    if len(assertion) > MAX_ASSERTION:
        raise InvalidGrant("The assertion is too long.")
    try:
        _, claims = unverified_claims(assertion)
    except JwtError as error:
        raise InvalidGrant("The assertion cannot be read.", detail=str(error)) from error
    issuer = server.assertion_issuers.find(claims.get("iss"))
    if issuer is None or issuer.kind != kind:
        raise InvalidGrant(
            "Assertions of this issuer are not taken here.",
            action="The operator names the issuers whose assertions are.",
            detail=f"iss {str(claims.get('iss'))[:200]!r}",
        )
    return issuer


def _not_acceptable(issuer: AssertionIssuer, error: Exception) -> InvalidGrant:
    return InvalidGrant(
        "The assertion cannot be accepted.", action="Ask its issuer for a new one.", detail=f"{issuer.issuer}: {error}"
    )
