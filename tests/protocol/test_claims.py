"""Claims become roles only as the configuration says, and only within limits."""

from typing import Any

import pytest

from vestibule.protocol.claims import MAX_ROLES, plain_email, roles_from, verified_email

CLAIMS: dict[str, Any] = {
    "roles": ["Reader", "Writer"],
    "groups": "one",
    "realm_access": {"roles": ["offline_access"]},
    "https://example.com/roles": ["auth0"],
}


@pytest.mark.parametrize(
    ("paths", "roles"),
    [
        (["roles"], {"Reader", "Writer"}),
        (["groups"], {"one"}),
        (["realm_access.roles"], {"offline_access"}),
        (["https://example.com/roles"], {"auth0"}),
        (["roles", "groups"], {"Reader", "Writer", "one"}),
        (["realm_access"], set()),
        (["realm_access.roles.x"], set()),
        (["missing", ""], set()),
        ([], set()),
    ],
)
def test_paths(paths: list[str], roles: set[str]) -> None:
    assert roles_from(CLAIMS, paths, {}) == roles


def test_values_are_renamed_and_nobody_takes_a_new_name_by_calling_a_group_so() -> None:
    names = {"6f4f": "admin"}
    assert roles_from({"groups": ["6f4f", "x"]}, ["groups"], names) == {"admin", "x"}
    assert roles_from({"groups": ["admin", "x"]}, ["groups"], names) == {"x"}
    assert roles_from({"groups": ["admin"]}, ["groups"], {"admin": "admin"}) == {"admin"}


@pytest.mark.parametrize(
    "value", [1, True, None, {"a": "b"}, [["x"]], "", " x", "x\x00", "x" * 129, "\u202ex", "\ud800"]
)
def test_what_is_no_role(value: Any) -> None:
    assert roles_from({"r": value}, ["r"], {}) == frozenset()
    assert roles_from({"r": [value]}, ["r"], {}) == frozenset()


def test_there_are_not_too_many_and_those_that_have_names_come_first() -> None:
    roles = roles_from({"groups": [*(f"g{n:05}" for n in range(4000)), "zz"]}, ["groups"], {"zz": "operator"})
    assert len(roles) == MAX_ROLES
    assert "operator" in roles


@pytest.mark.parametrize("verified", [False, "true", 1, None])
def test_an_address_is_one_that_the_provider_calls_verified(verified: Any) -> None:
    assert verified_email({"email": "ada@example.com", "email_verified": verified}) == ""
    assert verified_email({"email": "ada@example.com", "email_verified": True}) == "ada@example.com"


def test_an_address_has_one_at_sign() -> None:
    assert plain_email("ada@evil.example@corp.example") == plain_email("ada") == ""
