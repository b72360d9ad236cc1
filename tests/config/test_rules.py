"""What is refused at start-up: each rule with what breaks it, and with what comes close and does not."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.config.conftest import OTHER, PUBLIC, STRONG, UPSTREAM, Faults, Load
from vestibule.config.notes import notes_on

TENANT, ANOTHER = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
HTTPS_UPSTREAM = "upstreams: [{name: tickets, url: 'https://tickets.internal/mcp'%s}]\n"
COMMAND = "upstreams: [{name: tickets, command: [sh, -c, 'x']%s}]\n"
CLIENT = UPSTREAM + "clients: [{client_id: '%s', redirect_uris: ['%s']%s}]\n"
STATIC = ", credential: {kind: static, header: x-key, value: env:KEY}"
ENVIRON = {"KEY": OTHER, "REDIS": "redis://:swordfish@cache:6379/0", "DATABASE": "postgresql://u:p@h/d", "ROOT": STRONG}

REFUSED = [
    # where we are
    ("public_url", f"{UPSTREAM}public_url: http://mcp.example.com\n", "in clear"),
    ("public_url", f"{UPSTREAM}public_url: http://localhost.evil.example\n", "in clear"),
    ("public_url", f"{UPSTREAM}public_url: https://gw/?x\n", "query"),
    ("public_url", f"{UPSTREAM}public_url: https://gw/#x\n", "fragment"),
    ("public_url", f"{UPSTREAM}public_url: https://gw?\n", "query"),
    ("public_url", f"{UPSTREAM}public_url: https://gw/\n", "slash"),
    ("public_url", f"{UPSTREAM}public_url: https://gw/a/\n", "slash"),
    ("public_url", f"{UPSTREAM}public_url: https://GW\n", "lower case"),
    ("public_url", f"{UPSTREAM}public_url: https://me@gw\n", "not an https URL"),
    ("public_url", f"{UPSTREAM}public_url: https://gw:443\n", "goes without saying"),
    ("public_url", f"{UPSTREAM}public_url: https://gw/a/../b\n", "several ways"),
    ("public_url", f"{UPSTREAM}public_url: gw.example.com\n", "not an https URL"),
    ("public_url", f"{UPSTREAM}public_url: 'https://gw .example'\n", "not an https URL"),
    ("public_url", f"{UPSTREAM}listen: 0.0.0.0:8080\n", "need a name"),
    ("listen", f"{UPSTREAM}listen: '8080'\n", "HOST:PORT"),
    ("listen", f"{UPSTREAM}listen: ':8080'\n", "HOST:PORT"),
    ("listen", f"{UPSTREAM}listen: 127.0.0.1:99999\n", "HOST:PORT"),
    ("listen", f"{UPSTREAM}listen: 127.0.0.1:0\n", "port 0"),
    # what is behind the door
    ("upstreams", "listen: 127.0.0.1:1\n", "nothing behind the door"),
    ("upstreams[0].name", "upstreams: [{name: authorize, url: 'http://127.0.0.1/mcp'}]\n", "our own paths"),
    ("upstreams[0].name", "upstreams: [{name: Tickets, url: 'http://127.0.0.1/mcp'}]\n", "not a name"),
    ("upstreams[0].name", "upstreams: [{name: .well-known, url: 'http://127.0.0.1/mcp'}]\n", "not a name"),
    ("upstreams[1].name", "upstreams: [{name: a, url: 'http://h/'}, {name: a, url: 'http://h/'}]\n", "has it already"),
    ("upstreams[0].url", "upstreams: [{name: a, url: 'http://127.0.0.1:8080/mcp'}]\n", "itself"),
    ("upstreams[0].url", "upstreams: [{name: a, url: 'http://localhost:8080/mcp'}]\n", "itself"),
    ("upstreams[0].url", f"{PUBLIC}upstreams: [{{name: a, url: 'https://mcp.example.com/mcp'}}]\n", "itself"),
    ("upstreams[0].url", "upstreams: [{name: a, url: 'http://h/mcp?key=1'}]\n", "query"),
    ("upstreams[0].url", "upstreams: [{name: a, url: 'http://u:p@h/mcp'}]\n", "password"),
    ("upstreams[0].url", "upstreams: [{name: a, url: 'file:///etc/passwd'}]\n", "not an http"),
    ("upstreams[0].url", f"upstreams: [{{name: a, url: 'http://10.0.0.5/mcp'{STATIC}}}]\n", "in clear"),
    ("upstreams[0].socket", "upstreams: [{name: a, url: 'http://a/mcp', socket: run/a.sock}]\n", "full path"),
    ("upstreams[0].socket", f"upstreams: [{{name: a, url: 'http://a/mcp', socket: /{'a' * 103}}}]\n", "at most 103"),
    ("upstreams[0].url", HTTPS_UPSTREAM % ", socket: /run/a.sock", "TLS proves"),
    ("upstreams[0].credential.header", HTTPS_UPSTREAM % STATIC.replace("x-key", "Host"), "gateway's own"),
    ("upstreams[0].credential.header", HTTPS_UPSTREAM % STATIC.replace("x-key", "Mcp-Method"), "gateway's own"),
    ("upstreams[0].credential.header", HTTPS_UPSTREAM % STATIC.replace("x-key", "x_key"), "do not belong"),
    ("upstreams[0].credential.value", HTTPS_UPSTREAM % STATIC.replace("env:KEY", "env:TWO_LINES"), "header's value"),
    ("upstreams[0].scopes.default[0]", HTTPS_UPSTREAM % ", scopes: {default: ['a b']}", "not one scope"),
    ("upstreams[0].timeouts.connect", HTTPS_UPSTREAM % ", timeouts: {connect: 0s}", "not between"),
    # who may come in
    ("identity_providers", f"{UPSTREAM}public_url: https://gw\n", "nobody could sign in"),
    (
        "identity_providers[0].kind",
        f"{UPSTREAM}public_url: https://gw\nidentity_providers: [{{kind: development}}]\n",
        "no password",
    ),
    (
        "identity_providers[0].kind",
        f"{UPSTREAM}listen: 0.0.0.0:1\npublic_url: http://localhost:1\nidentity_providers: [{{kind: development}}]\n",
        "no password",
    ),
    ("upstreams[0].access", PUBLIC + HTTPS_UPSTREAM % ", access: anonymous", "without signing in"),
    ("identity_providers[0].issuer", PUBLIC.replace("https://id.", "http://id.") + UPSTREAM, "https"),
    ("identity_providers[0].issuer", PUBLIC.replace("id.example.com", "id.example.com?x") + UPSTREAM, "not an issuer"),
    (
        "identity_providers[0].issuer",
        PUBLIC.replace("https://id.example.com", "https://login.microsoftonline.com/common/v2.0") + UPSTREAM,
        "everybody",
    ),
    (
        "identity_providers[0].issuer",
        PUBLIC.replace("id.example.com", "id.example.com/.well-known/openid-configuration") + UPSTREAM,
        "discovery document",
    ),
    ("identity_providers[0].scopes", PUBLIC.replace("client_id", "scopes: [email], client_id") + UPSTREAM, "openid"),
    (
        "identity_providers[1].name",
        UPSTREAM + "identity_providers: [{kind: development}, {kind: development}]\n",
        "already",
    ),
    ("clients[0].redirect_uris[0]", CLIENT % ("a", "https://*.example/cb", ""), "wildcards"),
    ("clients[0].redirect_uris[0]", CLIENT % ("a", "http://a.example/cb", ""), "this computer"),
    ("clients[0].redirect_uris[0]", CLIENT % ("a", "javascript:x", ""), "scheme"),
    ("clients[0].client_id", CLIENT % ("https://a", "https://a/cb", ""), "looks like"),
    ("clients[0].client_id", CLIENT % ("vci_x", "https://a/cb", ""), "looks like"),
    ("clients[0].client_secret", CLIENT % ("a", "https://a/cb", ", client_secret: tooshort"), "fewer"),
    ("clients[0].client_secret", CLIENT % ("a", "https://a/cb", ", auth_method: client_secret_post"), "needs one"),
    # networks, times, replicas
    *(
        ("trusted_proxies[0]", f"{UPSTREAM}trusted_proxies: ['{network}']\n", "everybody")
        for network in ("0.0.0.0/0", "::/0", "0.0.0.0/1", "*", "::ffff:0:0/96", "2000::/3", "::ffff:0.0.0.0/97")
    ),
    ("trusted_proxies[0]", f"{UPSTREAM}trusted_proxies: [proxy.internal]\n", "not a network"),
    ("outbound.allow_networks[0]", f"{UPSTREAM}outbound: {{allow_networks: [0.0.0.0/0]}}\n", "everybody"),
    ("outbound.allow_networks[0]", f"{UPSTREAM}outbound: {{allow_networks: [169.254.169.254]}}\n", "credentials"),
    ("outbound.ca_file", f"{UPSTREAM}outbound: {{ca_file: /nowhere.pem}}\n", "no such file"),
    ("origins[0]", f"{UPSTREAM}origins: ['*']\n", "every web page"),
    ("cors_origins[0]", f"{UPSTREAM}cors_origins: ['*']\n", "every web page"),
    ("origins[0]", f"{UPSTREAM}origins: ['https://*.example.com']\n", "every web page"),
    ("origins[0]", f"{UPSTREAM}origins: ['null']\n", "every web page"),
    ("origins[0]", f"{UPSTREAM}origins: ['https://a.example/']\n", "not an origin"),
    ("tokens.code_lifetime", f"{UPSTREAM}tokens: {{code_lifetime: 10m}}\n", "not between 5s and 1m"),
    ("tokens.refresh_grace", f"{UPSTREAM}tokens: {{refresh_grace: 121s}}\n", "not between 0s and 2m"),
    ("tokens.access_token_lifetime", f"{UPSTREAM}tokens: {{access_token_lifetime: 2h}}\n", "not between 30s and 1h"),
    (
        "tokens.refresh_token_lifetime",
        f"{UPSTREAM}tokens: {{access_token_lifetime: 1h, refresh_token_lifetime: 10m}}\n",
        "shorter",
    ),
    ("tokens.session_lifetime", f"{UPSTREAM}tokens: {{session_lifetime: forever}}\n", "not a duration"),
    ("http.max_head", f"{UPSTREAM}http: {{max_head: 100}}\n", "not between"),
    ("http.max_body", f"{UPSTREAM}http: {{max_body: huge}}\n", "not a size"),
    ("store", f"{UPSTREAM}store: mysql://h/d\n", "no such kind"),
    ("store", f"{UPSTREAM}store: memory\n", "no such kind"),
    ("replicas", f"{UPSTREAM}replicas: 2\n", "its own codes"),
    ("keys", f"{UPSTREAM}replicas: 2\nstore: postgresql://h/d\n", "keys of its own"),
    # never
    *(
        (f"{where}{name}", text % name, fragment)
        for name, fragment in (
            ("forward_authorization", "never goes to an upstream"),
            ("token_passthrough", "never goes to an upstream"),
            ("auth", "no switch"),
            ("verify_tls", "TLS verification"),
            ("skip_auth_regex", "CVE-2025-54576"),
            ("encryption_secret", "one root secret"),
        )
        for where, text in (
            ("", f"{UPSTREAM}%s: x\n"),
            ("upstreams[0].", "upstreams: [{name: a, url: 'http://127.0.0.1:9/mcp', %s: true}]\n"),
        )
    ),
    # later
    ("resource_server.audiences", f"{UPSTREAM}resource_server: {{audiences: []}}\n", "anybody else"),
    ("resource_server.issuers", f"{UPSTREAM}resource_server: {{issuers: []}}\n", "tokens of anybody"),
    ("resource_server.algorithms", f"{UPSTREAM}resource_server: {{algorithms: []}}\n", "any signature"),
    ("resource_server.algorithms", f"{UPSTREAM}resource_server: {{algorithms: [RS256, HS256]}}\n", "shared secret"),
    ("resource_server.algorithms", f"{UPSTREAM}resource_server: {{algorithms: [None]}}\n", "no signature"),
    *(
        (f"resource_server.issuers[0]{key}", f"{UPSTREAM}resource_server: {{issuers: [{entry}]}}\n", fragment)
        for key, entry, fragment in (
            ("", "'http://127.0.0.1:8080'", "this server itself"),
            (".issuer", "'http://id.example.com'", "is https"),
            (".issuer", "'https://id.example.com/?x'", "not an issuer"),
            (".issuer", "'https://id.example.com/.well-known/openid-configuration'", "discovery"),
            (".name", "{issuer: 'https://id.example.com', name: enterprise}", "call others"),
            (".tenants", "'https://login.microsoftonline.com/{tenantid}/v2.0'", "everybody"),
            (".tenants", "'https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0'", "everybody"),
            (
                ".tenants",
                f"{{issuer: 'https://login.microsoftonline.com/{TENANT}/v2.0', tenants: [{ANOTHER}]}}",
                "one tenant",
            ),
            (".tenants", f"{{issuer: 'https://id.example.com', tenants: [{ANOTHER}]}}", "not used"),
            (".audiences", "'https://accounts.google.com'", "none is named"),
            (".scopes", "'https://accounts.google.com'", "carry no scopes"),
            (".client_id", "{issuer: 'https://github.com', scopes: [mcp]}", "any GitHub application"),
            (".client_id", "{issuer: 'https://id.example.com', kind: introspection}", "credentials"),
            (".any_app", "{issuer: 'https://github.com', scopes: [mcp], any_app: true, client_id: x}", "mean nothing"),
            (".any_app", "{issuer: 'https://id.example.com', any_app: true}", "not used"),
            (".jwks_uri", "{issuer: 'https://github.com', jwks_uri: 'https://a.example', any_app: true}", "not used"),
            (".scopes[0]", "{issuer: 'https://id.example.com', scopes: ['a b']}", "not one scope"),
            (".audiences[0]", "{issuer: 'https://id.example.com', audiences: ['*']}", "not an audience"),
        )
    ),
    (
        "resource_server.issuers[1].name",
        f"{UPSTREAM}resource_server: {{issuers: [{{issuer: 'https://a.example', name: a}}, "
        "{issuer: 'https://b.example', name: a}]}\n",
        "has it already",
    ),
    (
        "resource_server.issuers[0].name",
        f"{UPSTREAM}identity_providers: [{{name: work, kind: oidc, issuer: 'https://a.example', client_id: x}}]\n"
        "resource_server: {issuers: [{issuer: 'https://b.example', name: work}]}\n",
        "other people",
    ),
    ("resource_server.jwks_cache_ttl", f"{UPSTREAM}resource_server: {{jwks_cache_ttl: 0}}\n", "not between"),
    ("resource_server.issuers", f"{UPSTREAM}resource_server: {{identifiers: ['api://x']}}\n", "no issuer is named"),
    (
        "tenants.domains.corp.example",
        f"{UPSTREAM}tenants: {{domains: {{corp.example: a, corp.example: b}}}}\n",
        "two tenants",
    ),
    (
        "tenants.domains.Corp.example",
        f"{UPSTREAM}tenants: {{domains: {{corp.example: a, Corp.example: b}}}}\n",
        "two tenants",
    ),
    ("tenants.a", f"{UPSTREAM}tenants: {{a: {{domains: [corp.example]}}}}\n", "not known"),
    (
        "tenants.domains.xn--bcher-kva.example",
        f"{UPSTREAM}tenants: {{domains: {{bücher.example: a, xn--bcher-kva.example: b}}}}\n",
        "two tenants",
    ),
    ("tenants.domains.gmail.com", f"{UPSTREAM}tenants: {{domains: {{gmail.com: a}}}}\n", "anybody gets an address"),
    ("tenants.domains.corp.example.", f"{UPSTREAM}tenants: {{domains: {{corp.example.: a}}}}\n", "one organisation"),
    ("tenants.domains.corp.example", f"{UPSTREAM}tenants: {{domains: {{corp.example: Acme}}}}\n", "no name of a"),
    ("tenants.domains.corp.example", f"{UPSTREAM}tenants: {{domains: {{corp.example: deny}}}}\n", "no name of a"),
    ("tenants.by", f"{UPSTREAM}tenants: {{by: claim, default: a}}\n", "says nothing"),
    ("tenants.by", f"{UPSTREAM}tenants: {{by: static, people: {{w:1: a}}, domains: {{c.example: a}}}}\n", "not used"),
    ("tenants.values", f"{UPSTREAM}tenants: {{claim: org_id, default: a}}\n", "name and its values"),
    ("tenants.people.ada", f"{UPSTREAM}tenants: {{people: {{ada: a}}}}\n", "provider:subject"),
    ("tenants.providers[0]", f"{UPSTREAM}tenants: {{default: a, providers: [none]}}\n", "no such identity provider"),
    ("tenants", f"{UPSTREAM}tenants: {{default: deny}}\n", "nobody could sign in"),
    (
        "clients[0].tenant",
        UPSTREAM + "clients: [{client_id: c, redirect_uris: ['https://c.example/'], tenant: a}]\n",
        "no tenants",
    ),
    (
        "clients[0].tenant",
        UPSTREAM + "tenants: {domains: {corp.example: a}}\n"
        "clients: [{client_id: c, client_secret: env:KEY, grant_types: [client_credentials], scopes: [mcp]}]\n",
        "whose it is",
    ),
    ("tenants.domains.*.example", f"{UPSTREAM}tenants: {{domains: {{'*.example': a}}}}\n", "one organisation"),
    ("tenants.domains.co.uk", f"{UPSTREAM}tenants: {{domains: {{co.uk: a}}}}\n", "one organisation"),
    (
        "tenants.require_verified_email",
        f"{UPSTREAM}tenants: {{by: email-domain, require_verified_email: false}}\n",
        "nOAuth",
    ),
    ("tenants.by", f"{UPSTREAM}tenants: {{by: email-domain}}\n", "says nothing"),
    ("policy.file", f"{UPSTREAM}policy: {{file: p.yaml}}\n", "no such file"),
    ("limits.mcp", f"{UPSTREAM}limits: {{mcp: 0/minute}}\n", "nobody could"),
    ("limits.mcp", f"{UPSTREAM}limits: {{mcp: 100000000/second}}\n", "no limit"),
    ("limits.mcp", f"{UPSTREAM}limits: {{mcp: 100}}\n", "not a rate"),
    ("limits.mcp", f"{UPSTREAM}limits: {{mcp: 100/fortnight}}\n", "not a rate"),
    ("limits.mcp", f"{UPSTREAM}limits: {{mcp: -1/minute}}\n", "not a rate"),
    ("limits.mcp", f"{UPSTREAM}limits: {{mcp: {{tenants: 9/minute}}}}\n", "not counted"),
    ("limits.per[0]", f"{UPSTREAM}limits: {{mcp: 9/minute, per: [user]}}\n", "none of the values"),
    ("limits.oauth", f"{UPSTREAM}limits: {{oauth: {{tenant: 9/minute}}}}\n", "nobody knows yet"),
    ("limits.oauth", f"{UPSTREAM}limits: {{oauth: 3/hour}}\n", "longer than a minute"),
    ("limits.default", f"{UPSTREAM}limits: {{default: 3/hour}}\n", "longer than a minute"),
    ("limits.grants.refresh_token", f"{UPSTREAM}limits: {{grants: {{refresh_token: 3/hour}}}}\n", "than a minute"),
    ("limits.upstreams.wiki", f"{UPSTREAM}limits: {{upstreams: {{wiki: 9/minute}}}}\n", "no upstream"),
    ("limits.burst", f"{UPSTREAM}limits: {{burst: 9}}\n", "not known"),
    ("shared", f"{UPSTREAM}shared: localhost:6379\n", "neither memory nor"),
    ("shared", f"{UPSTREAM}shared: redis://\n", "neither memory nor"),
    ("shared", f"{UPSTREAM}shared: redis://localhost:99999\n", "neither memory nor"),
    ("shared", f"{UPSTREAM}shared: memcached://localhost\n", "neither memory nor"),
    ("shared", f"{UPSTREAM}shared: 'rediss://cache?ssl_cert_reqs=none'\n", "only db"),
    ("shared", f"{PUBLIC}{UPSTREAM}shared: 'redis://:swordfish@cache:6379'\n", "stands in the file"),
    ("identity_providers[0].tenant", f"{UPSTREAM}identity_providers: [{{kind: entra, tenant: common}}]\n", "everybody"),
    ("identity_providers[0].kind", f"{UPSTREAM}identity_providers: [{{kind: saml}}]\n", "no such kind"),
    *(
        ("upstreams[0].credential.kind", HTTPS_UPSTREAM % f", credential: {{kind: {kind}}}", "yet")
        for kind in ("on-behalf-of", "token-exchange", "vault")
    ),
    ("upstreams[0].transport", HTTPS_UPSTREAM % ", transport: stdio", "not spoken to by stdio"),
    ("upstreams[0].scopes.tools.a_*[0]", HTTPS_UPSTREAM % ", scopes: {tools: {'a_*': ['b c']}}", "not one scope"),
    ("upstreams[0].scopes.tools.a_*", HTTPS_UPSTREAM % ", scopes: {tools: {'a_*': [mcp]}}", "every call needs"),
    ("upstreams[0].scopes.tools.a_*", HTTPS_UPSTREAM % ", scopes: {tools: {'a_*': []}}", "empty"),
    ("upstreams[0].tenants", HTTPS_UPSTREAM % ", access: anonymous, tenants: [company]", "nobody knows whose"),
    # servers that are commands
    ("upstreams[0].url", "upstreams: [{name: a}]\n", "where the server is"),
    ("upstreams[0].command", HTTPS_UPSTREAM % ", command: [sh]", "a url as well"),
    ("upstreams[0].command", "upstreams: [{name: a, command: []}]\n", "empty"),
    ("upstreams[0].command[0]", "upstreams: [{name: a, command: ['']}]\n", "empty"),
    ("upstreams[0].command", "upstreams: [{name: a, command: sh server.sh}]\n", "list"),
    ("upstreams[0].command[0]", "upstreams: [{name: a, command: [no-such-program]}]\n", "no such program"),
    ("upstreams[0].command[0]", COMMAND % ", environment: {PATH: /nowhere}", "no such program"),
    ("upstreams[0].command[0]", 'upstreams: [{name: a, command: ["python server.py"]}]\n', "with blanks in its name"),
    ("upstreams[0].command[0]", "upstreams: [{name: a, command: [KEY=value, python]}]\n", "sets a variable"),
    ("upstreams[0].working_directory", COMMAND % ", working_directory: /no/such", "no such directory"),
    ("upstreams[0].transport", COMMAND % ", transport: streamable-http", "spoken to by stdio"),
    ("upstreams[0].credential", COMMAND % STATIC, "no headers"),
    ("workers", COMMAND % "" + "workers: 2\n", "a process of one worker"),
    ("upstreams[0].idle", COMMAND % ", idle: 1s", "not between"),
    ("upstreams[0].max_instances", COMMAND % ", max_instances: 0", "too small"),
    ("upstreams[0].environment.A", COMMAND % ", environment: {A: env:NOT_SET}", "not set"),
    ("upstreams[0].environment.A", COMMAND % ", environment: {A: true}", "not a text"),
    *(
        (f"upstreams[0].{key}", HTTPS_UPSTREAM % f", {key}: {value}", "there is none")
        for key, value in (
            ("environment", "{A: b}"),
            ("working_directory", "/"),
            ("instances", "shared"),
            ("idle", "9m"),
        )
    ),
]

TAKEN = [
    COMMAND % ", transport: stdio, instances: shared, idle: 1m, environment: {A: env:KEY, B: b c, C: 7}",
    f"upstreams: [{{name: a, url: 'http://tickets/mcp', socket: /run/not-there-yet.sock{STATIC}}}]\n",
    "upstreams: [{name: a, url: 'http://127.0.0.1:8080/mcp', socket: /run/a.sock}]\n",
    PUBLIC + UPSTREAM,
    PUBLIC.replace("mcp.example.com", "mcp.example.com/gate:1").replace(":1", "") + UPSTREAM,
    PUBLIC + "listen: 0.0.0.0:8080\n" + UPSTREAM,
    f"{UPSTREAM}listen: '[::1]:8080'\n",
    f"{UPSTREAM}listen: localhost:8080\n",
    f"{UPSTREAM}public_url: https://localhost:8443\n",
    PUBLIC + HTTPS_UPSTREAM % STATIC,
    f"{PUBLIC}upstreams: [{{name: a, url: 'http://127.0.0.1:9/mcp'{STATIC}}}]\n",
    f"{PUBLIC}upstreams: [{{name: a, url: 'http://10.0.0.5/mcp'}}]\n",
    "upstreams: [{name: a, url: 'http://127.0.0.1:9/mcp', access: anonymous}]\n",
    f"{UPSTREAM}identity_providers: [{{kind: development}}]\n",
    PUBLIC.replace("https://id.example.com", "https://x.eu.auth0.com/") + UPSTREAM,
    UPSTREAM
    + PUBLIC.replace("https://id.example.com", "http://127.0.0.1:9000").replace(
        "https://mcp.example.com", "http://127.0.0.1:8080"
    ),
    f"{UPSTREAM}clients: [{{client_id: a, redirect_uris: ['http://127.0.0.1/cb', 'com.example.app:/cb']}}]\n",
    f"{UPSTREAM}trusted_proxies: [10.0.0.0/8, 'fd00::/8', 192.0.2.7, '::1']\n",
    f"{UPSTREAM}outbound: {{allow_networks: [127.0.0.0/8]}}\n",
    f"{UPSTREAM}origins: ['https://a.example', 'http://localhost:6274']\n",
    f"{UPSTREAM}tokens: {{refresh_grace: 0s, code_lifetime: 60}}\nhttp: {{max_body: 1MB, max_head: 4096}}\n",
    f"{PUBLIC}{UPSTREAM}replicas: 3\nstore: env:DATABASE\nkeys: {{secret: env:ROOT}}\n",
    f"{UPSTREAM}store: sqlite://\n",
    f"{UPSTREAM}limits: {{default: 100/minute, oauth: 20/minute, mcp: 9/second, per: [tenant, address]}}\n",
    f"{UPSTREAM}limits: {{mcp: {{tenant: 9000 / hour, principal: 5/second}}, upstreams: {{tickets: 9/day}}}}\n",
    f"{UPSTREAM}limits: {{oauth: {{client: 9/minute, address: 90/minute}}, grants: {{refresh_token: 60/minute}}}}\n",
    f"{UPSTREAM}shared: memory\n",
    f"{UPSTREAM}shared: valkeys://cache.internal:6379/2\n",
    f"{UPSTREAM}shared: 'unix:///run/redis.sock?db=3'\n",
    f"{PUBLIC}{UPSTREAM}shared: env:REDIS\n",
    "upstreams: [{name: a, url: 'http://127.0.0.1:9/mcp', scopes: {default: [auth], texts: {auth: Anything}}}]\n",
]


@pytest.mark.parametrize(("key", "text", "fragment"), REFUSED, ids=[f"{key} {words}" for key, _, words in REFUSED])
def test_refused(faults: Faults, key: str, text: str, fragment: str) -> None:
    found = faults(text, {**ENVIRON, "TWO_LINES": "Zk1Vb7Qw9Xr3Tn5Ym2Lp\r\nX-Other: 1"})
    assert key in found
    told = [fault.reason for fault in found.values()]
    assert any(fragment in reason for reason in told), told


@pytest.mark.parametrize("text", TAKEN)
def test_taken(read: Load, text: str) -> None:
    assert read(text, ENVIRON).upstreams


def test_what_is_open_to_everybody_off_loopback_takes_a_word(read: Load) -> None:
    text = "public_url: https://mcp.example.com\n" + HTTPS_UPSTREAM % ", access: anonymous"
    assert read(text, i_know=True).upstreams[0].access == "anonymous"


def test_a_configuration_cannot_be_changed(read: Load) -> None:
    configuration = read(UPSTREAM)
    with pytest.raises(ValueError, match="frozen"):
        setattr(configuration, "listen", "0.0.0.0:1")  # noqa: B010 - the type checker knows as well


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("upstreem: []", "upstreams"),
        ("identity-providers: []", "identity_providers"),
        ("port: 8080", "listen"),
        ("issuer: https://gw", "public_url"),
        ("database: x", "store"),
        ("audiences: [x]", None),
    ],
)
def test_a_typo_gets_an_answer(faults: Faults, typo: str, meant: str | None) -> None:
    key = typo.partition(":")[0]
    fault = faults(f"{UPSTREAM}{typo.replace('[]', '[x]')}\n")[key]
    assert fault.reason == "this key is not known"
    assert fault.fix == f"did you mean {meant}?" if meant else fault.fix.startswith("remove it; the keys there are")


def test_a_typo_in_a_kind_of_provider_gets_an_answer(faults: Faults) -> None:
    found: Mapping[str, object] = faults(PUBLIC.replace("client_id", "client_ids") + UPSTREAM)
    assert set(found) == {"identity_providers[0].client_ids", "identity_providers[0].client_id"}


def test_replicas_that_count_each_for_itself_are_told_of(read: Load) -> None:
    text = f"{PUBLIC}{UPSTREAM}replicas: 3\nstore: env:DATABASE\nkeys: {{secret: env:ROOT}}\n"
    told = "each of the 3 replicas counts its limits for itself"
    assert any(told in note for note in notes_on(read(text, ENVIRON), {}))
    assert not any(told in note for note in notes_on(read(f"{text}shared: env:REDIS\n", ENVIRON), {}))


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("audit.file", "audit: {file: no/such/folder/audit.jsonl}", "there is no folder"),
        ("audit.file", "audit: {file: /dev/full}", "a device"),
        ("audit.calls", "audit: {calls: some}", ""),
        ("audit.otlp.endpoint", "audit: {otlp: {endpoint: 'http://collector.example.com/v1/logs'}}", ""),
        ("audit.otlp.timeout", "audit: {otlp: {endpoint: 'https://c.example/v1/logs', timeout: 10m}}", "between"),
        ("audit.otlp.headers.key", "audit: {otlp: {endpoint: 'https://c.example/v1/logs', headers: {key: x}}}", ""),
    ],
)
def test_a_trail_that_could_not_be_told_is_refused(faults: Faults, key: str, text: str, reason: str) -> None:
    assert reason in faults(f"{UPSTREAM}{text}\n")[key].reason


def test_a_trail_may_be_told_elsewhere(read: Load) -> None:
    audit = read(
        f"{UPSTREAM}audit: {{calls: denied, arguments: {{'delete_*': [id]}}, file: audit.jsonl, "
        "otlp: {endpoint: 'https://c.example/v1/logs', headers: {key: env:KEY}}}\n",
        ENVIRON,
    ).audit
    assert (audit.calls, audit.arguments, audit.file) == ("denied", {"delete_*": ("id",)}, "audit.jsonl")
    assert audit.otlp is not None
    assert OTHER not in repr(audit)


def test_a_wrong_key_and_a_needed_one_that_is_wrong_hide_no_other_fault(faults: Faults) -> None:
    found = faults(
        f"{UPSTREAM}limits: {{per: [user], mcp: 9/minute, upstreams: {{nope: 9/minute}}, grants: {{x: 9/minute}}}}\n"
        "audit: {otlp: {endpoint: collector}}\nadmin: {enabled: true}\n",
    )
    keys = ["limits.per[0]", "limits.upstreams.nope", "limits.grants.x", "audit.otlp.endpoint", "admin"]
    assert sorted(found) == sorted(keys)


@pytest.mark.parametrize(("mode", "is_refused"), [(0o600, False), (0o640, False), (0o644, True), (0o660, True)])
def test_a_trail_that_others_read_or_write_is_refused(
    read: Load, faults: Faults, tmp_path: Path, mode: int, is_refused: bool
) -> None:
    file = tmp_path / "audit.jsonl"
    file.touch()
    file.chmod(mode)
    text = f"{UPSTREAM}audit: {{file: audit.jsonl}}\n"
    assert f"{mode:04o}" in faults(text)["audit.file"].reason if is_refused else read(text)


def test_providers_that_choose_each_others_tenants_are_told_of(read: Load) -> None:
    two = (
        "public_url: https://mcp.example.com\nidentity_providers:\n"
        "  - {name: acme, kind: oidc, issuer: 'https://id.acme.example', client_id: x}\n"
        "  - {name: globex, kind: oidc, issuer: 'https://id.globex.example', client_id: x}\n"
    )
    domains = "domains: {acme.example: acme, globex.example: globex}"
    told = "whoever runs one of acme, globex can put people into every tenant"
    assert any(told in note for note in notes_on(read(f"{two}{UPSTREAM}tenants: {{{domains}}}\n"), {}))
    named = f"{two}{UPSTREAM}tenants: {{{domains}, providers: [acme]}}\n"
    assert not any(told in note for note in notes_on(read(named), {}))


def test_providers_that_make_operators_of_all_tenants_are_told_of(read: Load) -> None:
    provider = "{{name: {0}, kind: oidc, issuer: 'https://id.{0}.example', client_id: x, roles: {{from: [groups]}}}}"
    two = f"identity_providers: [{provider.format('acme')}, {provider.format('globex')}]\n"
    text = f"public_url: https://mcp.example.com\n{UPSTREAM}{two}admin: {{enabled: true, %s: [platform]}}\n"
    told = "whoever runs one of acme, globex can make people operators of all tenants"
    assert any(told in note for note in notes_on(read(text % "operators"), {}))
    assert not any(told in note for note in notes_on(read(text % "roles"), {}))
