"""One TLS context for the process, which verifies."""

import platform
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from vestibule.outbound import tls
from vestibule.outbound.tls import client_context


def test_everybody_gets_the_same_one(ca_file: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        contexts = set(threads.map(lambda _: client_context(ca_file), range(8)))
    assert contexts == {client_context(ca_file)}
    assert client_context() is client_context()
    assert client_context() is not client_context(ca_file)


def test_it_is_built_once_even_when_many_ask_at_once(
    monkeypatch: pytest.MonkeyPatch, ca_file: Path, tmp_path: Path
) -> None:
    built = []

    def slowly() -> ssl.SSLContext:
        built.append(1)
        time.sleep(0.05)
        return ssl.create_default_context()

    monkeypatch.setattr(tls, "_system_context", slowly)
    copy = tmp_path / "copy.pem"
    copy.write_bytes(ca_file.read_bytes())
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: client_context(copy), range(8)))) == 1
    assert built == [1]


def test_it_verifies_names_and_chains(ca_file: Path) -> None:
    for context in (client_context(), client_context(ca_file)):
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def names_in(context: ssl.SSLContext) -> set[str]:
    return {str(certificate["subject"]) for certificate in context.get_ca_certs()}


def test_the_operators_authority_is_added_for_those_who_name_it(ca_file: Path) -> None:
    assert any("Test authority" in name for name in names_in(client_context(ca_file)))
    assert not any("Test authority" in name for name in names_in(client_context()))


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_a_file_that_is_no_authority_raises(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(OSError, match=r"."):
        client_context(file)


def test_a_python_that_looks_in_the_wrong_place_is_shown_the_right_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ca_file: Path
) -> None:
    """A Python from uv has an OpenSSL that was built on another distribution: it would trust nobody."""
    (tmp_path / "README").write_text("no certificates here")
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / "nothing"))
    paths = SimpleNamespace(cafile=None, capath=str(tmp_path))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr(tls, "_BUNDLES", (str(tmp_path / "nothing"), str(ca_file)))
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    assert any("Test authority" in name for name in names_in(tls._system_context()))
    (tmp_path / "0123abcd.0").write_text("a certificate by its hash")
    assert names_in(tls._system_context()) == set()
