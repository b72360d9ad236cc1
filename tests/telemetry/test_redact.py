"""Secrets go out of what is logged, by their key and by their looks; what is none stays."""

import pytest

from tests.security.vectors import vector
from vestibule.model import Secret
from vestibule.telemetry.redact import MASK, clean, clean_as, clean_text

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        "vat_AbCdEf0123456789",
        "vrt_AbCdEf0123456789",
        "vac_AbCdEf0123456789",
        "vcs_AbCdEf0123456789",
        JWT,
        JWT.rpartition(".")[0],
        f"Bearer {'a1b2' * 8}",
        f"authorization: bearer {'a1b2' * 8}",
        "Basic dXNlcjpjYW5hcnk=",
        "DPoP abcdef0123456789",
        "/callback/work?code=canary&state=canary2&session_state=x",
        "code_verifier=canary&grant_type=authorization_code",
        "refresh_token=canary",
        "client_secret=canary",
        "client_assertion=canary",
        "id_token_hint=canary",
        '{"access_token": "canary", "token_type": "x"}',
        "{'refresh_token': 'canary'}",
        "redirect_uri=https%3A%2F%2Fa%3Fcode%3Dcanary",
        "postgresql://me:canary@db/v",
    ],
)
def test_a_secret_is_masked_wherever_it_stands(text: str) -> None:
    told = clean_text(f"before {text} after")
    assert MASK in told
    assert told.startswith("before ")
    assert told.endswith(" after")
    for part in ("canary", "AbCdEf", "a1b2", "dXNlcj", "abcdef0123", "eyJ"):
        assert part not in told


@pytest.mark.parametrize(
    "text",
    [
        "the status code is 400",
        "grant_type=authorization_code",
        "error=invalid_grant",
        "TOKEN_EXPIRED",
        "https://mcp.example.com/tickets/mcp",
        "https://app.example.com:8443/callback",
        "client vci_AbCdEf0123456789",
        "ada@example.com",
        "bearer of news",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert clean_text(text).replace(MASK, "of") == text


@pytest.mark.parametrize(
    "key",
    [
        *("authorization", "Authorization", "Proxy-Authorization", "cookie", "Set-Cookie", "password", "client_secret"),
        *("clientSecret", "access_token", "refresh_token", "id_token", "token", "code_verifier", "nonce", "csrf"),
        *("api_key", "X-Api-Key", "secret_key", "private_key", "client_assertion", "state", "code", "tokens"),
    ],
)
def test_a_key_that_holds_a_secret_is_masked(key: str) -> None:
    assert clean_as(key, "kittens-and-1-more") == MASK
    assert clean({key: "kittens-and-1-more"}) == {key: MASK}
    assert clean_as(key, ["kittens-and-1-more"]) == MASK


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("code", "TOKEN_EXPIRED"), ("code", 400), ("state", "approved"), ("error_code", "RATE_LIMITED")),
        *(("token_id", "x1"), ("token_endpoint", "https://id.example.com/token"), ("status_code", 200)),
        *(("token_type", "Bearer"), ("key", "upstreams[0].url"), ("grant_id", "g1"), ("token", None)),
    ],
)
def test_a_key_that_sounds_alike_stays(key: str, value: object) -> None:
    assert clean_as(key, value) == value


def test_a_secret_object_gives_nothing_away() -> None:
    assert "canary" not in str(clean({"value": Secret("canary"), "list": [Secret("canary")]}))


@vector("LOG-002")
def test_control_and_invisible_characters_are_escaped(vector: str) -> None:
    told = clean_text('a\r\nb\x1b[31m\x00\u202e\u2028\x9b\ufeff"}')
    assert told.isprintable()
    assert told.startswith('a\\r\\nb\\x1b[31m\\x00\\u202e\\u2028\\x9b\\ufeff"}')


@vector("LOG-005")
def test_values_lists_and_depths_are_bounded(vector: str) -> None:
    assert len(clean_text("x" * 1_000_000)) == 1000
    assert len(clean(["x"] * 1000)) == 50
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    assert len(str(clean(deep))) < 100


def test_a_secret_that_the_cut_goes_through_is_masked() -> None:
    for padding in range(2950, 3010):
        assert "canary" not in clean_text(f"{'x ' * (padding // 2)}Bearer canarycanarycanary", limit=10_000)
        assert "canary" not in clean_text(f"{'x ' * (padding // 2)}Bearer canarycanarycanary", limit=1000)
