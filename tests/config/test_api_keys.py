"""The sections api_keys and admin, and the environment names of other systems."""

import pytest

from tests.config.conftest import PUBLIC, Faults, Load

KEY = "Jq7mXw2Tn9Lz4Vb8"
OTHER = "Hd4Gf6Js0CaEuIoP"
TICKETS = "upstreams: [{name: tickets, url: 'http://127.0.0.1:3000/mcp', scopes: {default: [read]}}]\n"


def statics(read: Load, environ: dict[str, str], text: str = TICKETS) -> list[tuple[str, str]]:
    return [(one.name, one.key.reveal()) for one in read(text, environ).api_keys.static]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"MCP_HTTP_API_KEY": KEY}, [("env", KEY)]),
        ({"MCP_HTTP_API_KEYS": f"{KEY}, {OTHER}"}, [("env-1", KEY), ("env-2", OTHER)]),
        ({"MCP_HTTP_API_KEYS": f"ci:{KEY},{OTHER},"}, [("ci", KEY), ("env-2", OTHER)]),
        ({"MCP_HTTP_API_KEYS": f"Not A Name:{KEY}".replace(" ", "_")}, [("env-1", f"Not_A_Name:{KEY}")]),
        ({"MCP_HTTP_API_KEY": KEY, "MCP_HTTP_API_KEYS": f"{KEY},{OTHER}"}, [("env", KEY), ("env-2", OTHER)]),
    ],
)
def test_keys_of_the_environment_are_taken(
    read: Load, environ: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    assert sorted(statics(read, environ)) == sorted(expected)


def test_what_the_file_says_is_stronger(read: Load) -> None:
    text = f"{TICKETS}api_keys: {{static: [{{name: mine, key: {OTHER}}}]}}\n"
    assert statics(read, {"MCP_HTTP_API_KEY": KEY}, text) == [("mine", OTHER)]


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("short", "fewer than 16"),
        ("a" * 40, "sample"),
        ("aabbaabbccaabbccddaacc", "not random"),
        ("abcdabcdabcdabcdabcd", "not random"),
        ("test-api-key-change-me", "sample"),
        ("has a space in the middle", "header"),
        ("umlautsäöüumlautsäöü", "header"),
    ],
)
def test_a_key_that_somebody_could_guess_or_send_to_nobody_is_refused(faults: Faults, key: str, says: str) -> None:
    found = faults(TICKETS, {"MCP_HTTP_API_KEY": key})
    assert says in found["api_keys.static[0].key"].reason
    assert key not in str(found)


REFUSED = [
    ("static: [{name: a, key: KEY}, {name: a, key: OTHER}]", "api_keys.static[1].name", "has it already"),
    ("static: [{name: a, key: KEY}, {name: b, key: KEY}]", "api_keys.static[1].key", "same secret"),
    ("static: [{name: a, key: KEY, scopes: [write]}]", "api_keys.static[0].scopes[0]", "has this scope"),
    ("static: [{name: a, key: KEY, upstreams: [wiki]}]", "api_keys.static[0].upstreams[0]", "no such upstream"),
    ("static: [{name: a}]", "api_keys.static[0].key", ""),
    ("enabled: false, static: [{name: a, key: KEY}]", "api_keys.static", "switched off"),
]


@pytest.mark.parametrize(("section", "key", "says"), REFUSED)
def test_a_section_that_contradicts_itself_is_refused(faults: Faults, section: str, key: str, says: str) -> None:
    body = section.replace("KEY", KEY).replace("OTHER", OTHER)
    assert says in faults(f"{TICKETS}api_keys: {{{body}}}\n")[key].reason


def test_a_key_itself_does_not_stand_in_a_file_that_is_for_others_too(faults: Faults) -> None:
    text = f"{PUBLIC}{TICKETS}api_keys: {{static: [{{name: a, key: {KEY}}}]}}\n"
    assert "stands in the file" in faults(text)["api_keys.static[0].key"].reason


def test_an_upstream_for_keys_only_needs_nobody_to_sign_in(read: Load, faults: Faults) -> None:
    upstream = "{name: a, url: 'https://a.example/mcp', access: api-key-only}"
    text = f"public_url: https://mcp.example.com\nupstreams: [{upstream}]\n"
    assert read(text).upstreams[0].access == "api-key-only"
    assert "switched off" in faults(f"{text}api_keys: {{enabled: false}}\n")["upstreams[0].access"].reason


CLIENT = (
    "clients: [{client_id: ops, client_secret: Zk1Vb7Qw9Xr3Tn5Ym2Lp, "
    "grant_types: [client_credentials], scopes: [SCOPE]}]\n"
)


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("admin: {enabled: true}\n", "admin", "nobody could use it"),
        ("admin: {enabled: true, clients: [ops]}\n", "admin.clients[0]", "no such client"),
        (
            f"{CLIENT.replace('SCOPE', 'read')}admin: {{enabled: true, clients: [ops]}}\n",
            "admin.clients[0]",
            "no token",
        ),
        (CLIENT.replace("SCOPE", "vestibule.admin"), "clients[0].scopes[0]", "no upstream has this scope"),
        ("admin: {enabled: true, role: [a]}\n", "admin.role", ""),
    ],
)
def test_administration_that_nobody_or_anybody_could_do_is_refused(
    faults: Faults, text: str, key: str, says: str
) -> None:
    assert says in faults(f"{TICKETS}{text}")[key].reason


def test_no_upstream_has_the_scope_of_administration(faults: Faults) -> None:
    text = TICKETS.replace("default: [read]", "default: [read], optional: [vestibule.admin]")
    assert "administration" in faults(text)["upstreams[0].scopes.optional[0]"].reason


def test_a_client_may_administer(read: Load) -> None:
    text = f"{TICKETS}{CLIENT.replace('SCOPE', 'vestibule.admin')}admin: {{enabled: true, clients: [ops]}}\n"
    assert read(text).admin.clients == ("ops",)
