"""Secrets come by reference, from places that are private, and are never shown."""

import os
from pathlib import Path

import pytest

from tests.config.conftest import OTHER, PUBLIC, STRONG, UPSTREAM, Faults, Load
from vestibule.config import load
from vestibule.errors import ConfigurationError

CANARY = "canary-7f3a9c1e5b2d8064"


def provider_with(secret: str) -> str:
    return (
        "identity_providers: [{name: w, kind: oidc, issuer: 'https://id.example.com', client_id: x, "
        f"client_secret: '{secret}'}}]\n"
    )


def secret_file(tmp_path: Path, content: str | bytes = STRONG, mode: int = 0o600) -> Path:
    file = tmp_path / "secret"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    file.chmod(mode)
    return file


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_file_holds_a_secret_and_one_newline_at_its_end(read: Load, tmp_path: Path, ending: str) -> None:
    file = secret_file(tmp_path, STRONG + ending, 0o400)
    secret = read(f"{UPSTREAM}secret_key: file:{file}\n").secret_key
    assert secret is not None
    assert secret.reveal() == STRONG


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_may_read_is_refused(faults: Faults, tmp_path: Path, mode: int) -> None:
    fault = faults(f"{UPSTREAM}secret_key: file:{secret_file(tmp_path, mode=mode)}\n")["secret_key"]
    assert f"{mode:04o}" in fault.reason
    assert "chmod 600" in fault.fix


def test_a_link_a_folder_a_pipe_and_nothing_are_refused(faults: Faults, tmp_path: Path) -> None:
    secret_file(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    reasons = {
        name: faults(f"{UPSTREAM}secret_key: file:{tmp_path / name}\n")["secret_key"].reason
        for name in ("link", "pipe", "folder", "nothing")
    }
    assert "symbolic link" in reasons["link"]
    assert "not a regular file" in reasons["pipe"]
    assert "not a regular file" in reasons["folder"]
    assert "cannot be read" in reasons["nothing"]


@pytest.mark.parametrize("content", ["", "\n", b"\xff\xfe", "x" * 70_000])
def test_a_file_without_a_readable_secret_is_refused(faults: Faults, tmp_path: Path, content: str | bytes) -> None:
    assert "secret_key" in faults(f"{UPSTREAM}secret_key: file:{secret_file(tmp_path, content)}\n")


def test_a_variable_holds_a_secret(read: Load, faults: Faults) -> None:
    text = f"{UPSTREAM}secret_key: env:ROOT\n"
    secret = read(text, {"ROOT": STRONG}).secret_key
    assert secret is not None
    assert secret.reveal() == STRONG
    assert "not set" in faults(text)["secret_key"].reason
    assert "empty" in faults(text, {"ROOT": ""})["secret_key"].reason


def test_a_secret_in_the_file_itself_is_for_loopback_only(read: Load, faults: Faults) -> None:
    assert read(f"{UPSTREAM}secret_key: {STRONG}\n").secret_key
    fault = faults(f"{PUBLIC}{UPSTREAM}secret_key: {STRONG}\n")["secret_key"]
    assert "stands in the file" in fault.reason
    assert "env:NAME" in fault.fix


def test_a_secret_in_a_variable_of_ours_is_for_everywhere(read: Load) -> None:
    secret = read(PUBLIC + UPSTREAM, {"VESTIBULE_SECRET_KEY": STRONG}).secret_key
    assert secret is not None
    assert secret.reveal() == STRONG


def test_a_password_in_the_stores_address_is_a_secret(read: Load, faults: Faults) -> None:
    address = "postgresql://me:canary-pw@db/v"
    assert read(f"{UPSTREAM}store: {address}\n").store == address
    assert "store" in faults(f"{PUBLIC}{UPSTREAM}store: {address}\n")
    configuration = read(f"{PUBLIC}{UPSTREAM}store: env:DATABASE\n", {"DATABASE": address})
    assert configuration.store == address
    assert "canary-pw" not in repr(configuration)
    assert read(f"{PUBLIC}{UPSTREAM}store: postgresql://me@db/v\n").store


def test_keys_secret_and_secret_key_are_the_same_root(read: Load, faults: Faults) -> None:
    secret = read(f"{UPSTREAM}keys: {{secret: {STRONG}}}\n").secret_key
    assert secret is not None
    assert secret.reveal() == STRONG
    assert "secret_key" in faults(f"{UPSTREAM}keys: {{secret: {STRONG}}}\nsecret_key: {OTHER}\n")
    assert "keys.file" in faults(f"{UPSTREAM}keys: {{secret: {STRONG}, file: k}}\n")


@pytest.mark.parametrize(
    "weak", ["changeme", "a" * 32, "a" * 64, "0123456789abcdef" * 4, "secret", "your-secret-key-here", "short"]
)
def test_a_weak_root_secret_is_refused_wherever_it_stands(faults: Faults, weak: str) -> None:
    for text, environ, key in (
        (f"{UPSTREAM}secret_key: '{weak}'\n", {}, "secret_key"),
        (f"{UPSTREAM}keys: {{secret: '{weak}'}}\n", {}, "keys.secret"),
        (PUBLIC + UPSTREAM, {"VESTIBULE_SECRET_KEY": weak}, "secret_key"),
    ):
        fault = faults(text, environ)[key]
        assert "token_urlsafe" in fault.fix
        assert weak not in fault.reason


@pytest.mark.parametrize(
    "sample",
    ["changeme", "secret", "client-secret", "your-client-secret", "<secret>", "${SECRET}", "xxxxxxxx", "Password1"],
)
def test_a_sample_is_no_secret(faults: Faults, sample: str) -> None:
    assert "sample" in faults(UPSTREAM + provider_with(sample))["identity_providers[0].client_secret"].reason


@pytest.mark.parametrize(
    "real", ["Abc8Q~9xKd.fGh2JkLmN", "GOCSPX-4fJ2kLm9QxWz", "secret_4fJ2kLm9QxWz7Rt", "hunter2-upstream-secret"]
)
def test_a_providers_own_secret_is_taken_as_it_is(read: Load, real: str) -> None:
    assert read(UPSTREAM + provider_with(real))


def test_one_secret_has_one_use(read: Load, faults: Faults) -> None:
    found = faults(UPSTREAM + provider_with(STRONG) + f"secret_key: {STRONG}\n")
    assert "the same secret as secret_key" in found["identity_providers[0].client_secret"].reason
    credential = f"credential: {{kind: static, header: x-key, value: {STRONG}}}"
    twice = "upstreams:\n" + "".join(
        f"  - {{name: u{number}, url: 'http://127.0.0.1:{number}/mcp', {credential}}}\n" for number in (1, 2)
    )
    assert read(twice)  # two upstreams may know us by one key
    assert "upstreams[0].credential.value" in faults(f"{twice}secret_key: {STRONG}\n")


def test_no_secret_is_ever_shown(read: Load, tmp_path: Path) -> None:
    file = secret_file(tmp_path, CANARY)
    sound = read(UPSTREAM + provider_with(f"file:{file}"))
    assert CANARY not in repr(sound) + str(sound) + str(sound.model_dump()) + sound.model_dump_json()
    for text, environ in (
        (f"{PUBLIC}{UPSTREAM}secret_key: {CANARY}\n", {}),
        (f"{UPSTREAM}secret_key: {CANARY}\nlisten: [{CANARY}]\nclientsecret: {CANARY}\n", {}),
        (f"{UPSTREAM}listen: {CANARY}\npublic_url: https://u:{CANARY}@h\nreplicas: {CANARY}\n", {}),
        (f"{UPSTREAM}trusted_proxies: [{CANARY}]\norigins: [{CANARY}]\ntokens: {{refresh_grace: {CANARY}}}\n", {}),
        (f"upstreams: [{{name: a, url: 'https://u:{CANARY}@h/mcp'}}]\nstore: 'mysql://u:{CANARY}@h'\n", {}),
        (UPSTREAM, {"VESTIBULE_SECRET_KEYS": CANARY, "VESTIBULE_SECRET_KEY": CANARY, "LOG_LEVEL": CANARY}),
        (f"{UPSTREAM}logging: {{level: {CANARY}}}\nkeys: {CANARY}\n", {}),
        (f"{UPSTREAM}secret_key: [ {CANARY}\n", {}),
        (f"{UPSTREAM}secret_key: &{CANARY} x\n", {}),
    ):
        with pytest.raises(ConfigurationError) as caught:
            read(text, environ)
        assert CANARY not in f"{caught.value.faults!r} {caught.value}"


def test_a_key_file_that_others_may_read_is_refused(faults: Faults, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("{}")
    file.chmod(0o644)
    assert "0644" in faults(f"{UPSTREAM}keys: {{file: {file}}}\n")["keys.file"].reason
    (tmp_path / "link").symlink_to(file)
    assert "symbolic link" in faults(f"{UPSTREAM}keys: {{file: {tmp_path / 'link'}}}\n")["keys.file"].reason


def test_load_looks_at_no_environment_but_the_one_it_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VESTIBULE_LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("ROOT", STRONG)
    (tmp_path / "vestibule.yaml").write_text(f"{UPSTREAM}secret_key: env:ROOT\n")
    with pytest.raises(ConfigurationError) as caught:
        load(file=None, environ={})
    assert [fault.key for fault in caught.value.faults] == ["secret_key"]


@pytest.mark.parametrize(("secret", "reason"), [("changeme", "sample"), (STRONG, "the same secret as secret_key")])
def test_what_an_issuer_is_asked_with_is_a_secret_like_the_others(faults: Faults, secret: str, reason: str) -> None:
    issuer = "{issuer: 'https://id.example.com', kind: introspection, client_id: x, client_secret: env:S}"
    text = f"{UPSTREAM}secret_key: env:K\nresource_server: {{issuers: [{issuer}]}}\n"
    found = faults(text, {"S": secret, "K": STRONG})
    assert reason in found["resource_server.issuers[0].client_secret"].reason


def test_one_application_may_sign_people_in_and_ask_about_tokens(read: Load) -> None:
    issuer = "{issuer: 'https://id.example.com', kind: introspection, client_id: x, client_secret: env:S}"
    text = f"{UPSTREAM}{provider_with('env:S')}resource_server: {{issuers: [{issuer}]}}\n"
    assert read(text, {"S": OTHER}).resource_server.issuers
