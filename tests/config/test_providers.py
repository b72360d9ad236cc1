"""The mistakes that are made with identity providers, each told with its key and a fix."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.config.conftest import UPSTREAM, Faults, Load
from tests.outbound.certificates import client_certificate
from vestibule.config.notes import notes_on
from vestibule.config.providers import Auth0Config, EntraConfig, GoogleConfig
from vestibule.testing.signing_key import SigningKey

A, B = "aaaaaaaa-1111-4111-8111-111111111111", "bbbbbbbb-2222-4222-8222-222222222222"
ENTRA = f"kind: entra, name: w, client_id: x, tenant: {A}"
DOCUMENT = Path(__file__).parents[2] / "docs" / "identity-providers.md"


def one(keys: str) -> str:
    return f"{UPSTREAM}identity_providers: [{{{keys}}}]\n"


REFUSED = [
    ("tenant", "kind: entra, name: w, client_id: x, client_secret: env:S", "no tenant is named"),
    ("tenant", "kind: entra, name: w, client_id: x, client_secret: env:S, tenant: common", "everybody"),
    ("tenant", "kind: entra, name: w, client_id: x, client_secret: env:S, tenant: organizations", "everybody"),
    ("tenant", "kind: entra, name: w, client_id: x, client_secret: env:S, tenant: consumers", "everybody"),
    ("tenant", "kind: entra, name: w, client_id: x, client_secret: env:S, tenant: contoso.com", "not a tenant's id"),
    ("tenants[1]", f"kind: entra, name: w, client_id: x, client_secret: env:S, tenants: [{A}, common]", "not a tenant"),
    ("client_secret", ENTRA, "only when it shows who it is"),
    ("client_assertion", f"{ENTRA}, client_secret: env:S, client_assertion: managed-identity", "one of them is enough"),
    ("client_assertion", f"{ENTRA}, client_assertion: msi", "where the assertion comes from"),
    ("client_assertion", f"{ENTRA}, client_assertion: workload-identity", "AZURE_FEDERATED_TOKEN_FILE"),
    ("client_certificate", f"{ENTRA}, client_certificate: env:S", "not a private key"),
    ("client_certificate", f"{ENTRA}, client_certificate: env:KEY", "no certificate"),
    ("client_certificate", f"{ENTRA}, client_certificate: env:MIXED", "another key"),
    ("managed_identity", f"{ENTRA}, client_secret: env:S, managed_identity: {{client_id: y}}", "not used"),
    (
        "managed_identity.endpoint",
        f"{ENTRA}, client_assertion: managed-identity, managed_identity: {{endpoint: 'http://10.0.0.1'}}",
        "in clear",
    ),
    ("authority", f"{ENTRA}, client_secret: env:S, authority: 'http://login.example.com'", "in clear"),
    ("scopes", f"{ENTRA}, client_secret: env:S, scopes: [profile]", "without openid"),
    ("roles.from", f"{ENTRA}, client_secret: env:S, roles: {{names: {{a: b}}}}", "no claim they come from"),
    ("roles.names.a", f"{ENTRA}, client_secret: env:S, roles: {{from: [a], names: {{a: ' '}}}}", "empty"),
    ("roles.form", f"{ENTRA}, client_secret: env:S, roles: {{form: [groups]}}", "not known"),
    ("roles.from_", f"{ENTRA}, client_secret: env:S, roles: {{from_: [groups]}}", "not known"),
    ("client_secret", f"{ENTRA}, client_secret: env:SAMPLE", "sample"),
    ("client_secret", "kind: google, name: g, client_id: x", "missing"),
    (
        "hosted_domain[0]",
        "kind: google, name: g, client_id: x, client_secret: env:S, hosted_domain: [gmail.com]",
        "nobody",
    ),
    (
        "hosted_domain[0]",
        "kind: google, name: g, client_id: x, client_secret: env:S, hosted_domain: ['@a.b']",
        "domain",
    ),
    ("hosted_domain", "kind: google, name: g, client_id: x, client_secret: env:S, hosted_domain: []", "empty"),
    ("domain", "kind: auth0, name: a, client_id: x, client_secret: env:S", "missing"),
    ("domain", "kind: auth0, name: a, client_id: x, client_secret: env:S, domain: 'https://a.auth0.com/'", "host name"),
    ("domain", "kind: auth0, name: a, client_id: x, client_secret: env:S, domain: example", "tenant's name"),
    ("client_secret", "kind: github, name: h, client_id: x", "missing"),
    ("teams[0]", "kind: github, name: h, client_id: x, client_secret: env:S, teams: [platform]", "not a team"),
    ("organizations[0]", "kind: github, name: h, client_id: x, client_secret: env:S, organizations: ['a b']", "name"),
    ("client_key", "kind: oidc, name: o, issuer: 'https://a.example', client_id: x, client_key: env:S", "private key"),
    ("client_key", "kind: oidc, name: o, issuer: 'https://a.example', client_id: x, client_key: env:PUBLIC", "private"),
    (
        "client_key_id",
        "kind: oidc, name: o, issuer: 'https://a.example', client_id: x, client_key_id: k",
        "no client_key",
    ),
    (
        "client_assertion",
        "kind: oidc, name: o, issuer: 'https://a.example', client_id: x, client_assertion: managed-identity",
        "only Entra",
    ),
]

TAKEN = [
    f"{ENTRA}, client_secret: env:S",
    f"{ENTRA}, client_assertion: managed-identity",
    f"{ENTRA}, client_assertion: 'file:/var/run/token'",
    f"{ENTRA}, client_certificate: env:CERTIFICATE",
    f"kind: entra, name: w, client_id: x, client_secret: env:S, tenant: organizations, tenants: [{A}, {B.upper()}]",
    "kind: google, name: g, client_id: x, client_secret: env:S, hosted_domain: [Example.com]",
    "kind: auth0, name: a, client_id: x, client_secret: env:S, domain: example.eu.auth0.com, organization: acme",
    "kind: github, name: h, client_id: x, client_secret: env:S, organizations: [Acme], teams: [acme/platform_a]",
    "kind: oidc, name: o, issuer: 'https://a.example', client_id: x, client_key: env:KEY, client_key_id: k",
    "kind: oidc, name: o, issuer: 'https://a.example', client_id: x, roles: {from: [realm_access.roles]}",
]


@pytest.fixture(scope="module")
def environ() -> dict[str, str]:
    certificate = client_certificate()[0]
    key = SigningKey("k")
    return {
        "S": "2Tq~8Q3yX.kfPw0sVhZr",
        "SAMPLE": "your-secret-here",
        "KEY": key.private_pem(),
        "PUBLIC": key.public_pem().decode(),
        "CERTIFICATE": certificate,
        "MIXED": certificate.partition("-----BEGIN PRIVATE")[0] + key.private_pem(),
    }


@pytest.mark.parametrize(("key", "keys", "fragment"), REFUSED, ids=[f"{key} {words}" for key, _, words in REFUSED])
def test_refused(faults: Faults, environ: dict[str, str], key: str, keys: str, fragment: str) -> None:
    found = faults(one(keys), environ)
    assert list(found) == [f"identity_providers[0].{key}"]
    assert fragment in found[f"identity_providers[0].{key}"].reason


@pytest.mark.parametrize("keys", TAKEN)
def test_taken(read: Load, environ: dict[str, str], keys: str) -> None:
    assert read(one(keys), environ)


def test_a_public_service_is_noted(read: Load, environ: dict[str, str]) -> None:
    everybody = read(one("kind: github, name: h, client_id: x, client_secret: env:S"), environ)
    assert any("everybody" in note and "organizations" in note for note in notes_on(everybody, {}))
    few = read(one("kind: github, name: h, client_id: x, client_secret: env:S, teams: [a/b]"), environ)
    assert not any("everybody" in note for note in notes_on(few, {}))


def test_azure_says_what_the_file_leaves_out(read: Load, tmp_path: Path) -> None:
    environ = {
        "AZURE_CLIENT_ID": "from the environment",
        "AZURE_TENANT_ID": B,
        "AZURE_FEDERATED_TOKEN_FILE": "/var/run/token",
        "IDENTITY_ENDPOINT": "http://169.254.129.2:8081/msi/token",
        "IDENTITY_HEADER": "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a",
    }
    provider = read(one("kind: entra, name: w, client_assertion: managed-identity"), environ).identity_providers[0]
    assert isinstance(provider, EntraConfig)
    assert (provider.client_id, provider.allowed_tenants) == ("from the environment", (B,))
    assert provider.managed_identity.endpoint == environ["IDENTITY_ENDPOINT"]
    assert environ["IDENTITY_HEADER"] not in repr(provider)
    provider = read(one(f"{ENTRA}, client_assertion: workload-identity"), environ).identity_providers[0]
    assert isinstance(provider, EntraConfig)
    assert (provider.client_id, provider.allowed_tenants) == ("x", (A,))
    assert provider.client_assertion == "file:/var/run/token"


def test_the_names_of_other_systems_complete_the_only_provider_of_their_kind(read: Load) -> None:
    environ = {
        "MCP_HTTP_GOOGLE_CLIENT_ID": "a.apps.googleusercontent.com",
        "MCP_HTTP_GOOGLE_CLIENT_SECRET": "GOCSPX-2Tq8Q3yXkfPw0sVhZr",
        "MCP_HTTP_AUTH0_DOMAIN": "example.eu.auth0.com",
        "MCP_HTTP_AUTH0_AUDIENCE": "https://api.example.com",
    }
    google = read(one("kind: google, name: g"), environ).identity_providers[0]
    assert isinstance(google, GoogleConfig)
    assert google.client_secret is not None
    assert google.client_secret.reveal() == environ["MCP_HTTP_GOOGLE_CLIENT_SECRET"]
    auth0 = read(one("kind: auth0, name: a, client_id: x"), environ).identity_providers[0]
    assert isinstance(auth0, Auth0Config)
    assert (auth0.issuer, auth0.audience) == ("https://example.eu.auth0.com/", "https://api.example.com")
    assert read(UPSTREAM, environ).identity_providers == ()  # none comes to be by a name


def test_every_entry_of_the_document_is_sound(read: Load, environ: dict[str, str]) -> None:
    text = DOCUMENT.read_text("utf-8")
    variables = {name: f"2Tq~8Q3yX.kfPw0-{name}" for name in re.findall(r"env:([A-Z0-9_]+)", text)}
    variables["AZURE_FEDERATED_TOKEN_FILE"] = "/var/run/token"
    taken = 0
    entry: dict[str, Any] = {}
    for found in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        block = yaml.safe_load(found.replace("file:/run/secrets/", "env:"))
        if "identity_providers" in block:
            (entry,) = block["identity_providers"]
            block = {}
        changed = {key: block[key] for key in block}
        ways = {"client_secret", "client_key", "client_assertion", "client_certificate"}
        kept = {key: value for key, value in entry.items() if not (ways & set(changed) and key in ways)}
        keys = yaml.safe_dump({"identity_providers": [{**kept, **changed}]})
        pem = environ["CERTIFICATE"] if "entra.pem" in keys else environ["KEY"]
        keys = re.sub(r"env:[a-z.]+pem", "env:PEM", keys)
        assert read(UPSTREAM + keys, {**variables, "PEM": pem}), keys
        taken += 1
    assert taken >= 13
