"""Whose tokens are accepted, as the file and the environment of other systems say it."""

import re
from pathlib import Path

import pytest

from tests.config.conftest import Faults, Load
from vestibule.config.resource_server_rules import trusted_issuers

UPSTREAM = "upstreams: [{name: a, url: 'http://127.0.0.1:9/mcp'}]\n"
TENANT = "11111111-2222-3333-4444-555555555555"


def test_the_names_of_other_systems_are_taken(read: Load) -> None:
    section = read(
        UPSTREAM,
        {
            "AUTH_MODE": "CLOUD",
            "RESOURCE_IDENTIFIER": "api://tickets",
            "ALLOWED_ISSUERS": f"https://login.microsoftonline.com/{TENANT}/v2.0, https://id.example.com",
            "JWKS_CACHE_TTL": "600",
            "SCOPES_SUPPORTED": "a.read,a.write",
        },
    ).resource_server
    assert section.mode == "cloud"
    assert section.identifiers == ("api://tickets",)
    assert [one.issuer for one in section.issuers] == [
        f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "https://id.example.com",
    ]
    assert section.jwks_cache_ttl.total_seconds() == 600
    assert section.scopes_supported == ("a.read", "a.write")


@pytest.mark.parametrize("mode", ["none", "off", "OFF", "disabled", "false"])
def test_signing_in_is_not_switched_off_by_the_environment(mode: str, faults: Faults) -> None:
    assert "no switch" in faults(UPSTREAM, {"AUTH_MODE": mode})["AUTH_MODE"].reason


def test_an_unknown_mode_is_told(faults: Faults) -> None:
    assert "resource_server.mode" in faults(UPSTREAM, {"AUTH_MODE": "perhaps"})


def test_in_cloud_mode_nobody_needs_an_identity_provider(read: Load) -> None:
    text = "public_url: https://mcp.example.com\nresource_server: {mode: cloud, issuers: ['https://id.example.com']}\n"
    assert not read(UPSTREAM + text).signs_people_in


def test_people_are_called_as_by_the_identity_provider_that_is_the_same(read: Load) -> None:
    text = (
        "identity_providers:\n"
        "  - {name: work, kind: oidc, issuer: 'https://id.example.com', client_id: x}\n"
        f"  - {{name: office, kind: entra, tenant: {TENANT}, client_id: x, client_secret: env:S}}\n"
        "resource_server:\n"
        "  issuers:\n"
        "    - https://id.example.com\n"
        f"    - https://sts.windows.net/{TENANT}/\n"
        "    - https://other.example.com/realms/a\n"
        "    - {issuer: 'https://accounts.google.com', audiences: [x], scopes: [mcp]}\n"
    )
    found = [(one.kind, one.name) for one in trusted_issuers(read(UPSTREAM + text, {"S": "Abc8Q~9xKd.fGh2"}))]
    assert found == [
        ("oidc", "work"),
        ("entra", "office"),
        ("oidc", "other-example-com-realms-a"),
        ("google", "google"),
    ]


DOCUMENT = Path(__file__).parents[2] / "docs" / "resource-server.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_of_the_document_are_sound(example: str, read: Load) -> None:
    upstream = "" if "upstreams:" in example else UPSTREAM
    secrets = {"GITHUB_SECRET": "k9Fz-3Qm7Xc1Vb5-aB", "INTROSPECTION_SECRET": "Abc8Q~9xKd.fGh2-aB"}
    assert read(upstream + example, secrets).resource_server.issuers
