"""What the pure rules may never do, on values made to deceive them.

`test_rules` tries what comes to nobody's mind; here each value is one small trick away from being right.
"""

import base64
import hashlib
import string
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vestibule.errors import InvalidRedirectUri, InvalidRequest, InvalidScope
from vestibule.protocol.parameters import MAX_PARAMETERS, read_parameters
from vestibule.protocol.pkce import challenge_of, is_challenge, proves
from vestibule.protocol.redirect_uri import (
    check_registrable,
    host_of,
    is_loopback,
    match_redirect_uri,
    without_loopback_port,
)
from vestibule.protocol.scope import grantable, narrowed, read_scope, write_scope

# --- redirect URIs --------------------------------------------------------------------------------------------------

HOSTS = st.sampled_from(
    "127.0.0.1 localhost [::1] 127.0.0.2 127.1 0.0.0.0 localhost. LOCALHOST "
    "localhost.evil.example 127.0.0.1.evil.example evil.example client.example evil-client.example client.example.evil "
    "[::ffff:127.0.0.1] [0:0:0:0:0:0:0:1]".split()
)
USERS = st.sampled_from(["", "", "", "user@", "127.0.0.1@", "localhost:80@", "127.0.0.1:7777@", "a:b@", "%40", "@"])
PORTS = st.sampled_from(
    ["", "", ":80", ":7777", ":65535", ":65536", ":0", ":00080", ":", ":-1", ":٣", ":80:80", ":7777 "]
)
PATHS = st.sampled_from(
    [
        "",
        "/",
        "/callback",
        "/callback/",
        "/Callback",
        "/callback/../x",
        "//callback",
        "/%63allback",
        "\\callback",
        "/a;b",
    ]
)
QUERIES = st.sampled_from(["", "", "?", "?x=1", "?x=2", "?x=1&y=2", "?next=//evil.example", "#", "#fragment"])
SCHEMES = st.sampled_from(
    ["http://", "http://", "https://", "HTTP://", "http:/", "http:", "javascript://", "app.example:/"]
)

PARTS = (SCHEMES, USERS, HOSTS, PORTS, PATHS, QUERIES)

RIGHT_PARTS = st.sampled_from(
    [
        *(("http://", "", host, port) for host in ("127.0.0.1", "localhost", "[::1]") for port in ("", ":7777")),
        *(("https://", "", "client.example", port) for port in ("", ":8443")),
        ("app.example:/", "", "", ""),
    ]
).flatmap(
    lambda front: st.tuples(
        *map(st.just, front), st.sampled_from(["", "/", "/callback"]), st.sampled_from(["", "?x=1"])
    )
)
RIGHT = RIGHT_PARTS.map("".join)
URIS = st.tuples(*PARTS).map("".join)


@st.composite
def nearly(draw: st.DrawFn) -> tuple[str, str]:
    """A registered URI, and one with a part or two of it changed."""
    right = draw(RIGHT_PARTS)
    asked = list(right)
    for at in draw(st.lists(st.integers(0, len(PARTS) - 1), max_size=2)):
        asked[at] = draw(PARTS[at])
    return "".join(right), "".join(asked)


LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")


def registrable(uri: str) -> bool:
    try:
        check_registrable(uri)
    except InvalidRedirectUri:
        return False
    return True


@given(nearly())
def test_a_match_differs_in_nothing_but_a_loopback_port(pair: tuple[str, str]) -> None:
    registered, requested = pair
    assert registrable(registered)
    assert match_redirect_uri(registered, [registered]) == registered
    if match_redirect_uri(requested, [registered]) is None or requested == registered:
        return
    left, right = urlsplit(registered), urlsplit(requested)  # another reader than the matcher's own
    assert left.hostname in ("127.0.0.1", "localhost", "::1")
    assert (left.scheme, left.hostname, left.path, left.query) == (
        right.scheme,
        right.hostname,
        right.path,
        right.query,
    )
    assert (right.username, right.password, right.fragment) == (None, None, "")
    assert right.scheme == "http"
    assert right.port is None or 0 < right.port < 65536


@given(nearly())
def test_what_matches_could_have_been_registered(pair: tuple[str, str]) -> None:
    """So no check of registration is got round by asking."""
    registered, requested = pair
    if match_redirect_uri(requested, [registered]) is not None:
        assert registrable(requested)


@given(st.lists(URIS | RIGHT, max_size=5), RIGHT)
def test_the_order_of_registered_uris_decides_nothing(registered: list[str], requested: str) -> None:
    found = match_redirect_uri(requested, registered)
    assert (found is None) == (match_redirect_uri(requested, registered[::-1]) is None)
    assert found is None or found in registered


@given(RIGHT)
def test_a_path_query_or_host_that_goes_on_does_not_match(registered: str) -> None:
    for more in ("/", "x", "?", "&x=1", "#", "%20", " ", "\n", "\x00", ".evil.example", "@evil.example"):
        requested = registered + more
        assert match_redirect_uri(requested, [registered]) is None, requested
    for before in (" ", "x", "http://", "\n", "view-source:"):
        assert match_redirect_uri(before + registered, [registered]) is None


@given(st.sampled_from(LOOPBACK), st.text(alphabet="0123456789@:/.?#%\\ -xe", max_size=12))
def test_nothing_slips_in_where_the_port_stands(origin: str, inserted: str) -> None:
    requested = f"{origin}{inserted}/callback"
    if match_redirect_uri(requested, [f"{origin}/callback"]) is not None:
        assert inserted == "" or (inserted[0] == ":" and 0 < int(inserted[1:]) < 65536 and inserted[1:].isdigit())


@given(RIGHT)
def test_a_consent_is_remembered_without_the_port_and_with_all_else(uri: str) -> None:
    remembered = without_loopback_port(uri)
    assert without_loopback_port(remembered) == remembered
    if is_loopback(uri):
        assert match_redirect_uri(uri, [remembered]) == remembered
        assert host_of(remembered) == host_of(uri)
    else:
        assert remembered == uri


# --- scopes ---------------------------------------------------------------------------------------------------------

SCOPES = st.lists(
    st.sampled_from(["a", "b", "c", "d", "e:x", "offline_access", "openid", "email", "claudeai"]), unique=True
).map(tuple)


def attempt(decide: Any, requested: tuple[str, ...], offered: tuple[str, ...]) -> frozenset[str] | None:
    try:
        return frozenset(decide(requested, offered))
    except InvalidScope:
        return None


@pytest.mark.parametrize("decide", [grantable, narrowed])
@given(requested=SCOPES, offered=SCOPES, data=st.data())
def test_scopes_are_sets(
    decide: Any, requested: tuple[str, ...], offered: tuple[str, ...], data: st.DataObject
) -> None:
    """Whatever the order: a subset of what is there, and granting it once more changes nothing."""
    granted = attempt(decide, requested, offered)
    shuffled, mixed = data.draw(st.permutations(requested)), data.draw(st.permutations(offered))
    assert attempt(decide, tuple(shuffled), tuple(mixed)) == granted
    if granted is not None:
        assert granted <= set(offered)
        assert granted == set(offered) or granted <= set(requested)
        assert attempt(decide, tuple(granted), offered) == granted
        assert attempt(decide, tuple(granted), tuple(granted)) == granted


@given(st.lists(SCOPES, max_size=6), SCOPES)
def test_no_row_of_narrowings_ends_wider_than_it_began(asked: list[tuple[str, ...]], granted: tuple[str, ...]) -> None:
    held = granted
    for requested in asked:
        found = attempt(narrowed, requested, held)
        if found is not None:
            assert found <= set(held) <= set(granted)
            held = tuple(found)


@given(SCOPES, SCOPES)
def test_asking_for_more_is_refused_whole(requested: tuple[str, ...], granted: tuple[str, ...]) -> None:
    """What is wider is never cut down in silence; habits alone are."""
    habits = {"offline_access", "openid", "profile", "email", "claudeai"}
    wider = set(requested) - set(granted) - habits
    assert (attempt(narrowed, requested, granted) is None) is bool(wider)


@given(
    st.lists(st.text(alphabet=string.ascii_letters + string.digits + "!#[]~:/._-", min_size=1, max_size=8), max_size=20)
)
def test_scopes_come_back_from_their_text(scopes: list[str]) -> None:
    once = tuple(dict.fromkeys(scopes))
    assert read_scope(write_scope(scopes)) == once
    assert read_scope(write_scope(once)) == once


# --- parameters -----------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["client_id", "redirect_uri", "scope", "state", "resource", "x", "", "client%5Fid", "Client_id"]
)
VALUES = st.text(alphabet="ab+%= &;é\x00", max_size=4).map(lambda text: quote(text, safe="+;")) | st.sampled_from(
    ["", "%", "%zz", "%C3", "%C3%A9", "a=b", "%00", "a;client_id=b", "%26client_id=b", "%FF", "%ED%A0%80"]
)
PAIRS = st.tuples(NAMES, VALUES).map("=".join) | NAMES
QUERY = st.lists(PAIRS, max_size=6).map("&".join)


@given(QUERY)
def test_there_is_one_reading(encoded: str) -> None:
    """The standard library reads the same, or the request is refused; a parameter that stands twice is told."""
    try:
        found = read_parameters(encoded)
    except InvalidRequest:
        return
    pairs = parse_qsl(encoded, keep_blank_values=True, strict_parsing=False, errors="strict")
    for name in {name for name, _ in pairs} - {"resource"}:
        values = [value for key, value in pairs if key == name]
        assert found.values[name] == values[0]
        assert (name in found.repeated) is (len(values) > 1)
        if len(values) > 1:
            with pytest.raises(InvalidRequest):
                found.check_single(name)
            with pytest.raises(InvalidRequest):
                found.check_single()
    assert set(found.values) == {name for name, _ in pairs} - {"resource"}
    assert found.resources == tuple(value for name, value in pairs if name == "resource" and value)


@given(QUERY)
def test_what_is_read_and_written_again_reads_alike(encoded: str) -> None:
    try:
        found = read_parameters(encoded)
    except InvalidRequest:
        return
    pairs = [*found.values.items(), *(("resource", value) for value in found.resources)]
    again = read_parameters("&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs))
    assert (again.values, again.resources) == (found.values, found.resources)


@given(st.lists(st.tuples(NAMES, st.just("v")), max_size=8), st.data())
def test_the_order_of_different_parameters_decides_nothing(pairs: list[tuple[str, str]], data: st.DataObject) -> None:
    def read(chosen: list[tuple[str, str]]) -> Any:
        found = read_parameters("&".join(map("=".join, chosen)))
        return found.values, sorted(found.resources), found.repeated

    assert read(pairs) == read(data.draw(st.permutations(pairs)))


@given(st.integers(MAX_PARAMETERS + 1, MAX_PARAMETERS + 50))
def test_too_many_parameters_are_refused(count: int) -> None:
    with pytest.raises(InvalidRequest):
        read_parameters("&".join(f"p{number}=1" for number in range(count)))


# --- PKCE -----------------------------------------------------------------------------------------------------------

UNRESERVED = string.ascii_letters + string.digits + "-._~"
VERIFIERS = st.text(alphabet=UNRESERVED, min_size=43, max_size=128)


@given(VERIFIERS)
def test_a_verifier_proves_its_challenge(verifier: str) -> None:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert challenge_of(verifier) == challenge
    assert is_challenge(challenge)
    assert proves(verifier, challenge)


@given(VERIFIERS, st.data())
def test_a_verifier_with_one_character_changed_proves_nothing(verifier: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(verifier) - 1))
    other = data.draw(st.sampled_from(UNRESERVED).filter(lambda char: char != verifier[at]))
    challenge = challenge_of(verifier)
    assert not proves(verifier[:at] + other + verifier[at + 1 :], challenge)
    for changed in (verifier + "\n", " " + verifier, verifier[:-1], verifier.swapcase() + "=", verifier + "\x00"):
        assert not proves(changed, challenge)
    for spelling in (challenge + "=", challenge + "\n", challenge.swapcase(), challenge[:-1], ""):
        assert spelling == challenge or not proves(verifier, spelling)


@given(st.text(alphabet=UNRESERVED, max_size=42) | st.text(alphabet=UNRESERVED, min_size=129, max_size=200))
def test_a_verifier_of_the_wrong_length_proves_not_even_its_own(verifier: str) -> None:
    assert not proves(verifier, challenge_of(verifier))


@given(st.text(min_size=43, max_size=128), st.text(max_size=60))
def test_no_text_breaks_the_comparison(verifier: str, challenge: str) -> None:
    """Neither an error (500) nor a yes, whatever a stranger sends; a challenge has passed its own check by then."""
    assume(is_challenge(challenge) or challenge.isascii())
    assert not proves(verifier, challenge)
