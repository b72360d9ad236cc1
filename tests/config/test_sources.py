"""Where values come from: the file, the environment, the command line; and that all faults come at once."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.config.conftest import PUBLIC, UPSTREAM, Faults, Load
from vestibule.config import load
from vestibule.errors import ConfigurationError


def test_an_upstream_on_loopback_is_all_that_is_needed(read: Load) -> None:
    configuration = read(UPSTREAM)
    assert configuration.issuer == "http://127.0.0.1:8080"
    assert configuration.is_loopback
    assert (configuration.host, configuration.port) == ("127.0.0.1", 8080)
    assert configuration.upstreams[0].access == "required"
    assert configuration.tokens.access_token_lifetime == timedelta(minutes=10)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(read: Load) -> None:
    text = f"{UPSTREAM}listen: 127.0.0.1:1001\nlogging: {{level: error, format: json}}\n"
    assert read(text).port == 1001
    environ = {"VESTIBULE_LISTEN": "127.0.0.1:1002", "VESTIBULE_LOGGING__LEVEL": "warning"}
    assert read(text, environ).port == 1002
    configuration = read(text, environ, listen="127.0.0.1:1003", logging={"level": "debug"})
    assert configuration.port == 1003
    assert (configuration.logging.level, configuration.logging.format) == ("debug", "json")


def test_a_list_on_the_command_line_takes_the_place_of_the_files(read: Load) -> None:
    configuration = read(UPSTREAM, upstreams=[{"name": "other", "url": "http://localhost:4000/mcp"}])
    assert [upstream.name for upstream in configuration.upstreams] == ["other"]


def test_the_file_is_the_named_one_then_the_variables_then_the_one_that_lies_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("vestibule.yaml", "second.yaml", "third.yaml")):
        (tmp_path / name).write_text(f"{UPSTREAM}listen: 127.0.0.1:200{number}\n")
    assert load(file=None, environ={}).port == 2000
    assert load(file=None, environ={"VESTIBULE_CONFIG": "second.yaml"}).port == 2001
    assert load(file=Path("third.yaml"), environ={"VESTIBULE_CONFIG": "second.yaml"}).port == 2002


def test_a_file_that_is_named_and_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(file=tmp_path / "nowhere.yaml", environ={})
    assert "no such file" in caught.value.faults[0].reason


def test_items_of_lists_have_their_number_in_the_variable(read: Load) -> None:
    environ = {
        "VESTIBULE_UPSTREAMS__0__URL": "http://127.0.0.1:9/mcp",
        "VESTIBULE_UPSTREAMS__1__NAME": "second",
        "VESTIBULE_UPSTREAMS__1__URL": "http://127.0.0.1:10/mcp",
        "VESTIBULE_UPSTREAMS__1__SCOPES__DEFAULT": "[a, b]",
    }
    first, second = read(UPSTREAM, environ).upstreams
    assert (first.name, first.url) == ("tickets", "http://127.0.0.1:9/mcp")
    assert (second.name, second.scopes.default) == ("second", ("a", "b"))


def test_a_list_of_more_than_ten_comes_from_the_environment(read: Load) -> None:
    environ = {f"VESTIBULE_ORIGINS__{number}": f"https://a{number}.example" for number in range(12)}
    assert read(UPSTREAM, environ).origins == tuple(f"https://a{number}.example" for number in range(12))


def test_a_gap_in_a_list_is_a_fault(faults: Faults) -> None:
    assert "VESTIBULE_UPSTREAMS__3__URL" in faults(UPSTREAM, {"VESTIBULE_UPSTREAMS__3__URL": "http://127.0.0.1/mcp"})


def test_text_in_a_variable_is_taken_to_the_letter(read: Load) -> None:
    text = UPSTREAM + "identity_providers: [{name: w, kind: oidc, issuer: 'https://id.example.com', client_id: x}]\n"
    environ = {"VESTIBULE_IDENTITY_PROVIDERS__0__CLIENT_ID": "0123", "VESTIBULE_REPLICAS": "1"}
    provider = read(text, environ).identity_providers[0]
    assert provider.kind == "oidc"
    assert provider.client_id == "0123"


def test_an_unknown_variable_is_a_fault_with_its_name(faults: Faults) -> None:
    found = faults(UPSTREAM, {"VESTIBULE_LISTNE": "127.0.0.1:1", "VESTIBULE_TOKENS__REFRESH_GRACES": "1s"})
    assert found["listne"].source == "VESTIBULE_LISTNE"
    assert found["listne"].fix == "did you mean listen?"
    assert found["tokens.refresh_graces"].fix == "did you mean refresh_grace?"


def test_a_variable_that_the_file_refers_to_is_not_taken_for_a_key(read: Load) -> None:
    text = (
        f"{UPSTREAM}clients: [{{client_id: a, redirect_uris: ['https://a/cb'], client_secret: env:VESTIBULE_DESK}}]\n"
    )
    secret = read(text, {"VESTIBULE_DESK": "Zk1Vb7Qw9Xr3Tn5Ym2Lp"}).clients[0].client_secret
    assert secret is not None
    assert secret.reveal() == "Zk1Vb7Qw9Xr3Tn5Ym2Lp"


@pytest.mark.parametrize(
    ("environ", "key", "value"),
    [
        ({"MCP_PORT": "9000"}, "listen", "127.0.0.1:9000"),
        ({"MCP_HTTP_HOST": "localhost", "MCP_HTTP_PORT": "9001", "MCP_PORT": "9000"}, "listen", "localhost:9001"),
        ({"MCP_HTTP_HOST": "::1"}, "listen", "[::1]:8080"),
        ({"DATABASE_URL": "sqlite:///a.db"}, "store", "sqlite:///a.db"),
        (
            {"DATABASE_URL": "sqlite:///a.db", "MCP_HTTP_DATABASE_CONNECTION_STRING": "postgresql://u:p@h/d"},
            "store",
            "postgresql://u:p@h/d",
        ),
        (
            {"MCP_HTTP_CORS_ORIGINS": "https://a.example, https://b.example"},
            "origins",
            ("https://a.example", "https://b.example"),
        ),
        ({"MCP_HTTP_CORS_ORIGINS": '["https://a.example"]'}, "origins", ("https://a.example",)),
    ],
)
def test_names_of_other_systems_are_understood(read: Load, environ: dict[str, str], key: str, value: object) -> None:
    assert getattr(read(UPSTREAM, environ), key) == value


@pytest.mark.parametrize(("theirs", "ours"), [("INFO", "info"), ("WARN", "warning"), ("Critical", "error")])
def test_log_level_is_understood_in_their_words(read: Load, theirs: str, ours: str) -> None:
    assert read(UPSTREAM, {"LOG_LEVEL": theirs}).logging.level == ours


def test_the_file_wins_over_the_names_of_other_systems(read: Load) -> None:
    text = f"{UPSTREAM}store: sqlite:///mine.db\n"
    assert read(text, {"DATABASE_URL": "postgresql://elsewhere/db"}).store == "sqlite:///mine.db"


def test_the_paths_of_a_certificate_are_taken(faults: Faults, tmp_path: Path) -> None:
    environ = {"MCP_HTTP_TLS_CERT_PATH": str(tmp_path / "c.pem"), "MCP_HTTP_TLS_KEY_PATH": str(tmp_path / "k.pem")}
    found = faults(UPSTREAM, environ)
    assert "cannot be read" in found["tls.key"].reason
    (tmp_path / "k.pem").write_text("x")
    (tmp_path / "k.pem").chmod(0o600)
    assert "cannot be read" in faults(UPSTREAM, environ)["tls.certificate"].reason


def test_all_faults_come_at_once_in_the_order_of_the_file(read: Load) -> None:
    text = f"""\
{PUBLIC}listen: nowhere
listne: 1
forward_authorization: true
trusted_proxies: [0.0.0.0/0]
upstreams:
  - {{name: mcp, url: 'http://10.0.0.5/mcp', credential: {{kind: static, value: env:NOT_SET}}}}
  - {{url: 'ftp://x'}}
tokens: {{refresh_grace: 5m}}
replicas: 2
policy: {{file: policy.yaml}}
"""
    with pytest.raises(ConfigurationError) as caught:
        read(text, {"VESTIBULE_STORE": ""})
    keys = [fault.key for fault in caught.value.faults]
    assert set(keys) >= {
        "listen",
        "listne",
        "forward_authorization",
        "trusted_proxies[0]",
        "upstreams[0].name",
        "upstreams[0].credential.value",
        "upstreams[1].name",
        "upstreams[1].url",
        "tokens.refresh_grace",
        "replicas",
        "policy.file",
        "VESTIBULE_STORE",
    }
    lines = [int(fault.source.rpartition(":")[2]) for fault in caught.value.faults if ".yaml:" in fault.source]
    assert lines == sorted(lines)


def test_what_could_not_be_read_has_no_second_fault(faults: Faults) -> None:
    assert set(faults(f"{UPSTREAM}public_url: 'http://10.1.1.1/?x'\n")) == {"public_url"}
