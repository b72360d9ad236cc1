"""Seal, tag, sign: one purpose never reaches into another, and rotation signs nobody out."""

import base64
import itertools
import os
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from vestibule.keys import KeyRing, RootKey
from vestibule.keys.ring import _P256_ORDER
from vestibule.model import Secret
from vestibule.ports import Authenticator, Sealer, SigningKeys

RING = KeyRing.temporary(os.urandom)
OLD, NEW, NEXT = (RootKey(bytes([n]) + os.urandom(31), created_at=n) for n in (1, 2, 3))


def ring(*roots: RootKey) -> KeyRing:
    return KeyRing(roots, os.urandom)


def accepted(root: RootKey) -> RootKey:
    return RootKey(root.secret, root.created_at, "accepted")


def test_a_ring_is_what_the_ports_ask_for() -> None:
    roles: tuple[Sealer, Authenticator, SigningKeys] = (RING, RING, RING)
    assert set(map(type, roles)) == {KeyRing}


# --- seal -----------------------------------------------------------------------------------------------------------


@given(st.text(), st.binary(), st.binary())
def test_what_is_sealed_opens_for_its_purpose_and_context(purpose: str, plaintext: bytes, context: bytes) -> None:
    sealed = RING.seal(purpose, plaintext, context)
    assert RING.open(purpose, sealed, context) == plaintext
    assert len(sealed) == len(plaintext) + 33


@given(st.text(), st.text(), st.binary(), st.binary())
def test_it_opens_for_no_other_purpose_or_context(purpose: str, other: str, context: bytes, another: bytes) -> None:
    opened = RING.open(other, RING.seal(purpose, b"secret", context), another)
    assert (opened == b"secret") is ((purpose, context) == (other, another))
    assert opened in (b"secret", None)


@pytest.mark.parametrize(
    ("purpose", "context"), [("ab", b"c"), ("a", b"bc"), ("abc", b""), ("", b"abc"), ("ab\0", b"")]
)
def test_purpose_and_context_do_not_flow_into_one_another(purpose: str, context: bytes) -> None:
    sealed = RING.seal(purpose, b"secret", context)
    for other, another in [("ab", b"c"), ("a", b"bc"), ("abc", b""), ("", b"abc"), ("ab", b"\0"), ("", b"\0\2abc")]:
        if (other, another) != (purpose, context):
            assert RING.open(other, sealed, another) is None


def test_a_change_in_any_byte_is_noticed() -> None:
    sealed = RING.seal("purpose", b"secret", b"context")
    for place in range(len(sealed)):  # version, key id, nonce, ciphertext, tag
        for bit in range(8):
            changed = bytearray(sealed)
            changed[place] ^= 1 << bit
            assert RING.open("purpose", bytes(changed), b"context") is None


def test_a_part_of_it_is_nothing() -> None:
    sealed = RING.seal("purpose", b"secret")
    for length in range(len(sealed)):
        assert RING.open("purpose", sealed[:length]) is None
    assert RING.open("purpose", sealed + b"\0") is None


@given(st.binary(max_size=100))
def test_what_we_did_not_seal_does_not_open(stray: bytes) -> None:
    assert RING.open("purpose", stray) is None
    assert RING.open("purpose", RING.seal("purpose", b"")[:5] + stray) is None


def test_another_ring_does_not_open_it() -> None:
    assert KeyRing.temporary(os.urandom).open("purpose", RING.seal("purpose", b"secret")) is None


def test_no_nonce_is_used_twice() -> None:
    assert len({RING.seal("purpose", b"secret")[5:17] for _ in range(2000)}) == 2000


def test_a_key_id_in_anothers_place_does_not_open() -> None:
    both = ring(OLD, NEW)
    sealed = both.seal("purpose", b"secret")
    assert sealed[1:5] == NEW.kid
    assert both.open("purpose", sealed[:1] + OLD.kid + sealed[5:]) is None


# --- tag ------------------------------------------------------------------------------------------------------------


@given(st.text(), st.binary())
def test_a_tag_is_22_characters_and_verifies(purpose: str, message: bytes) -> None:
    tag = RING.tag(purpose, message)
    assert len(base64.urlsafe_b64decode(tag + "==")) == 16
    assert len(tag) == 22
    assert RING.verify(purpose, message, tag)


@given(st.text(), st.binary(), st.text(), st.binary())
def test_a_tag_is_for_one_purpose_and_message(purpose: str, message: bytes, other: str, another: bytes) -> None:
    assert RING.verify(other, another, RING.tag(purpose, message)) is ((purpose, message) == (other, another))


@given(st.text(st.characters(exclude_categories=[])))
def test_no_other_text_verifies(stray: str) -> None:
    assert not RING.verify("purpose", b"message", stray)


def test_another_spelling_of_a_tag_does_not_verify() -> None:
    tag = RING.tag("purpose", b"message")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [tag[:-1] + char for char in alphabet if char != tag[-1]] + [tag + "==", tag + "=", " " + tag, tag + "\n"]
    same_bytes = [other for other in others if base64.urlsafe_b64decode(other.strip()[:22] + "==") == b64(tag)]
    assert len(same_bytes) >= 3
    assert not any(RING.verify("purpose", b"message", other) for other in others)


def b64(tag: str) -> bytes:
    return base64.urlsafe_b64decode(tag + "==")


# --- sign -----------------------------------------------------------------------------------------------------------


def test_the_published_keys_are_public_and_on_the_curve() -> None:
    [jwk] = RING.public_jwks()["keys"]
    assert jwk.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (jwk["kty"], jwk["crv"], jwk["use"], jwk["alg"]) == ("EC", "P-256", "sig", "ES256")
    x, y = (int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "=")) for name in "xy")
    ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()  # raises off the curve


def test_the_order_of_the_curve_is_the_standards() -> None:
    assert ec.derive_private_key(_P256_ORDER - 1, ec.SECP256R1())
    with pytest.raises(ValueError):
        ec.derive_private_key(_P256_ORDER, ec.SECP256R1())


def test_the_same_root_gives_the_same_keys_everywhere() -> None:
    one, other = ring(OLD, NEW), ring(NEW, OLD)
    assert one.public_jwks() == other.public_jwks()
    assert one.check_values() == other.check_values()
    assert other.open("purpose", one.seal("purpose", b"secret")) == b"secret"


def test_a_caller_cannot_change_what_is_published() -> None:
    RING.public_jwks()["keys"][0]["kid"] = "mine"
    RING.public_jwks()["keys"].clear()
    assert RING.public_jwks()["keys"][0]["kid"] != "mine"


# --- rotation -------------------------------------------------------------------------------------------------------


def test_the_newest_active_key_seals_and_tags() -> None:
    assert ring(NEW, OLD).seal("purpose", b"")[1:5] == NEW.kid
    assert ring(OLD, accepted(NEW)).seal("purpose", b"")[1:5] == OLD.kid
    assert ring(OLD, accepted(NEW)).tag("purpose", b"") == ring(OLD).tag("purpose", b"")


def test_a_rotation_in_two_steps_signs_nobody_out() -> None:
    """Replicas are rolled one by one: at each step the old and the new configuration run side by side."""
    steps = [ring(OLD), ring(OLD, accepted(NEW)), ring(accepted(OLD), NEW), ring(NEW)]
    for before, after in itertools.pairwise(steps):
        for writer, reader in ((before, after), (after, before)):
            assert reader.open("purpose", writer.seal("purpose", b"secret")) == b"secret"
            assert reader.verify("purpose", b"message", writer.tag("purpose", b"message"))


def test_a_dropped_key_opens_nothing() -> None:
    assert ring(NEW).open("purpose", ring(OLD).seal("purpose", b"secret")) is None
    assert not ring(NEW).verify("purpose", b"message", ring(OLD).tag("purpose", b"message"))


def test_a_ring_needs_an_active_key_and_each_once() -> None:
    for roots in ((), (accepted(OLD),), (OLD, OLD), (OLD, accepted(OLD))):
        with pytest.raises(ValueError, match="active"):
            ring(*roots)


def test_check_values_tell_rings_apart_and_nothing_else() -> None:
    values = ring(OLD, NEW, NEXT).check_values()
    assert set(values) == {root.kid.hex() for root in (OLD, NEW, NEXT)}
    assert len(set(values.values())) == 3
    assert not any(value in root.secret for value in values.values() for root in (OLD, NEW, NEXT))


# --- nothing is printed ---------------------------------------------------------------------------------------------


def test_neither_a_ring_nor_a_root_shows_its_secret() -> None:
    root = RootKey(b"0123456789abcdefghijklmnopqrstuv", created_at=1)
    shown = f"{root!r} {root} {ring(root)!r} {ring(root)}"
    assert "0123" not in shown
    assert root.secret.hex() not in shown


def test_a_ring_is_not_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(RING)


# --- from the configuration -----------------------------------------------------------------------------------------


def test_a_secret_of_the_configuration_is_a_ring() -> None:
    secret = Secret(base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode())
    one, other = KeyRing.from_secret(secret, os.urandom), KeyRing.from_secret(secret, os.urandom)
    assert other.open("purpose", one.seal("purpose", b"secret")) == b"secret"


def test_a_weak_secret_is_refused_with_reason_and_fix_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="needs 32") as refused:
        KeyRing.from_secret(Secret("q7Hs0pL2"), os.urandom)
    assert "token_urlsafe(32)" in str(refused.value)
    assert "q7Hs0pL2" not in str(refused.value)
