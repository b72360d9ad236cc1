"""/authorize: nothing is redirected before the redirect URI is proven, and nothing is granted without a question."""

import pytest

from tests.security.vectors import vector
from tests.support.house import REDIRECT, Door, Flow, response_parameters


@pytest.fixture
async def flow(door: Door) -> Flow:
    return Flow(door, await door.register())


async def error_of(door: Door, flow: Flow, **overrides: str | None) -> dict[str, str]:
    answer = await door.browser().get(flow.authorize_url(**overrides))
    assert answer.status_code == 302
    parameters = response_parameters(answer, flow.redirect_uri)
    assert parameters["iss"] == door.url
    assert "code" not in parameters
    return parameters


@vector("AUTHZ-001", "AUTHZ-039", "AUTHZ-040")
@pytest.mark.parametrize("client_id", ["unknown", "", "<img src=x onerror=1>", "x" * 5000, "a\nb"])
async def test_unknown_client_gets_a_page(vector: str, door: Door, flow: Flow, client_id: str) -> None:
    answer = await door.browser().get(flow.authorize_url(client_id=client_id))
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "<img" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@vector("AUTHZ-039")
async def test_deleted_client(vector: str, door: Door, flow: Flow) -> None:
    await door.house.store.clients.remove(flow.client["client_id"])
    assert (await door.browser().get(flow.authorize_url())).status_code == 400


@vector("AUTHZ-002", "AUTHZ-009", "AUTHZ-010")
@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/cb",
        f"{REDIRECT}/",
        f"{REDIRECT}?x",
        "http://127.0.0.1:7777/Callback",
        "http://localhost:7777/callback",
        "http://127.0.0.1:7777/callback/../x",
        "http://127.0.0.1:7777@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "HTTP://127.0.0.1:7777/callback",
        "",
    ],
)
@pytest.mark.parametrize("response_type", ["code", "bogus", "code id_token"])
async def test_unregistered_redirect_uri_is_never_redirected_to(
    vector: str, door: Door, flow: Flow, uri: str, response_type: str
) -> None:
    answer = await door.browser().get(flow.authorize_url(redirect_uri=uri, response_type=response_type))
    if uri == "":  # left out: there is only one registered
        assert answer.status_code == 302
        assert answer.headers["location"].startswith((REDIRECT, f"{door.url}/consent"))
    else:
        assert answer.status_code == 400
        assert "location" not in answer.headers


@vector("AUTHZ-002")
async def test_redirect_uri_named_twice_gets_a_page(vector: str, door: Door, flow: Flow) -> None:
    answer = await door.browser().get(f"{flow.authorize_url()}&redirect_uri=https%3A%2F%2Fevil.example")
    assert answer.status_code == 400


@vector("AUTHZ-007", "AUTHZ-018")
@pytest.mark.parametrize("missing", [None, ""])
async def test_missing_response_type(vector: str, door: Door, flow: Flow, missing: str | None) -> None:
    parameters = await error_of(door, flow, response_type=missing)
    assert (parameters["error"], parameters["state"]) == ("invalid_request", "s1")


@vector("AUTHZ-012", "AUTHZ-013", "AUTHZ-014", "AUTHZ-015", "AUTHZ-018")
@pytest.mark.parametrize(
    "overrides",
    [
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge_method": "s256"},
        {"code_challenge_method": "S512"},
        {"code_challenge": None},
        {"code_challenge": ""},
        {"code_challenge": "short"},
        {"code_challenge": "A" * 42},
        {"code_challenge": "A" * 44},
        {"code_challenge": "A" * 42 + "="},
        {"code_challenge": "A" * 42 + "+"},
    ],
    ids=str,
)
async def test_pkce_is_s256_or_nothing(vector: str, door: Door, flow: Flow, overrides: dict[str, str | None]) -> None:
    assert (await error_of(door, flow, **overrides))["error"] == "invalid_request"


@vector("AUTHZ-020")
@pytest.mark.parametrize(
    "resource",
    [
        "https://other.example/mcp",
        "{url}/MCP",
        "{url}/mcp/",
        "{url}/mcp#x",
        "{url}/mcp?x",
        "nonsense",
        "{url}.evil/mcp",
    ],
)
async def test_unknown_resource(vector: str, door: Door, flow: Flow, resource: str) -> None:
    assert (await error_of(door, flow, resource=resource.format(url=door.url)))["error"] == "invalid_target"


@vector("AUTHZ-021", "AUTHZ-022")
@pytest.mark.parametrize("resource", ["{upper}/mcp", None, "{url}", "{url}/"])
async def test_ways_to_name_the_one_resource(vector: str, door: Door, flow: Flow, resource: str | None) -> None:
    named = resource.format(url=door.url, upper=door.url.replace("http://", "HTTP://")) if resource else None
    flow.code = (await door.browser().approve(flow, resource=named))["code"]
    tokens = (await flow.redeem(resource=named if resource and "/mcp" in resource else None)).json()
    assert (await door.call(tokens["access_token"])).status_code == 200
    assert (await door.call(tokens["access_token"], url=f"{door.url}/main/mcp")).status_code == 401


@vector("AUTHZ-023")
@pytest.mark.parametrize("scope", ["admin", "mcp admin", 'mcp "', "mcp\tadmin", "x " * 200])
async def test_unknown_scope(vector: str, door: Door, flow: Flow, scope: str) -> None:
    assert (await error_of(door, flow, scope=scope))["error"] == "invalid_scope"


@pytest.mark.parametrize("scope", ["mcp offline_access", "openid profile email offline_access", "claudeai", "mcp mcp"])
async def test_habits_of_real_clients_are_no_scopes(door: Door, flow: Flow, scope: str) -> None:
    flow.code = (await door.browser().approve(flow, scope=scope))["code"]
    assert (await flow.redeem()).json()["scope"] == "mcp"


@vector("AUTHZ-025", "AUTHZ-026", "AUTHZ-027")
@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        ({"request": "eyJ.eyJ."}, "request_not_supported"),
        ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "x"}, "invalid_request"),
        ({"state": "x" * 9000}, "invalid_request"),
    ],
    ids=str,
)
async def test_what_is_not_supported_is_refused(
    vector: str, door: Door, flow: Flow, overrides: dict[str, str], error: str
) -> None:
    answer = await door.browser().get(flow.authorize_url(**overrides))
    if answer.status_code != 414 and answer.status_code != 400:
        assert response_parameters(answer, flow.redirect_uri)["error"] == error


@vector("AUTHZ-028")
async def test_prompt_none(vector: str, door: Door, flow: Flow) -> None:
    assert (await error_of(door, flow, prompt="none"))["error"] == "login_required"
    web = "https://app.example/callback"
    person = await door.sign_in(client=await door.register(redirect_uris=[web]), redirect_uri=web)
    answer = await person.visitor.get(flow.authorize_url(prompt="none"))
    assert response_parameters(answer, REDIRECT)["error"] == "consent_required"
    again = await person.visitor.get(person.flow.authorize_url(prompt="none"))
    assert "code" in response_parameters(again, web)


@vector("AUTHZ-029")
@pytest.mark.parametrize("state", ["s1", "a%2Fb c+d&e=f", "ünï—☃", "x" * 2048, "%", None])
async def test_code_state_and_iss_exactly_once(vector: str, door: Door, flow: Flow, state: str | None) -> None:
    parameters = await door.browser().approve(flow, state=state)
    assert parameters["iss"] == door.url
    assert parameters["code"]
    assert parameters.get("state") == state


@vector("AUTHZ-030", "AUTHZ-031", "AUTHZ-032")
async def test_a_redirect_uri_keeps_its_own_query(vector: str, door: Door) -> None:
    uri = "https://c.example/cb?x=1"
    flow = Flow(door, await door.register(redirect_uris=[uri]), redirect_uri=uri)
    page = await (visitor := door.browser()).ask(flow)
    answer = await visitor.sign_in_at(await visitor.decide(page))
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("https://c.example/cb?x=1&code=")
    assert answer.headers["location"].count("?") == 1


@vector("AUTHZ-036")
async def test_post_is_not_supported(vector: str, door: Door, flow: Flow) -> None:
    assert (await door.http.post(f"{door.url}/authorize", data={"x": "1"})).status_code == 405


@vector("AUTHZ-037", "AUTHZ-038")
async def test_head_and_prefetch_issue_nothing(vector: str, door: Door) -> None:
    person = await door.sign_in()
    assert (await person.visitor.http.head(person.flow.authorize_url())).status_code == 405
    for header in ("prefetch", "prefetch;prerender"):
        answer = await person.visitor.get(person.flow.authorize_url(), headers={"Sec-Purpose": header})
        assert "code=" not in answer.headers["location"]


@pytest.mark.parametrize("query", ["%", "%zz", "client_id=%ff", "a=b&" * 200, "client_id=%00"])
async def test_garbage_gets_a_page(door: Door, query: str) -> None:
    answer = await door.http.get(f"{door.url}/authorize?{query}")
    assert answer.status_code == 400
