"""Tenants, and that nothing is begun in the name of one that is closed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from vestibule.errors import TenantClosed
from vestibule.model import ApiKey, Revocation, RevocationKind, Tenant, TenantState, digest
from vestibule.ports import Store
from vestibule.testing.records import (
    NOW,
    a_block,
    a_consent,
    a_consent_key,
    a_grant,
    a_session,
    fresh,
    some_kept_tokens,
)
from vestibule.testing.store_contract.support import CALLERS, ROUNDS, SECOND, STRANGE, StoreOpener, winners


def a_tenant(**changes: Any) -> Tenant:
    return Tenant(
        **{
            "tenant": fresh("tenant"),
            "state": TenantState.ACTIVE,
            "created_at": NOW,
            "changed_at": NOW,
            "title": "Acme",
            **changes,
        }
    )


def the_end_of(tenant: str) -> Revocation:
    return Revocation(RevocationKind.TENANT, tenant, NOW, NOW + timedelta(minutes=11), tenant)


def _key_of(tenant: str) -> ApiKey:
    return ApiKey(fresh("key"), digest(fresh("secret")), tenant, "robot", (), NOW)


def _beginnings(store: Store, tenant: str) -> Sequence[Callable[[], Awaitable[Any]]]:
    """Everything that is begun in a tenant's name."""
    return (
        lambda: store.grants.add(a_grant(tenant=tenant)),
        lambda: store.sessions.add(a_session(tenant=tenant)),
        lambda: store.consents.remember(a_consent(a_consent_key(tenant=tenant))),
        lambda: store.kept_tokens.add(some_kept_tokens(tenant=tenant)),
        lambda: store.api_keys.add(_key_of(tenant)),
    )


async def _is_refused(beginning: Awaitable[Any]) -> bool:
    try:
        await beginning
    except TenantClosed:
        return True
    return False


class TenantContract:
    async def test_a_tenant_is_found_as_it_was_added_and_its_name_is_taken(self, open_store: StoreOpener) -> None:
        store = await open_store()
        for tenant in (a_tenant(), a_tenant(tenant=fresh(STRANGE), title=STRANGE, state=TenantState.SUSPENDED)):
            assert await store.tenants.add(tenant) is True
            assert await store.tenants.add(a_tenant(tenant=tenant.tenant, title="another")) is False
            assert await store.tenants.get(tenant.tenant) == tenant
            assert tenant in await store.tenants.list_all()
        assert await store.tenants.get(fresh("nobody")) is None

    async def test_of_many_who_make_the_same_tenant_one_does(self, open_store: StoreOpener) -> None:
        one, other, name = await open_store(), await open_store(), fresh("tenant")
        adding = [s.tenants.add(a_tenant(tenant=name)) for s in [one, other] * (CALLERS // 2)]
        assert await winners(adding) == [True]

    async def test_a_change_happens_once_and_is_announced_with_it(self, open_store: StoreOpener) -> None:
        one, other, tenant = await open_store(), await open_store(), a_tenant()
        await one.tenants.add(tenant)
        later = NOW + SECOND
        changing = [
            s.tenants.change(tenant.tenant, TenantState.SUSPENDED, now=later, revocation=the_end_of(tenant.tenant))
            for s in [one, other] * (CALLERS // 2)
        ]
        assert await winners(changing) == [True]
        changed = await other.tenants.get(tenant.tenant)
        assert changed == a_tenant(tenant=tenant.tenant, state=TenantState.SUSPENDED, changed_at=later)
        news, _ = await other.revocations.news(0, now=NOW)
        assert the_end_of(tenant.tenant) in news

    async def test_a_deleted_tenant_stays_deleted(self, open_store: StoreOpener) -> None:
        store, tenant = await open_store(), a_tenant()
        await store.tenants.add(tenant)
        assert await store.tenants.change(tenant.tenant, TenantState.DELETED, now=NOW)
        for state in TenantState:
            assert await store.tenants.change(tenant.tenant, state, now=NOW) is False
        assert await store.tenants.add(a_tenant(tenant=tenant.tenant)) is False
        assert await store.tenants.change(fresh("nobody"), TenantState.SUSPENDED, now=NOW) is False

    async def test_nothing_is_begun_in_the_name_of_a_closed_tenant(self, open_store: StoreOpener) -> None:
        store, tenant, other = await open_store(), a_tenant(), a_tenant()
        await store.tenants.add(tenant)
        await store.tenants.add(other)
        for state in (TenantState.SUSPENDED, TenantState.DELETED):
            await store.tenants.change(tenant.tenant, state, now=NOW)
            for begin in _beginnings(store, tenant.tenant):
                assert await _is_refused(begin()) is True
            for open_one in (other.tenant, fresh("without a row")):
                for begin in _beginnings(store, open_one):
                    assert await _is_refused(begin()) is False

    async def test_a_suspended_tenant_keeps_what_it_has_and_goes_on(self, open_store: StoreOpener) -> None:
        store, tenant = await open_store(), a_tenant()
        await store.tenants.add(tenant)
        grant = a_grant(tenant=tenant.tenant)
        await store.grants.add(grant)
        await store.tenants.change(tenant.tenant, TenantState.SUSPENDED, now=NOW)
        await store.tenants.change(tenant.tenant, TenantState.ACTIVE, now=NOW)
        assert await store.grants.list_live(tenant=tenant.tenant) == [await store.grants.get(grant.grant_id)]
        assert await _is_refused(store.grants.add(a_grant(tenant=tenant.tenant))) is False

    async def test_nothing_lives_that_was_being_added_while_its_tenant_was_deleted(
        self, open_store: StoreOpener
    ) -> None:
        one, other = await open_store(), await open_store()
        for _ in range(ROUNDS):
            tenant = fresh("tenant")  # some have a row before, some get one now
            adding = [asyncio.create_task(_is_refused(s.grants.add(a_grant(tenant=tenant)))) for s in [one, other] * 4]
            await asyncio.sleep(0)
            await other.tenants.add(a_tenant(tenant=tenant))
            await other.tenants.change(tenant, TenantState.DELETED, now=NOW, revocation=the_end_of(tenant))
            ended = await other.grants.revoke_all(the_end_of(tenant))
            refused = await asyncio.gather(*adding)
            assert len(ended) + sum(refused) == len(adding)
            assert await one.grants.list_live(tenant=tenant) == []

    async def test_what_a_deleted_tenant_had_is_erased_and_nobody_elses(self, open_store: StoreOpener) -> None:
        store, tenant, other = await open_store(), a_tenant(), a_tenant()
        kept = {}
        for one in (tenant, other):
            await store.tenants.add(one)
            session, consent = a_session(tenant=one.tenant), a_consent(a_consent_key(tenant=one.tenant))
            block, tokens, key = a_block(tenant=one.tenant), some_kept_tokens(tenant=one.tenant), _key_of(one.tenant)
            await store.sessions.add(session)
            await store.consents.remember(consent)
            await store.blocks.add(block)
            await store.kept_tokens.add(tokens)
            await store.api_keys.add(key)
            kept[one.tenant] = (session, consent, block, tokens, key)
        await store.tenants.change(tenant.tenant, TenantState.DELETED, now=NOW)
        assert await store.tenants.erase(tenant.tenant) == [kept[tenant.tenant][3].tokens_id]
        for one, is_kept in ((tenant, False), (other, True)):
            session, consent, block, _, key = kept[one.tenant]
            found = (
                await store.sessions.get(session.digest, now=NOW),
                await store.consents.find(consent.key),
                await store.blocks.find(block.kind, block.tenant, block.value),
                await store.api_keys.find(key.digest),
            )
            assert [bool(thing) for thing in found] == [is_kept] * len(found)
        left = await store.tenants.get(tenant.tenant)
        assert left is not None
        assert (left.state, left.title) == (TenantState.DELETED, "")

    async def test_nothing_of_a_live_tenant_is_erased(self, open_store: StoreOpener) -> None:
        store, tenant, session = await open_store(), a_tenant(), a_session()
        await store.tenants.add(tenant)
        await store.sessions.add(session)
        for name in (tenant.tenant, session.tenant, fresh("nobody")):
            try:
                await store.tenants.erase(name)
            except ValueError:
                continue
            raise AssertionError("the store erased it")
        assert await store.sessions.get(session.digest, now=NOW) == session
