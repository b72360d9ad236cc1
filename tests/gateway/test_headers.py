"""What passes in either direction, by name."""

import pytest

from vestibule.gateway.headers import passes_to_client, passes_to_upstream

# Names by which some proxy, platform or framework tells a server who is calling, or is told by it where to go.
IDENTITY = [
    "x-authorization",
    "x-webauth-user",
    "x-consumer-username",
    "x-consumer-id",
    "x-credential-identifier",
    "x-anonymous-consumer",
    "x-ssl-client-s-dn",
    "x-ssl-client-cert",
    "ssl-client-verify",
    "x-client-cert",
    "client-cert",
    "oidc-claim-sub",
    "OIDC_CLAIM_email",
    "SM_USER",
    "iv-user",
    "private-token",
    "x-gitlab-token",
    "x-vault-token",
    "x-envoy-original-path",
    "x-token",
    "x-auth",
    "x-session-token",
    "x-remote",
    "remote_addr",
    "x-login",
    "x-account-id",
    "x-original-forwarded-for",
    "x-credential-username",
    "authorization_",
]


@pytest.mark.parametrize("name", IDENTITY)
def test_nothing_that_stands_for_an_identity_passes(name: str) -> None:
    assert not passes_to_upstream(name.lower().encode())


@pytest.mark.parametrize(
    "name", ["x-made-up-tomorrow", "origin", "referer", "cookie", "sec-fetch-site", "accept-encoding"]
)
def test_what_is_on_no_list_does_not_pass(name: str) -> None:
    assert not passes_to_upstream(name.encode())


@pytest.mark.parametrize(
    "name",
    [
        "accept",
        "content-type",
        "content-encoding",
        "last-event-id",
        "mcp-session-id",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-param-region",
        "mcp-param-x.y",
        "mcp-param-a_b",
        "traceparent",
        "tracestate",
        "baggage",
        "user-agent",
    ],
)
def test_what_mcp_needs_passes(name: str) -> None:
    assert passes_to_upstream(name.encode())


@pytest.mark.parametrize("name", ["mcp_session_id", "mcp-session_id", "content_type", "last_event_id", "mcp_param_a"])
def test_no_name_with_an_underscore_passes(name: str) -> None:
    assert not passes_to_upstream(name.encode())


@pytest.mark.parametrize(
    "name",
    [
        "cache-control",
        "expires",
        "age",
        "cdn-cache-control",
        "cloudflare-cdn-cache-control",
        "surrogate-control",
        "x-accel-expires",
        "x-accel-redirect",
        "x-accel-buffering",
        "x-sendfile",
        "service-worker-allowed",
        "content-security-policy",
        "set_cookie",
    ],
)
def test_an_upstream_gives_no_orders_to_caches_browsers_and_proxies(name: str) -> None:
    assert not passes_to_client(name.encode())
