"""Scopes of tools, tenants and rules in a whole gateway: what is offered, shown, and refused."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.house import Flow, open_door
from vestibule.config import load
from vestibule.errors import ConfigurationError
from vestibule.testing.recording_upstream import RecordingUpstream

POLICY = "version: 1\ndefault: allow\nrules: [{name: a, effect: deny, tools: [delete_*]}]\n"


def tickets(upstream: RecordingUpstream, **keys: Any) -> list[dict[str, Any]]:
    return [{"name": "tickets", "url": upstream.url, **keys}]


async def test_scopes_of_tools_are_offered_and_shown_on_the_consent_page(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    scopes = {
        "default": ["tickets.read"],
        "tools": {"create_*": ["tickets.write"]},
        "texts": {"tickets.write": "Create and change tickets"},
    }
    async with open_door(tmp_path, "", upstreams=tickets(upstream, scopes=scopes)) as door:
        client = await door.register()
        page = await door.browser().ask(Flow(door, client, scope="tickets.read tickets.write"))
        assert "Create and change tickets" in page.text
        person = await door.sign_in(client=client, scope="tickets.read tickets.write")
        assert {*person.tokens["scope"].split()} == {"tickets.read", "tickets.write"}
        usual = await door.sign_in()
        assert usual.tokens["scope"] == "tickets.read"


async def test_an_upstream_of_other_tenants_is_closed(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, "", upstreams=tickets(upstream, tenants=["company"])) as door:
        answer = await door.call((await door.sign_in()).access_token)
        assert answer.status_code == 403
        assert answer.json()["error"]["data"]["error_code"] == "TENANT_DENIED"
        assert upstream.requests == []


async def test_a_gateway_starts_with_rules_and_not_with_broken_ones(
    tmp_path: Path, upstream: RecordingUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY)
    section = {"file": "policy.yaml"}
    async with open_door(tmp_path, "", upstreams=tickets(upstream), policy=section) as door:
        assert (await door.call((await door.sign_in()).access_token)).status_code == 200
    (tmp_path / "policy.yaml").write_text(POLICY.replace("]}", "], when: nonsense}"))
    with pytest.raises(ConfigurationError):
        load(file=tmp_path / "vestibule.yaml", environ={})
