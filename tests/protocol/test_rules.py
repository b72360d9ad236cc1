"""The pure rules, on values that nobody thought of."""

from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.errors import InvalidRedirectUri, InvalidRequest, InvalidScope, OAuthError
from vestibule.protocol.json_body import UnreadableJson, read_object
from vestibule.protocol.parameters import read_parameters
from vestibule.protocol.pkce import challenge_of, is_challenge, proves
from vestibule.protocol.redirect_uri import (
    check_registrable,
    match_redirect_uri,
    with_parameters,
    without_loopback_port,
)
from vestibule.protocol.registration import clean_name, read_registration
from vestibule.protocol.resource import fold
from vestibule.protocol.scope import grantable, narrowed, read_scope

LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")


@given(st.text())
def test_no_text_is_registrable_by_accident(uri: str) -> None:
    try:
        check_registrable(uri)
    except InvalidRedirectUri:
        return
    assert uri.isascii()
    assert uri.isprintable()
    assert "*" not in uri
    assert "#" not in uri
    assert urlsplit(uri).scheme not in ("javascript", "data", "file", "vbscript")


@given(st.text(), st.text())
def test_a_match_is_equality_or_a_loopback_port(requested: str, registered: str) -> None:
    assert match_redirect_uri(registered, [registered]) == registered
    if match_redirect_uri(requested, [registered]) is not None and requested != registered:
        assert without_loopback_port(requested) == without_loopback_port(registered)
        assert requested.startswith(LOOPBACK)


@given(st.sampled_from(LOOPBACK), st.integers(1, 65535), st.sampled_from(["", "/", "/cb", "/cb?x=1"]))
def test_loopback_uris_match_with_any_port(host: str, port: int, rest: str) -> None:
    registered = f"{host}{rest}"
    assert match_redirect_uri(f"{host}:{port}{rest}", [registered]) == registered
    for other in LOOPBACK:
        if other != host:
            assert match_redirect_uri(f"{other}:{port}{rest}", [registered]) is None
    assert match_redirect_uri(f"{host}:{port}{rest}x", [registered]) is None
    assert match_redirect_uri(f"https{host[4:]}:{port}{rest}", [registered]) is None


@pytest.mark.parametrize("port", ["0", "99999", "1e3", "-1", "", " 1", "1 "])
def test_what_is_no_port(port: str) -> None:
    assert match_redirect_uri(f"http://127.0.0.1:{port}/cb", ["http://127.0.0.1/cb"]) is None


@given(st.dictionaries(st.sampled_from(["code", "state", "iss"]), st.text(), min_size=1))
def test_what_is_put_into_a_redirect_comes_out_to_the_letter(parameters: dict[str, str]) -> None:
    parameters = {name: value.encode("utf-8", "ignore").decode() for name, value in parameters.items()}
    for uri in ("https://c.example/cb", "https://c.example/cb?x=1", "com.example.app:/cb"):
        query = with_parameters(uri, parameters).partition("?")[2]
        assert dict(parse_qsl(query, keep_blank_values=True)) == {**parameters, **({"x": "1"} if "?" in uri else {})}


@given(st.text(max_size=200))
def test_parameters_are_read_or_refused(encoded: str) -> None:
    try:
        found = read_parameters(encoded)
    except InvalidRequest:
        return
    for name, value in found.values.items():
        assert "\x00" not in name + value


@given(st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=20), max_size=10))
def test_parameters_come_back(values: dict[str, str]) -> None:
    values = {
        name: value
        for name, value in values.items()
        if "\x00" not in name + value and name != "resource" and (name + value).isprintable()
    }
    encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in values.items())
    assert read_parameters(encoded).values == values


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=200), st.text(max_size=50))
def test_only_its_own_verifier_proves_a_challenge(verifier: str, other: str) -> None:
    challenge = challenge_of(verifier)
    assert is_challenge(challenge)
    assert not proves(other, challenge) or other == verifier
    assert not proves(challenge, challenge)


@given(st.text(max_size=300))
def test_scopes_are_read_or_refused(text: str) -> None:
    try:
        scopes = read_scope(text)
    except InvalidScope:
        return
    assert len(set(scopes)) == len(scopes)
    assert all(scope.isascii() and " " not in scope and '"' not in scope for scope in scopes)


SCOPES = st.lists(st.sampled_from(["a", "b", "c", "d", "offline_access", "openid"]), unique=True).map(tuple)


@given(SCOPES, SCOPES)
def test_nobody_is_granted_more_than_is_offered(requested: tuple[str, ...], offered: tuple[str, ...]) -> None:
    for decide in (grantable, narrowed):
        try:
            granted = decide(requested, offered)
        except InvalidScope:
            assert set(requested) - set(offered)
            continue
        assert set(granted) <= set(offered)


@given(st.binary(max_size=300))
def test_garbage_is_no_registration(body: bytes) -> None:
    with pytest.raises(OAuthError):
        read_registration("application/json", body)


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
def test_json_is_an_object_or_refused(value: object) -> None:
    import json

    with pytest.raises(UnreadableJson):
        read_object(json.dumps(value).encode())


@given(st.text())
def test_a_cleaned_name_hides_nothing(name: str) -> None:
    cleaned = clean_name(name)
    assert len(cleaned) <= 100
    assert cleaned == cleaned.strip()
    assert cleaned.isprintable()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("HTTPS://GW.example/mcp", "https://gw.example/mcp", True),
        ("https://gw.example:443/mcp", "https://gw.example/mcp", True),
        ("http://gw.example:80/mcp", "http://gw.example/mcp", True),
        ("https://gw.example:8443/mcp", "https://gw.example/mcp", False),
        ("https://gw.example/MCP", "https://gw.example/mcp", False),
        ("https://gw.example/mcp/", "https://gw.example/mcp", False),
        ("https://gw.example/mcp#", "https://gw.example/mcp", False),
        ("https://x@gw.example/mcp", "https://gw.example/mcp", False),
        ("https://gw.example/%6dcp", "https://gw.example/mcp", False),
        ("http://gw.example/mcp", "https://gw.example/mcp", False),
    ],
)
def test_which_identifiers_are_one_resource(one: str, other: str, same: bool) -> None:
    assert (fold(one) == fold(other)) is same


def test_access_tokens_of_the_version_before_are_still_read() -> None:
    import msgspec

    from vestibule.protocol.access_token import decode_claims

    before = ["t", "g", "https://mcp", "https://id", "s", "work:s", "default", "c", ["a"], "https://mcp/mcp", 1, 2]
    read = decode_claims(msgspec.json.encode(before))
    assert (read.token_id, read.scopes, read.expires_at) == ("t", ("a",), 2)
    assert (read.key_thumbprint, read.actors, read.roles) == ("", (), ())
