"""Area `config` of the catalogue, with the real program: it does not start, says why in one line, nothing listens."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.parts.processes import free_port

CANARY = "c4n4ry-9f8e7d6c5b4a3210"
STRONG = "q3Xc8VbWm1tYd0Zr7Nf2Kp9Lh5Gs4Jw6Ea-TuIoPyQk"
UPSTREAM = "upstreams: [{name: tickets, url: 'http://127.0.0.1:3999/mcp'}]\n"
ISSUER = UPSTREAM + "resource_server: {issuers: [{issuer: 'https://id.example.com'%s}]}\n"
PUBLIC = (
    "public_url: https://gw.example.com\n"
    "identity_providers: [{name: work, kind: oidc, issuer: 'https://id.example.com', client_id: gateway%s}]\n"
)


@dataclass(frozen=True)
class Case:
    """A configuration that must not start, and what the one line about it says."""

    ids: str
    text: str
    key: str
    says: str
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.ids} {self.key} {self.says}"


CASES = [
    Case("CFG-001", f"{UPSTREAM}secret_key: changeme\n", "secret_key", "sample"),
    Case("CFG-001", f"{UPSTREAM}secret_key: {'a' * 32}\n", "secret_key", "make one with"),
    Case("CFG-001", f"{UPSTREAM}keys: {{secret: your-256-bit-secret-your-256-bit-secret}}\n", "keys.secret", "sample"),
    Case("CFG-001", PUBLIC % "" + UPSTREAM, "secret_key", "sample", {"VESTIBULE_SECRET_KEY": "changeme"}),
    Case("CFG-003", f"{UPSTREAM}public_url: https://gw/?x\n", "public_url", "query"),
    Case("CFG-003", f"{UPSTREAM}public_url: https://gw/#x\n", "public_url", "fragment"),
    Case("CFG-003", f"{UPSTREAM}public_url: https://gw/\n", "public_url", "slash"),
    Case("CFG-003", f"{UPSTREAM}issuer: https://gw/?x\n", "issuer", "public_url"),
    Case("CFG-004", f"{UPSTREAM}trusted_proxies: [0.0.0.0/0]\n", "trusted_proxies[0]", "everybody"),
    Case("CFG-004", f"{UPSTREAM}trusted_proxies: ['::/0']\n", "trusted_proxies[0]", "everybody"),
    Case("CFG-005", f"{UPSTREAM}resource_server: {{audiences: []}}\n", "resource_server.audiences", "anybody"),
    Case("CFG-005", f"{UPSTREAM}audiences: []\n", "audiences", "anybody"),
    Case("CFG-005", f"{UPSTREAM}resource_server: {{mode: cloud}}\n", "resource_server.issuers", "nobody's tokens"),
    Case("CFG-005", ISSUER % ", algorithms: []", "resource_server.issuers[0].algorithms", "any signature"),
    Case("CFG-005", ISSUER % ", audiences: []", "resource_server.issuers[0].audiences", "anybody"),
    Case("CFG-006", ISSUER % ", algorithms: [RS256, HS256]", "resource_server.issuers[0].algorithms", "shared secret"),
    Case("CFG-006", ISSUER % ", algorithms: [none]", "resource_server.issuers[0].algorithms", "no signature"),
    Case("CFG-006", ISSUER % ", algorithms: [HS256]", "resource_server.issuers[0].algorithms[0]", ""),
    Case(
        "CFG-012",
        f"{UPSTREAM}resource_server: {{issuers: ['https://login.microsoftonline.com/common/v2.0']}}\n",
        "resource_server.issuers[0].tenants",
        "everybody",
    ),
    Case("CFG-006", f"{UPSTREAM}algorithms: [RS256, HS256]\n", "algorithms", "shared secret"),
    Case(
        "CFG-006", f"{UPSTREAM}resource_server: {{algorithms: [none]}}\n", "resource_server.algorithms", "no signature"
    ),
    Case("CFG-007", f"{UPSTREAM}cors_origins: ['*']\n", "cors_origins[0]", "every web page"),
    Case(
        "CFG-007",
        UPSTREAM + "clients: [{client_id: a, redirect_uris: ['https://app.example/*']}]\n",
        "clients[0].redirect_uris[0]",
        "wildcards",
    ),
    Case(
        "CFG-009",
        "upstreams: [{name: a, url: 'http://10.0.0.5', credential: {kind: static, value: env:KEY}}]\n",
        "upstreams[0].url",
        "in clear",
        {"KEY": CANARY},
    ),
    Case("CFG-010", f"{UPSTREAM}forward_authorization: true\n", "forward_authorization", "never goes to an upstream"),
    Case(
        "CFG-010",
        "upstreams: [{name: a, url: 'http://127.0.0.1:3999/mcp', token_passthrough: true}]\n",
        "upstreams[0].token_passthrough",
        "never goes to an upstream",
    ),
    Case(
        "CFG-011",
        UPSTREAM + "tenants: {domains: {corp.example: a, corp.example: b}}\n",
        "tenants.domains.corp.example",
        "two tenants",
    ),
    Case("CFG-011", UPSTREAM + "tenants: {domains: {'*': a}}\n", "tenants.domains.*", "one organisation"),
    Case(
        "CFG-012",
        UPSTREAM + "identity_providers: [{kind: entra, name: w, tenant: common, client_id: x}]\n",
        "identity_providers[0].tenant",
        "everybody",
    ),
    Case(
        "CFG-012",
        UPSTREAM + "tenants: {by: email-domain, require_verified_email: false}\n",
        "tenants.require_verified_email",
        "nOAuth",
    ),
    Case("CFG-013", f"{UPSTREAM}replicas: 2\nstore: memory\n", "replicas", "its own codes"),
    Case("CFG-013", f"{UPSTREAM}replicas: 2\n", "replicas", "its own codes"),
    Case("CFG-017", UPSTREAM + PUBLIC % ", client_secret: ''", "identity_providers[0].client_secret", "empty"),
    Case("CFG-017", UPSTREAM, "VESTIBULE_STORE", "empty", {"VESTIBULE_STORE": ""}),
    Case("CFG-017", f"{UPSTREAM}replicas: 1\nreplicas: 1\n", "replicas", "stands twice"),
    Case("CFG-017", f"a: &a [x]\nb: [*a, *a]\n{UPSTREAM}", "vestibule.yaml:1", "anchors"),
    Case(
        "CFG-018",
        UPSTREAM + PUBLIC % ", client_secret: env:SAME" + "secret_key: env:SAME\n",
        "identity_providers[0].client_secret",
        "the same secret as secret_key",
        {"SAME": STRONG},
    ),
    Case(
        "CFG-018",
        f"{UPSTREAM}signing_secret: {CANARY}\nencryption_secret: {CANARY}\n",
        "encryption_secret",
        "one root secret",
    ),
    Case("CFG-019", f"{UPSTREAM}auth: none\nlisten: 0.0.0.0:PORT\n", "auth", "no switch"),
    Case(
        "CFG-019",
        "public_url: https://gw.example.com\nlisten: 0.0.0.0:PORT\n"
        "upstreams: [{name: a, url: 'http://127.0.0.1:3999/mcp', access: anonymous}]\n",
        "upstreams[0].access",
        "without signing in",
    ),
    Case(
        "CFG-019",
        f"{UPSTREAM}public_url: https://gw.example.com\nidentity_providers: [{{kind: development}}]\n",
        "identity_providers[0].kind",
        "no password",
    ),
]


@dataclass(frozen=True)
class Ran:
    port: int
    exit_code: int
    out: str


class Program:
    """`vestibule serve` on every case, side by side: starting a process is what costs time here."""

    def __init__(self, folder: Path) -> None:
        self._pool = ThreadPoolExecutor(max_workers=3)
        self._runs: dict[str, Future[Ran]] = {
            case.name: self._pool.submit(self._run, case, folder / f"{number}") for number, case in enumerate(CASES)
        }

    def ran(self, case: Case) -> Ran:
        return self._runs[case.name].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    @staticmethod
    def _run(case: Case, folder: Path) -> Ran:
        folder.mkdir()
        port = free_port()
        text = case.text.replace("PORT", str(port))
        (folder / "vestibule.yaml").write_text(text if "listen:" in text else f"{text}listen: 127.0.0.1:{port}\n")
        environ = {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE_")}
        done = subprocess.run(
            [sys.executable, "-m", "vestibule", "serve", "--config", "vestibule.yaml"],
            cwd=folder,
            env={**environ, **case.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        assert sorted(path.name for path in folder.iterdir()) == ["vestibule.yaml"], "it left something behind"
        return Ran(port, done.returncode, done.stdout)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program(tmp_path_factory.mktemp("config"))
    yield program
    program.close()


def test_every_vector_of_the_area_is_here() -> None:
    numbers = {int(case.ids.removeprefix("CFG-")) for case in CASES}
    assert numbers == {1, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 17, 18, 19}


def check_refused(case: Case, exit_code: int, out: str) -> None:
    assert exit_code == 2, out
    line = next(line for line in out.splitlines() if line.strip().startswith(case.key))
    assert case.says in line
    assert "Fix: " in line
    assert "Traceback" not in out
    secrets = [CANARY, STRONG, *case.environ.values()]
    assert not any(secret in out for secret in secrets if len(secret) > 8)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_serve_refuses_to_start(program: Program, case: Case) -> None:
    ran = program.ran(case)
    check_refused(case, ran.exit_code, ran.out)
    assert "is open" not in ran.out
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", ran.port)) != 0, "something listens"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_check_says_the_same(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vestibule.cli import main

    monkeypatch.chdir(tmp_path)
    for name, value in case.environ.items():
        monkeypatch.setenv(name, value)
    text = case.text.replace("PORT", "8080")
    (tmp_path / "vestibule.yaml").write_text(text)
    with pytest.raises(SystemExit) as caught:
        main(["check", "--config", "vestibule.yaml"])
    check_refused(case, int(str(caught.value.code)), capsys.readouterr().out)
