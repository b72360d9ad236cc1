"""A certificate authority for the run, and an environment full of proxies that nobody may use."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from .certificates import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def ca_file(authority: Authority) -> Path:
    return authority.file


@pytest.fixture(autouse=True)
def no_names_leave_this_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names, other than localhost, that the operating system was asked for. None may be left at the end."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str | bytes | None, *args: object, **kwargs: object) -> object:
        name = host.decode() if isinstance(host, bytes) else host or ""
        if name != "localhost" and not name.replace(".", "").isdigit() and ":" not in name:
            asked.append(name)
            raise socket.gaierror(f"no look-ups in tests: {name}")
        return real(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield asked
    assert not asked
