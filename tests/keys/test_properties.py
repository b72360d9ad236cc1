"""Sealed values and the tokens that are made of them: nothing that anybody changes, mixes or misplaces opens."""

import os
import string

from hypothesis import given
from hypothesis import strategies as st

from vestibule.authorization_server.consent import CSRF_PURPOSE, VERIFIER_PURPOSE
from vestibule.authorization_server.grants.refresh_token import SUCCESSOR_PURPOSE
from vestibule.errors import InvalidToken
from vestibule.identity_providers.development import PURPOSE as DEVELOPMENT_PURPOSE
from vestibule.keys import KeyRing, RootKey
from vestibule.protocol.access_token import PREFIX, read_token, write_token
from vestibule.protocol.access_token import PURPOSE as ACCESS_PURPOSE

OLD, NEW = RootKey(os.urandom(32), 1, "accepted"), RootKey(os.urandom(32), 2)
RING = KeyRing([OLD, NEW], os.urandom)
BEFORE = KeyRing([RootKey(OLD.secret, 1)], os.urandom)  # what sealed with the old key

PURPOSES = st.sampled_from([ACCESS_PURPOSE, SUCCESSOR_PURPOSE, VERIFIER_PURPOSE, DEVELOPMENT_PURPOSE, CSRF_PURPOSE])
PLAIN = st.binary(max_size=200)
CONTEXTS = st.binary(max_size=40)
RINGS = st.sampled_from([RING, BEFORE])
WHERE = (slice(0, 1), slice(1, 5), slice(5, 17), slice(17, -16), slice(-16, None))  # version, key, nonce, text, tag


@given(RINGS, PURPOSES, PLAIN, CONTEXTS, st.data())
def test_any_bit_that_is_flipped_closes_it(
    ring: KeyRing, purpose: str, plain: bytes, context: bytes, data: st.DataObject
) -> None:
    sealed = bytearray(ring.seal(purpose, plain, context))
    assert RING.open(purpose, bytes(sealed), context) == plain
    for bit in data.draw(st.sets(st.integers(0, len(sealed) * 8 - 1), min_size=1, max_size=4)):
        sealed[bit // 8] ^= 1 << bit % 8
    assert RING.open(purpose, bytes(sealed), context) is None


@given(st.tuples(RINGS, RINGS), PURPOSES, st.binary(min_size=8, max_size=30), st.data())
def test_parts_of_two_values_make_no_third(
    rings: tuple[KeyRing, KeyRing], purpose: str, plain: bytes, data: st.DataObject
) -> None:
    values = [ring.seal(purpose, text) for ring, text in zip(rings, (plain, plain[::-1] + b"x"), strict=True)]
    picks = data.draw(st.tuples(*[st.integers(0, 1)] * len(WHERE)))
    mixed = b"".join(values[pick][where] for pick, where in zip(picks, WHERE, strict=True))
    assert RING.open(purpose, mixed) == (
        plain if mixed == values[0] else plain[::-1] + b"x" if mixed == values[1] else None
    )


@given(PURPOSES, PURPOSES, PLAIN, CONTEXTS, CONTEXTS)
def test_no_purpose_of_the_product_opens_anothers_values(
    purpose: str, other: str, plain: bytes, context: bytes, another: bytes
) -> None:
    opened = RING.open(other, RING.seal(purpose, plain, context), another)
    assert opened == (plain if (purpose, context) == (other, another) else None)


@given(PURPOSES, PLAIN, st.integers(1, 40), st.binary(min_size=1, max_size=40))
def test_a_part_of_it_or_more_than_it_does_not_open(purpose: str, plain: bytes, less: int, more: bytes) -> None:
    sealed = RING.seal(purpose, plain)
    for changed in (sealed[:-less], sealed[less:], sealed + more, more + sealed, sealed[:17] + more + sealed[17:]):
        assert RING.open(purpose, changed) is None


@given(PLAIN, st.data())
def test_a_token_has_one_spelling(plain: bytes, data: st.DataObject) -> None:
    """A second one would get past whatever remembers tokens by their digest."""
    token = write_token(RING.seal(ACCESS_PURPOSE, plain))
    assert RING.open(ACCESS_PURPOSE, read_token(token)) == plain
    at = data.draw(st.integers(0, len(token)))
    char = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_=+/ \n.%\x00é"))
    for changed in (token[:at] + char + token[at:], token[:at] + char + token[at + 1 :], token[:at] + token[at + 1 :]):
        if changed != token:
            assert not opens(changed), (at, char)
    for changed in (
        token.removeprefix(PREFIX),
        PREFIX + token,
        token + "=",
        token.replace("-", "+") + " ",
        f" {token}",
    ):
        assert not opens(changed)


@given(PLAIN)
def test_its_last_character_says_nothing_that_is_not_read(plain: bytes) -> None:
    """base64 leaves up to four bits of it unused, and Python's strict mode does not look at them."""
    token = write_token(RING.seal(ACCESS_PURPOSE, plain))
    alphabet = string.ascii_letters + string.digits + "-_"
    assert [char for char in alphabet if opens(token[:-1] + char)] == [token[-1]]


def opens(token: str) -> bool:
    try:
        return RING.open(ACCESS_PURPOSE, read_token(token)) is not None
    except InvalidToken:
        return False
