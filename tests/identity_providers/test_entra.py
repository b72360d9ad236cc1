"""Entra: only the people of the tenants that are named, known by tenant and object id, with or without a secret."""

import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.identity_providers.conftest import Desk, MakeDesk
from tests.outbound.certificates import Authority, client_certificate
from vestibule.errors import AccessDenied, IdentityProviderUnavailable, PageError, ProviderSignInNeeded
from vestibule.testing.entra import ALICE, TENANT_A, TENANT_B, ScriptedEntra, ScriptedManagedIdentity

TENANT_C = "cccccccc-3333-4333-8333-333333333333"
OVERAGE = {
    "_claim_names": {"groups": "src1"},
    "_claim_sources": {"src1": {"endpoint": f"https://graph.windows.net/{TENANT_A}/users/{ALICE}/getMemberObjects"}},
}


@pytest.fixture
async def entra(authority: Authority) -> AsyncIterator[ScriptedEntra]:
    tls: ssl.SSLContext = authority.server_context("127.0.0.1")
    async with ScriptedEntra(tls=tls) as running:
        yield running


def at(desk: MakeDesk, entra: ScriptedEntra, **keys: Any) -> Desk:
    if not {"client_certificate", "client_assertion"} & set(keys):
        keys["client_secret"] = entra.client_secret
    if "tenants" not in keys:
        keys.setdefault("tenant", TENANT_A)
    made = desk(kind="entra", authority=entra.origin, graph=entra.origin, **keys)
    entra.now = lambda: made.clock().timestamp()
    return made


async def test_one_tenant(desk: MakeDesk, entra: ScriptedEntra) -> None:
    work = at(desk, entra)
    identity = (await work.sign_in()).identity
    assert (identity.issuer, identity.subject) == (f"{entra.origin}/{TENANT_A}/v2.0", ALICE)
    assert (identity.name, identity.email) == ("Alice", "")
    entra.tenant = TENANT_B
    with pytest.raises(PageError) as refused:
        await work.sign_in()
    assert TENANT_B in refused.value.detail


async def test_several_tenants(desk: MakeDesk, entra: ScriptedEntra) -> None:
    work = at(desk, entra, tenants=[TENANT_A, TENANT_B.upper()])
    for tenant in (TENANT_A, TENANT_B):
        entra.tenant = tenant
        assert (await work.sign_in()).identity.issuer == f"{entra.origin}/{tenant}/v2.0"
    assert entra.asked("/oauth2/v2.0/authorize")[0].path.startswith("/organizations/")
    entra.tenant = TENANT_C
    with pytest.raises(PageError):
        await work.sign_in()


@pytest.mark.parametrize("tenants", [{"tenant": TENANT_A}, {"tenants": [TENANT_A, TENANT_B]}], ids=str)
async def test_v1_tokens_are_of_the_same_person(desk: MakeDesk, entra: ScriptedEntra, tenants: dict[str, Any]) -> None:
    work = at(desk, entra, **tenants)
    entra.version = "1.0"
    identity = (await work.sign_in()).identity
    assert (identity.issuer, identity.subject) == (f"{entra.origin}/{TENANT_A}/v2.0", ALICE)


@pytest.mark.parametrize(
    "claims",
    [
        {"tid": TENANT_B},
        {"tid": None},
        {"tid": [TENANT_A]},
        {"oid": None},
        {"oid": 7},
        {"iss": f"https://sts.windows.net/{TENANT_A}/"},  # of v1, in a v2 token
        {"ver": "1.0"},
        {"iss": "https://sts.windows.net/{tenantid}/", "ver": "1.0"},
    ],
    ids=str,
)
async def test_what_names_another_tenant_or_nobody(
    desk: MakeDesk, entra: ScriptedEntra, claims: dict[str, Any]
) -> None:
    work = at(desk, entra, tenants=[TENANT_A, TENANT_B])
    entra.claims = claims
    with pytest.raises(PageError):
        await work.sign_in()


async def test_a_key_of_another_issuer_signs_nothing(desk: MakeDesk, entra: ScriptedEntra) -> None:
    work = at(desk, entra, tenants=[TENANT_A, TENANT_B])
    entra.key_issuer = f"{entra.origin}/{TENANT_B}/v2.0"
    with pytest.raises(PageError) as refused:
        await work.sign_in()
    assert "key" in refused.value.detail


@pytest.mark.parametrize(("owned", "email"), [(True, "a@example.com"), (1, "a@example.com"), ("1", ""), (None, "")])
async def test_an_address_counts_when_its_domain_is_the_tenants(
    desk: MakeDesk, entra: ScriptedEntra, owned: Any, email: str
) -> None:
    work = at(desk, entra)
    entra.claims = {"email": "a@example.com", "email_verified": True, "xms_edov": owned}
    assert (await work.sign_in()).identity.email == email


# --- who we are -------------------------------------------------------------------------------------------------------


async def test_a_certificate(desk: MakeDesk, entra: ScriptedEntra, tmp_path: Path) -> None:
    pem, thumbprint, jwk = client_certificate()
    file = tmp_path / "entra.pem"
    file.write_text(pem)
    file.chmod(0o600)
    entra.client_keys = {"keys": [jwk]}
    entra.certificates.add(thumbprint)
    work = at(desk, entra, client_certificate=f"file:{file}")
    tokens = (await work.sign_in()).tokens
    assert tokens is not None
    await work.provider.refresh(tokens)
    assert all("client_secret" not in request.form for request in entra.asked("/token"))
    entra.certificates.clear()
    with pytest.raises(IdentityProviderUnavailable) as failed:
        await work.provider.refresh(tokens)
    assert "AADSTS700027" in failed.value.detail
    assert "upload it" in failed.value.detail


async def test_a_managed_identity_and_no_secret(desk: MakeDesk, entra: ScriptedEntra) -> None:
    async with ScriptedManagedIdentity() as machine:
        machine.client_id = "the-user-assigned-one"
        entra.federated.append(machine.credential())
        work = at(
            desk,
            entra,
            client_assertion="managed-identity",
            managed_identity={"client_id": "the-user-assigned-one"},
            environ={"AZURE_POD_IDENTITY_AUTHORITY_HOST": machine.origin},
        )
        machine.now = entra.now
        for _ in range(2):
            await work.sign_in()
        assert len(machine.received) == 1  # kept
        assert machine.received[0].query["resource"] == "api://AzureADTokenExchange"
        work.clock.advance(timedelta(hours=2))
        await work.sign_in()
        assert len(machine.received) == 2
        entra.federated[0]["subject"] = "somebody else"
        with pytest.raises(PageError) as refused:
            await work.sign_in()
        assert "AADSTS70021" in refused.value.detail


async def test_a_managed_identity_of_app_service(desk: MakeDesk, entra: ScriptedEntra) -> None:
    async with ScriptedManagedIdentity(header="header-of-the-app-service") as machine:
        entra.federated.append(machine.credential())
        environ = {"IDENTITY_ENDPOINT": f"{machine.origin}/msi/token", "IDENTITY_HEADER": "header-of-the-app-service"}
        work = at(desk, entra, client_assertion="managed-identity", environ=environ)
        machine.now = entra.now
        await work.sign_in()


async def test_a_machine_without_identity_is_told_to_the_operator(desk: MakeDesk, entra: ScriptedEntra) -> None:
    async with ScriptedManagedIdentity() as machine:
        machine.client_id = "another"
        environ = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": machine.origin}
        work = at(desk, entra, client_assertion="managed-identity", environ=environ)
        with pytest.raises(IdentityProviderUnavailable) as failed:
            await work.sign_in()
        assert "Identity not found" in failed.value.detail


async def test_workload_identity_of_kubernetes(desk: MakeDesk, entra: ScriptedEntra, tmp_path: Path) -> None:
    cluster = ScriptedManagedIdentity(subject="system:serviceaccount:mcp:vestibule")
    entra.federated.append(cluster.credential())
    file = tmp_path / "azure-identity-token"
    environ = {"AZURE_FEDERATED_TOKEN_FILE": str(file), "AZURE_TENANT_ID": TENANT_A, "AZURE_CLIENT_ID": "ignored"}
    work = at(desk, entra, client_assertion="workload-identity", environ=environ)
    for number in range(2):
        work.clock.advance(3600)
        now = work.clock().timestamp()
        claims = {"iss": cluster.issuer, "sub": cluster.subject, "aud": "api://AzureADTokenExchange", "exp": now + 60}
        file.write_text(cluster.signing.sign({**claims, "n": number}))
        await work.sign_in()


# --- roles ------------------------------------------------------------------------------------------------------------


async def test_app_roles_and_groups(desk: MakeDesk, entra: ScriptedEntra) -> None:
    work = at(desk, entra, roles={"from": ["roles", "groups"], "names": {"g-1": "admin"}})
    entra.claims = {"roles": ["Tickets.Write"], "groups": ["g-1", "g-2"]}
    assert (await work.sign_in()).identity.roles == {"Tickets.Write", "admin", "g-2"}
    assert entra.asked("/getMemberObjects") == []


@pytest.mark.parametrize("overage", [OVERAGE, {"hasgroups": True}, {"hasgroups": "true"}], ids=str)
async def test_too_many_groups_are_asked_of_graph(
    desk: MakeDesk, entra: ScriptedEntra, overage: dict[str, Any]
) -> None:
    work = at(desk, entra, roles={"from": ["groups"], "names": {"g-1": "admin"}})
    entra.claims = overage
    entra.groups = ["g-1", *(f"x-{number}" for number in range(300))]
    assert "admin" in (await work.sign_in()).identity.roles
    work = at(desk, entra, roles={"from": ["roles"]})
    await work.sign_in()
    assert len(entra.asked("/getMemberObjects")) == 1  # nobody asks where groups are no roles


async def test_groups_that_cannot_be_had_are_none(desk: MakeDesk, entra: ScriptedEntra) -> None:
    work = at(desk, entra, roles={"from": ["groups"]})
    entra.claims = OVERAGE
    entra.graph_status = 403
    assert (await work.sign_in()).identity.roles == frozenset()
    ((event, facts),) = work.log
    assert event == "groups_unknown"
    assert "403" in facts["reason"]


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "raised", "told"),
    [
        (50105, AccessDenied, "not assigned"),
        (65001, AccessDenied, "consented"),
        (53003, AccessDenied, "Conditional Access"),
        (7000215, PageError, "client secret is wrong"),
        (7000222, PageError, "expired"),
        (90033, IdentityProviderUnavailable, "AADSTS90033"),
        (424242, PageError, "AADSTS424242"),
    ],
)
async def test_errors_of_a_sign_in(
    desk: MakeDesk, entra: ScriptedEntra, number: int, raised: type[Exception], told: str
) -> None:
    work = at(desk, entra)
    entra.refuse = number
    with pytest.raises(raised) as refused:
        await work.sign_in()
    assert told in refused.value.detail  # type: ignore[attr-defined]
    assert "AADSTS" not in str(refused.value)


@pytest.mark.parametrize(
    ("number", "raised"),
    [
        (65001, ProviderSignInNeeded),
        (50076, ProviderSignInNeeded),
        (700082, ProviderSignInNeeded),
        (50173, ProviderSignInNeeded),
        (50105, ProviderSignInNeeded),
        (7000215, IdentityProviderUnavailable),
        (90033, IdentityProviderUnavailable),
    ],
)
async def test_errors_of_a_refresh(desk: MakeDesk, entra: ScriptedEntra, number: int, raised: type[Exception]) -> None:
    work = at(desk, entra)
    tokens = (await work.sign_in()).tokens
    assert tokens is not None
    entra.refuse = number
    with pytest.raises(raised) as refused:
        await work.provider.refresh(tokens)
    assert f"AADSTS{number}" in refused.value.detail  # type: ignore[attr-defined]
    entra.refuse = 0
    assert (await work.provider.refresh(tokens)).refresh_token != tokens.refresh_token


async def test_errors_at_the_callback(desk: MakeDesk, entra: ScriptedEntra) -> None:
    work = at(desk, entra)
    entra.redirect = {"error": "access_denied", "error_description": "AADSTS65004: User declined to consent"}
    with pytest.raises(AccessDenied) as refused:
        await work.sign_in()
    assert "declined" in refused.value.detail


async def test_one_prompt_goes_to_entra(desk: MakeDesk, entra: ScriptedEntra) -> None:
    work = at(desk, entra)
    await work.sign_in(prompt=frozenset({"login", "consent"}))
    assert work.asked["prompt"] == "login"
    await work.sign_in()
    assert "prompt" not in work.asked


async def test_nothing_foreign_is_sent_and_nothing_is_there_to_revoke(desk: MakeDesk, entra: ScriptedEntra) -> None:
    work = at(desk, entra)
    tokens = (await work.sign_in(login_hint="a@example.com")).tokens
    assert tokens is not None
    assert "offline_access" in tokens.scopes
    await work.provider.revoke(tokens)
    await work.provider.ping()
    assert all("resource" not in request.parameters for request in entra.received)
