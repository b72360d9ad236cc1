"""Identity in header lines: no value can be anything but one value of its own line."""

from datetime import UTC, datetime
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from vestibule.model import Principal
from vestibule.protocol.vouching import NOTHING, identity_lines

TEXT = st.text(max_size=40)


def principal(**changes: object) -> Principal:
    values = {
        "issuer": "https://door.example",
        "subject": "ada",
        "user": "work:ada",
        "tenant": "default",
        "client_id": "desk",
        "scopes": frozenset({"mcp"}),
        "resource": "https://door.example/mcp",
        "grant_id": "g",
        "token_id": "t",
        "expires_at": datetime(2100, 1, 1, tzinfo=UTC),
    }
    return Principal(**{**values, **changes})  # type: ignore[arg-type]


def lines(who: Principal | None) -> dict[bytes, bytes]:
    return dict(identity_lines(who))


@given(TEXT)
def test_a_value_comes_out_as_it_went_in(subject: str) -> None:
    value = lines(principal(subject=subject))[b"x-vestibule-subject"]
    assert all(0x21 <= byte <= 0x7E for byte in value)
    assert ("" if value == NOTHING else unquote(value.decode())) == subject


@given(st.frozensets(st.text(min_size=1, max_size=20), max_size=5))
def test_a_list_has_as_many_members_as_went_in(roles: frozenset[str]) -> None:
    value = lines(principal(roles=roles))[b"x-vestibule-roles"]
    members = [] if value == NOTHING else value.decode().split(" ")
    assert {unquote(one) for one in members} == roles
    assert len(members) == len(roles)


def test_nobody_is_taken_for_somebody_who_is_called_so() -> None:
    assert lines(principal(subject="-"))[b"x-vestibule-subject"] == b"%2D"
    assert lines(principal(roles=frozenset({"-"})))[b"x-vestibule-roles"] == b"%2D"
    assert set(lines(None).values()) == {NOTHING}


def test_there_are_as_many_lines_for_everybody() -> None:
    assert lines(None).keys() == lines(principal()).keys() == lines(principal(roles=frozenset({"a"}))).keys()


def test_no_value_ends_its_line() -> None:
    value = lines(principal(client_id="a\r\nX-Vestibule-Roles: admin"))[b"x-vestibule-client"]
    assert value == b"a%0D%0AX-Vestibule-Roles:%20admin"
