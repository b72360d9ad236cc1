"""Upstreams that an operator's own proxy serves: what is refused, and what is told."""

import pytest

from tests.config.conftest import Faults, Load
from vestibule.config.notes import notes_on

SERVED = "trusted_proxies: [127.0.0.1/32]\nupstreams: [{name: tickets, served_by: proxy%s}]\n"


def test_an_upstream_that_a_proxy_serves_needs_no_url(read: Load) -> None:
    assert read(SERVED % "").upstreams[0].url == ""


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("upstreams[0].url", "upstreams: [{name: tickets}]\n", "nothing says where"),
        ("upstreams[0].url", SERVED % ", url: 'http://127.0.0.1:3000/mcp'", "your proxy"),
        ("upstreams[0].credential", SERVED % ", credential: {kind: static, value: env:KEY}", "your proxy"),
        ("upstreams[0].timeouts", SERVED % ", timeouts: {connect: 3s}", "your proxy"),
        ("upstreams[0].hide_denied", SERVED % ", hide_denied: true", "your proxy"),
        ("trusted_proxies", "upstreams: [{name: tickets, served_by: proxy}]\n", "no proxy is named"),
        (
            "upstreams[0].trust_routing_headers",
            "upstreams: [{name: a, url: 'http://127.0.0.1:3000/mcp', trust_routing_headers: true}]\n",
            "the body decides",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(faults: Faults, key: str, text: str, reason: str) -> None:
    assert reason in faults(text, {"KEY": "Zk1Vb7Qw9Xr3Tn5Ym2Lp8Hd4Gf6Js0Ca_EuIoPyRtWz"})[key].reason


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("", False),
        (", scopes: {default: [mcp], tools: {create_*: [write]}}", True),
        (", scopes: {default: [mcp], tools: {create_*: [write]}}, trust_routing_headers: true", False),
    ],
)
def test_the_operator_is_told_what_a_question_without_a_body_cannot_decide(read: Load, keys: str, told: bool) -> None:
    assert any("/auth" in note for note in notes_on(read(SERVED % keys), {})) is told
