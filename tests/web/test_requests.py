"""Requests to the control plane as they are read: cookies byte for byte, and people who leave."""

import asyncio

import pytest

from tests.support.house import Door
from tests.support.wire import Wire, head
from vestibule.web.cookies import cookie_value

NAME = "__Host-vestibule_session"


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ([b"__Host-vestibule_session=v"], "v"),
        ([b"a=1; __Host-vestibule_session=v; b=2"], "v"),
        ([b"a=1;\t __Host-vestibule_session \t= v "], "v"),
        ([b"a=1", b"__Host-vestibule_session=v"], "v"),
        ([b"__Host-vestibule_session=a=b"], "a=b"),
        ([b"__Host-vestibule_session=v; __Host-vestibule_session=w"], ""),
        ([b"__Host-vestibule_session=v", b"__Host-vestibule_session=v"], ""),
        ([b"__host-vestibule_session=v"], ""),
        ([b"__Host-vestibule_session"], ""),
        ([b"=__Host-vestibule_session=v"], ""),
        ([b'"__Host-vestibule_session"=v'], ""),
        ([b"__Host-vestibule_session=" + b"v" * 201], ""),
        ([b"__Host-vestibule_session=\xff"], ""),
        ([], ""),
    ],
)
def test_a_cookie_is_ours_by_its_exact_name_once(lines: list[bytes], value: str) -> None:
    assert cookie_value(lines, NAME) == value


@pytest.mark.parametrize("byte", [*range(0x09), *range(0x0A, 0x20), *range(0x7F, 0x100)])
@pytest.mark.parametrize("form", [b"%b__Host-vestibule_session=v", b"__Host-vestibule_session%b=v"])
def test_only_space_and_tab_are_white_in_a_cookie_header(byte: int, form: bytes) -> None:
    assert cookie_value([form % bytes([byte])], NAME) == ""


async def test_hanging_up_in_the_middle_of_a_form_is_no_error_of_ours(
    door: Door, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever knocks and leaves must not be able to fill the log with our failures."""
    async with Wire(door.url) as wire:
        await wire.send(
            head(wire.host, "Content-Type: application/x-www-form-urlencoded", "Content-Length: 100", path="/token")
        )
        await asyncio.sleep(0.2)
    await asyncio.sleep(0.5)
    assert not [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "request_failed" not in capsys.readouterr().out
