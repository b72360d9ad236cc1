"""How things end: a grant, all of a client, all of a person. Here at once, everywhere within seconds.

The order is always the same: the store first, so that it survives us; then this replica's own memory; then what can
wait, the identity provider's tokens that nobody needs any more.
"""

from collections.abc import Iterable
from dataclasses import replace

from vestibule.authorization_server.replies import Context
from vestibule.authorization_server.server import CLOCK_MARGIN, AuthorizationServer
from vestibule.model import DEFAULT_TENANT, Block, BlockKind, Grant, Revocation, RevocationKind, TenantId


async def revoke_grant(
    grant_id: str, server: AuthorizationServer, context: Context, *, reason: str, tenant: TenantId | None = None
) -> bool:
    """End a grant and all that hangs on it. Whether this call did it.

    `tenant`: who asks may end this tenant's only; another's is as unknown as one that never was.
    """
    now = server.clock()
    end = now + server.settings.longest_access_token + CLOCK_MARGIN
    grant = await server.store.grants.get(grant_id)
    if tenant is not None and (grant is None or grant.tenant != tenant):
        return False
    revoked = await server.store.grants.revoke(grant_id, now=now, tokens_expire_at=end)
    server.announce(Revocation(RevocationKind.GRANT, grant_id, now, end))
    if revoked:
        whose = grant.tenant if grant is not None else DEFAULT_TENANT
        await server.record(
            context, "grant.revoke", "allowed", actor=context.actor, tenant=whose, target=grant_id, reason=reason
        )
    if grant is not None:
        await _drop_tokens([grant], server)
    return revoked


async def revoke_client(client_id: str, server: AuthorizationServer, context: Context, *, reason: str) -> int:
    """End everything that this client ever got, and its registration. How many grants that were."""
    revocation = _now(RevocationKind.CLIENT, client_id, server)
    await server.store.clients.remove(client_id)
    await server.store.consents.forget_client(client_id)
    ended = await server.store.grants.revoke_all(revocation)
    _announce_all(revocation, ended, server)
    for tenant in sorted({grant.tenant for grant in ended}) or [DEFAULT_TENANT]:  # each reads its own trail
        await server.record(
            context,
            "client.revoke",
            "allowed",
            actor=context.actor,
            client_id=client_id,
            tenant=tenant,
            target=client_id,
            reason=reason,
        )
    await _drop_tokens(ended, server)
    return len(ended)


async def revoke_user(
    tenant: TenantId, user: str, server: AuthorizationServer, context: Context, *, reason: str
) -> int:
    """End everything that was ever given in this person's name, and their sessions. How many grants that were."""
    revocation = _now(RevocationKind.USER, user, server, tenant)
    # The sessions first: a grant that is being made meanwhile is ended here, or sees that its session has gone.
    await server.store.sessions.remove_of(tenant, user)
    ended = await server.store.grants.revoke_all(revocation)
    _announce_all(revocation, ended, server)
    await server.record(
        context, "user.revoke", "allowed", tenant=tenant, actor=context.actor, target=user, reason=reason
    )
    await _drop_tokens(ended, server)
    return len(ended)


async def block_user(tenant: TenantId, user: str, server: AuthorizationServer, context: Context, *, reason: str) -> int:
    """Revoke, and let nobody in by this name any more. The block first: nothing slips in between."""
    block = Block(BlockKind.USER, user, tenant, blocked_at=server.clock(), reason=reason)
    await server.store.blocks.add(block)
    await server.record(
        context, "user.block", "allowed", tenant=tenant, actor=context.actor, target=user, reason=reason
    )
    return await revoke_user(tenant, user, server, context, reason=reason)


async def unblock_user(tenant: TenantId, user: str, server: AuthorizationServer, context: Context) -> bool:
    """Let this person sign in again. What was ended stays ended."""
    found = await server.store.blocks.remove(BlockKind.USER, tenant, user)
    if found:
        await server.record(context, "user.unblock", "allowed", tenant=tenant, actor=context.actor, target=user)
    return found


def _now(kind: RevocationKind, value: str, server: AuthorizationServer, tenant: TenantId | None = None) -> Revocation:
    now = server.clock()
    end = now + server.settings.longest_access_token + CLOCK_MARGIN
    revocation = Revocation(kind, value, now, end)
    return revocation if tenant is None else Revocation(kind, value, now, end, tenant)


def _announce_all(revocation: Revocation, ended: Iterable[Grant], server: AuthorizationServer) -> None:
    for grant in ended:
        server.announce(replace(revocation, kind=RevocationKind.GRANT, value=grant.grant_id, tenant=grant.tenant))
    server.announce(revocation)


async def _drop_tokens(ended: Iterable[Grant], server: AuthorizationServer) -> None:
    for tokens_id in {grant.tokens_id for grant in ended if grant.tokens_id}:
        await server.provider_tokens.drop(tokens_id)
