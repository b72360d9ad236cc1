"""Whose somebody is, by the operator's rules; and whether their tenant is open."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from vestibule.config import load
from vestibule.errors import TenantDenied
from vestibule.model import Identity, Tenant, TenantState
from vestibule.policy import TenantGate, TenantRules
from vestibule.ports import TenantMap
from vestibule.protocol.email_domain import domain_of, plain_domain
from vestibule.stores import open_store
from vestibule.testing.clock import FrozenClock
from vestibule.wiring.tenants import make_tenant_map

ACME, GLOBEX = "11111111-2222-3333-4444-555555555555", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
RULES = TenantRules(
    by=("static", "claim", "email-domain"),
    people={"work:7": "umbrella"},
    claim="org.id",
    values={"o1": "acme", "o2": "globex"},
    domains={"corp.example": "initech"},
    providers=frozenset({"work"}),
    default="guests",
)


def person(subject: str = "1", provider: str = "work", email: str = "", *orgs: str) -> Identity:
    return Identity("https://id.example", subject, provider, email=email, claims={"org": {"id": list(orgs)}})


@pytest.mark.parametrize(
    ("who", "tenant"),
    [
        (person("7", "work", "a@corp.example", "o1"), "umbrella"),
        (person("7", "other"), "guests"),
        (person("1", "work", "a@corp.example", "o1"), "acme"),
        (person("1", "work", "a@corp.example", "o1", "o2"), None),
        (person("1", "work", "a@corp.example", "o1", "o1", "unknown"), "acme"),
        (person("1", "work", "a@corp.example"), "initech"),
        (person("1", "other", "a@corp.example", "o1"), "guests"),
        (person("1", "work", "a@elsewhere.example"), "guests"),
    ],
)
def test_the_first_rule_that_knows_decides_and_two_answers_are_none(who: Identity, tenant: str | None) -> None:
    assert RULES.tenant_of(who) == tenant


@pytest.mark.parametrize(
    ("who", "tenant", "keeps"),
    [
        (person("7"), "umbrella", True),
        (person("7"), "acme", False),
        (person("1"), "acme", True),  # a claim said so, and only the next sign-in tells
        (person("1"), "initech", False),
        (person("1", "work", "a@corp.example"), "initech", True),
        (person("1", "work", "a@corp.example"), "guests", False),
        (person("1"), "guests", True),
        (person("1"), "gone from the file", False),
    ],
)
def test_who_came_in_stays_as_far_as_can_be_told_without_claims(who: Identity, tenant: str, keeps: bool) -> None:
    assert RULES.keeps(who, tenant) is keeps


@pytest.fixture
def tenant_map(tmp_path: Path) -> Callable[..., TenantMap]:
    def make(**keys: Any) -> TenantMap:
        file = tmp_path / "vestibule.yaml"
        file.write_text(yaml.safe_dump({"upstreams": [{"name": "a", "url": "http://127.0.0.1:9/mcp"}], **keys}))
        return make_tenant_map(load(file=file, environ={"SECRET": "q3Xc8VbWm1tYd0Zr7Nf2"}))

    return make


def test_a_directory_of_entras_is_known_by_its_issuer_and_not_by_a_claim(tenant_map: Callable[..., TenantMap]) -> None:
    entra = {
        "kind": "entra",
        "name": "work",
        "tenants": [ACME, GLOBEX],
        "client_id": ACME,
        "client_secret": "env:SECRET",
    }
    rules = tenant_map(identity_providers=[entra], tenants={"entra": {ACME.upper(): "acme", GLOBEX: "globex"}})

    def of(issuer: str, **claims: str) -> str | None:
        return rules.tenant_of(Identity(issuer, "oid", "work", claims=claims))

    assert of(f"https://login.microsoftonline.com/{ACME}/v2.0", tid=GLOBEX) == "acme"
    assert of(f"https://sts.windows.net/{GLOBEX}/") == "globex"
    assert of(f"https://evil.example/{ACME}/v2.0", tid=ACME) is None
    assert of("https://login.microsoftonline.com/99999999-2222-3333-4444-555555555555/v2.0") is None


def test_the_contracts_own_example_asks_for_force(tenant_map: Callable[..., TenantMap]) -> None:
    tenants = {
        "by": "email-domain",
        "domains": {"mycompany.com": "company", "gmail.com": "personal"},
        "default": "deny",
    }
    rules = tenant_map(tenants={**tenants, "public_domains": True})
    found = [rules.tenant_of(person(email=one)) for one in ("a@MyCompany.com", "a@gmail.com", "a@evil.com", "")]
    assert found == ["company", "personal", None, None]


def test_without_the_section_everybody_is_in_one(tenant_map: Callable[..., TenantMap]) -> None:
    rules = tenant_map()
    assert rules.tenant_of(person()) == "default"
    assert [rules.keeps(person(), tenant) for tenant in ("default", "acme")] == [True, False]


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("a@corp.example", "corp.example"),
        ("a.b+c@CORP.example", "corp.example"),
        ("a@b\u00fccher.example", "xn--bcher-kva.example"),
        ("a@xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("\u00fc@corp.example", "corp.example"),
        ("a@B\u00dcCHER.example", None),
        ("a@\u212aorp.example", None),  # the Kelvin sign
        ("a@corp", None),
        ("a@1.2.3.4", None),
        ("a@[1.2.3.4]", None),
        ("a@corp..example", None),
        ("a@-corp.example", None),
        ("@corp.example", None),
        ("a@" + "a" * 64 + ".example", None),
        ("a" * 250 + "@corp.example", None),
        ("<a@corp.example>", None),
        ("a\u202e@corp.example", None),
        ("", None),
    ],
)
def test_an_address_has_one_domain_or_none(address: str, domain: str | None) -> None:
    assert domain_of(address) == domain


def test_a_plain_domain_is_its_own_plain_form() -> None:
    domains = ["corp.example", "xn--bcher-kva.example", "b\u00fccher.example", "a.b.c.example"]
    plain = [plain_domain(domain) or "" for domain in domains]
    assert [plain_domain(domain) for domain in plain] == plain


async def test_a_tenant_is_open_when_the_file_names_it_or_somebody_made_it_and_nobody_closed_it(tmp_path: Path) -> None:
    store, now, ticks = await open_store(f"sqlite:///{tmp_path / 'store.db'}"), FrozenClock()(), [0.0]
    gate = TenantGate(store.tenants, frozenset({"named", "closed"}), monotonic=lambda: ticks[0])
    await store.tenants.add(Tenant("made", TenantState.ACTIVE, now, now))
    await store.tenants.add(Tenant("closed", TenantState.SUSPENDED, now, now))

    async def is_open(tenant: str, *, fresh: bool = False) -> bool:
        try:
            await gate.check_open(tenant, fresh=fresh)
        except TenantDenied:
            return False
        return True

    assert [await is_open(tenant) for tenant in ("named", "made", "closed", "unknown")] == [True, True, False, False]
    await store.tenants.change("made", TenantState.SUSPENDED, now=now)
    assert await is_open("made", fresh=True) is False
    ticks[0] += 1.0
    assert await is_open("made") is False
    await store.close()
