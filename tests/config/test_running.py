"""What `check` says of TLS, of workers, and of what a reload cannot change."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.config.conftest import PUBLIC, UPSTREAM, Faults, Load
from tests.support.certificates import DAY, write_certificate
from vestibule.config.notes import notes_on
from vestibule.config.tls import hsts_value
from vestibule.config.worker_rules import faults_of_change

LOCAL = f"{UPSTREAM}tls: {{certificate: server.pem, key: server.key}}\n"
OUTSIDE = f"{UPSTREAM}{PUBLIC}"


def test_a_certificate_that_fits_is_sound_and_makes_the_address_https(read: Load, tmp_path: Path) -> None:
    write_certificate(tmp_path, "127.0.0.1")
    configuration = read(LOCAL)
    assert configuration.public_url == "https://127.0.0.1:8080"
    assert notes_on(configuration, {}) == [
        "no identity provider is configured, so people use the development sign-in, without passwords"
    ]


@pytest.mark.parametrize(
    ("names", "host", "fits"),
    [
        (("mcp.example.com",), "mcp.example.com", True),
        (("MCP.example.com",), "mcp.example.com", True),
        (("*.example.com",), "mcp.example.com", True),
        (("*.example.com",), "a.mcp.example.com", False),
        (("*.example.com",), "example.com", False),
        (("*.com",), "example.com", False),
        (("example.com",), "mcp.example.com", False),
        (("other.example", "mcp.example.com"), "mcp.example.com", True),
    ],
)
def test_a_certificate_is_for_the_host_of_public_url(
    read: Load, faults: Faults, tmp_path: Path, names: tuple[str, ...], host: str, fits: bool
) -> None:
    certificate, key = write_certificate(tmp_path, *names)
    text = f"{OUTSIDE.replace('mcp.example.com', host)}tls: {{certificate: {certificate}, key: {key}}}\n"
    if fits:
        assert read(text).tls is not None
    else:
        assert f"not for the host of public_url, {host}" in faults(text)["tls.certificate"].reason


def test_an_ended_certificate_is_refused_and_one_that_ends_soon_is_told(
    read: Load, faults: Faults, tmp_path: Path
) -> None:
    write_certificate(tmp_path, "127.0.0.1", begins=-2 * DAY, ends=-DAY)
    assert "it ended on" in faults(LOCAL)["tls.certificate"].reason
    write_certificate(tmp_path, "127.0.0.1", begins=DAY)
    assert "not valid before" in faults(LOCAL)["tls.certificate"].reason
    write_certificate(tmp_path, "127.0.0.1", ends=5 * DAY + timedelta(hours=1))
    assert any("ends in 5 days" in note for note in notes_on(read(LOCAL), {}))


def test_a_key_of_another_certificate_is_refused(faults: Faults, tmp_path: Path) -> None:
    write_certificate(tmp_path, "127.0.0.1")
    _, other = write_certificate(tmp_path, "127.0.0.1", stem="other")
    (tmp_path / "server.key").write_bytes(other.read_bytes())
    assert "not the certificate's" in faults(LOCAL)["tls.key"].reason


def test_a_key_that_others_may_read_is_refused(faults: Faults, tmp_path: Path) -> None:
    _, key = write_certificate(tmp_path, "127.0.0.1")
    key.chmod(0o640)
    assert "mode 0640" in faults(LOCAL)["tls.key"].reason
    key.chmod(0o600)
    key.rename(tmp_path / "real.key")
    key.symlink_to(tmp_path / "real.key")
    assert "symbolic link" in faults(LOCAL)["tls.key"].reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n-----END ENCRYPTED PRIVATE KEY-----\n", "password"),
        ("-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----\n", "no private key"),
        ("nothing", "no private key"),
    ],
)
def test_what_is_no_key_is_refused(faults: Faults, tmp_path: Path, content: str, reason: str) -> None:
    _, key = write_certificate(tmp_path, "127.0.0.1")
    key.write_text(content)
    assert reason in faults(LOCAL)["tls.key"].reason


def test_a_key_may_come_from_a_variable(read: Load, tmp_path: Path) -> None:
    _, key = write_certificate(tmp_path, "127.0.0.1")
    text = LOCAL.replace("server.key", "env:TLS_KEY")
    assert read(text, {"TLS_KEY": key.read_text()}).tls is not None


@pytest.mark.parametrize("content", ["", "nothing", "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(faults: Faults, tmp_path: Path, content: str) -> None:
    certificate, _ = write_certificate(tmp_path, "127.0.0.1")
    certificate.write_text(content)
    assert "no certificate" in faults(LOCAL)["tls.certificate"].reason


def test_with_tls_the_public_url_is_https(faults: Faults, tmp_path: Path) -> None:
    write_certificate(tmp_path, "127.0.0.1")
    fault = faults(f"{LOCAL}public_url: http://127.0.0.1:8080\n")["public_url"]
    assert "https only" in fault.reason
    assert "https://127.0.0.1:8080" in fault.fix


def test_the_names_of_other_systems_are_taken(read: Load, tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "127.0.0.1")
    environ = {"MCP_HTTP_TLS_CERT_PATH": str(certificate), "MCP_HTTP_TLS_KEY_PATH": str(key)}
    configuration = read(UPSTREAM, environ)
    assert configuration.tls is not None
    assert configuration.tls.certificate == str(certificate)


@pytest.mark.parametrize(
    ("hsts", "value"),
    [
        ("{preload: false}", "max-age=31536000"),
        ("{max_age: 1d}", "max-age=86400"),
        ("{max_age: 0s}", "max-age=0"),
        ("{include_subdomains: true, preload: true}", "max-age=31536000; includeSubDomains; preload"),
    ],
)
def test_what_hsts_says(read: Load, hsts: str, value: str) -> None:
    assert hsts_value(read(f"{OUTSIDE}http: {{hsts: {hsts}}}\n")) == value


def test_hsts_is_not_for_loopback(read: Load, tmp_path: Path) -> None:
    write_certificate(tmp_path, "127.0.0.1")
    assert hsts_value(read(UPSTREAM)) is None
    assert hsts_value(read(LOCAL)) is None


@pytest.mark.parametrize("hsts", ["{preload: true}", "{preload: true, include_subdomains: true, max_age: 30d}"])
def test_a_preload_that_no_list_would_take_is_refused(faults: Faults, hsts: str) -> None:
    assert "http.hsts.preload" in faults(f"{OUTSIDE}http: {{hsts: {hsts}}}\n")


@pytest.mark.parametrize("limits", ["{mcp: 5/minute}", "{oauth: 5/minute}", "{upstreams: {tickets: 5/minute}}"])
def test_workers_that_would_each_count_for_themselves_are_refused(faults: Faults, read: Load, limits: str) -> None:
    text = f"{UPSTREAM}workers: 2\nlimits: {limits}\n"
    fault = faults(text)["workers"]
    assert "count for itself" in fault.reason
    assert "shared: redis://" in fault.fix
    assert read(f"{text}shared: redis://localhost:6379/0\n").processes == 2
    assert any("counts registrations" in note for note in notes_on(read(f"{UPSTREAM}workers: 2\n"), {}))


def test_workers_of_replicas_are_processes(read: Load) -> None:
    text = f"{UPSTREAM}workers: 2\nreplicas: 3\nstore: postgresql://db/x\nkeys: {{file: keys}}\n"
    assert read(text).processes == 6


def test_workers_need_a_store_that_stays(faults: Faults) -> None:
    assert "temporary" in faults(f"{UPSTREAM}workers: 2\nstore: 'sqlite://'\n")["store"].reason


def test_what_a_reload_cannot_change_is_named(read: Load, tmp_path: Path) -> None:
    write_certificate(tmp_path, "127.0.0.1")
    before = read(UPSTREAM)
    assert faults_of_change(before, read(f"{UPSTREAM}origins: ['https://app.example.com']\n")) == []
    other = f"{LOCAL}listen: 127.0.0.1:9000\nstore: sqlite:///b.db\nkeys: {{file: b}}\nworkers: 2\n"
    assert [fault.key for fault in faults_of_change(before, read(other))] == [
        "listen",
        "store",
        "keys",
        "workers",
        "tls",
    ]
