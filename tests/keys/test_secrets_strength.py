"""Which root secrets are refused: everything that a person would type."""

import base64
import os
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.protocol.secrets_strength import check_root_secret, decode_root_secret


@pytest.mark.parametrize(
    ("weak", "reason"),
    [
        ("", "empty"),
        ("changeme", "sample"),
        ("change-me-to-something-random-and-long-please", "sample"),
        ("CHANGE_THIS_SECRET_KEY_IN_PRODUCTION_0123456789", "sample"),
        ("your-key-here-your-key-here-your-key-here-your", "sample"),
        ("my-vestibule-root-value-that-is-long-enough-42", "sample"),
        ("deadbeef" * 8, "sample"),
        ("a" * 32, "needs 32"),
        ("a" * 64, "different bytes"),
        ("A" * 43, "different bytes"),
        ("0" * 64, "different bytes"),
        ("hunter2", "needs 32"),
        ("not base64 at all, and long enough to be a key!", "neither"),
        ("abc", "bytes"),
        ("passwordpasswordpasswordpasswordpassword1234", "sample"),
        (bytes(range(32)).hex(), "pattern"),
        (bytes(range(255, 191, -2)).hex(), "pattern"),
        ((bytes(range(7, 23)) * 2).hex(), "pattern"),
        ((os.urandom(20) * 2).hex(), "pattern"),
        (base64.b64encode(b"the quick brown fox jumps over it").decode(), "readable text"),
        (secrets.token_hex(31), "needs 32"),
        (secrets.token_urlsafe(32) + "\n", "neither"),
        (" " + secrets.token_urlsafe(32), "neither"),
    ],
)
def test_a_weak_secret_is_refused_with_its_reason(weak: str, reason: str) -> None:
    found = check_root_secret(weak)
    assert found is not None
    assert reason in found
    assert not weak or weak not in found


@given(st.binary(min_size=32, max_size=64).filter(lambda value: len(set(value)) > 24))
def test_random_bytes_are_read_in_every_common_spelling(value: bytes) -> None:
    standard, urlsafe = base64.b64encode(value).decode(), base64.urlsafe_b64encode(value).decode()
    for text in (standard, standard.rstrip("="), urlsafe, urlsafe.rstrip("="), value.hex(), value.hex().upper()):
        assert decode_root_secret(text) == value or text.isalnum()


def test_what_our_advice_makes_is_accepted() -> None:
    for _ in range(2000):
        assert check_root_secret(secrets.token_urlsafe(32)) is None
        assert check_root_secret(secrets.token_hex(32)) is None
        assert check_root_secret(base64.b64encode(os.urandom(32)).decode()) is None


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_gets_an_answer(text: str) -> None:
    reason = check_root_secret(text)
    assert (reason is None) <= (decode_root_secret(text) is not None)
