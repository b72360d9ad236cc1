"""Area `jwt` of the catalogue, through a whole gateway: what another issuer signed, and what only looks like it."""

import asyncio
import base64
import hashlib
import hmac
import json
import statistics
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.security.vectors import vector
from tests.support.api_keys import set_tenant
from tests.support.foreign import API, Issuer, error_of, trusted
from vestibule.authorization_server import endings
from vestibule.authorization_server.replies import Context
from vestibule.model import TenantState
from vestibule.testing.recording_upstream import RecordingUpstream
from vestibule.testing.signing_key import SigningKey, encode


@pytest.fixture
async def work(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Issuer]:
    async with trusted(tmp_path, upstream) as running:
        yield running


def _written(header: str, claims: str, sign: Callable[[bytes], bytes]) -> str:
    """A compact JWS of these very texts."""
    signed = f"{encode(header.encode())}.{encode(claims.encode())}"
    return f"{signed}.{encode(sign(signed.encode()))}"


def _by_its_key(work: Issuer, header: str, claims: str) -> str:
    return _written(header, claims, lambda signed: work.idp.signing._signature(signed, "RS256"))


@dataclass(frozen=True)
class Case:
    """What is wrong with a token, and the code of its refusal."""

    ids: str
    what: str
    make: Callable[[Issuer], str]
    code: str = "INVALID_TOKEN"

    @property
    def name(self) -> str:
        return f"{self.ids} {self.what}"


def _header(**changed: Any) -> Callable[[Issuer], str]:
    return lambda work: work.token(header=changed)


def _claims(**changed: Any) -> Callable[[Issuer], str]:
    return lambda work: work.token(**changed)


def _later(**seconds: int | float) -> Callable[[Issuer], str]:
    """Claims so many seconds from now."""

    def make(work: Issuer) -> str:
        now = int(work.door.clock().timestamp())
        claims: dict[str, Any] = {name: now + value for name, value in seconds.items()}
        return work.token(**claims)

    return make


def _with_public_key(secret: Callable[[SigningKey], bytes]) -> Callable[[Issuer], str]:
    """HS256 with what everybody knows of the issuer's key as the secret."""

    def make(work: Issuer) -> str:
        header = json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": "k1"})
        key = secret(work.idp.signing)
        return _written(header, json.dumps(work.claims()), lambda signed: hmac.digest(key, signed, hashlib.sha256))

    return make


def _der(key: SigningKey) -> bytes:
    return base64.b64decode("".join(key.public_pem().decode().splitlines()[1:-1]))


def _jwk(key: SigningKey) -> bytes:
    return json.dumps(key.public_jwk()).encode()


def _twice(part: str) -> Callable[[Issuer], str]:
    def make(work: Issuer) -> str:
        header = '{"alg":"RS256","typ":"at+jwt","kid":"k1"}'
        claims = json.dumps(work.claims())
        if part == "alg":
            header = '{"alg":"RS256","alg":"none","typ":"at+jwt","kid":"k1"}'
        else:
            claims = claims[:-1] + ',"aud":"https://other.example"}'
        return _by_its_key(work, header, claims)

    return make


def _own_key(work: Issuer) -> str:
    attacker = SigningKey("k1")
    return attacker.sign(work.claims(), {"typ": "at+jwt", "jwk": attacker.public_jwk()})


def _jwe(**header: Any) -> Callable[[Issuer], str]:
    members = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2s": "c2FsdA", **header}
    return lambda work: ".".join([encode(json.dumps(members).encode()), *[encode(b"\0" * 40)] * 4])


def _deep(work: Issuer) -> str:
    return _by_its_key(work, '{"alg":"RS256","kid":"k1"}', '{"a":' * 2000 + "1" + "}" * 2000)


def _cut(change: Callable[[str], str]) -> Callable[[Issuer], str]:
    return lambda work: change(work.token())


WRONG = [
    *(Case("JWT-007", f"alg {alg}", _header(alg=alg), "INVALID_SIGNATURE") for alg in ("none", "None", "nOnE", "")),
    Case("JWT-007", "no signature", _cut(lambda token: token.rpartition(".")[0] + "."), "INVALID_SIGNATURE"),
    Case("JWT-008", "PEM as secret", _with_public_key(SigningKey.public_pem), "INVALID_SIGNATURE"),
    Case("JWT-008", "PEM stripped", _with_public_key(lambda key: key.public_pem().strip()), "INVALID_SIGNATURE"),
    Case("JWT-008", "DER as secret", _with_public_key(_der), "INVALID_SIGNATURE"),
    Case("JWT-008", "JWK as secret", _with_public_key(_jwk), "INVALID_SIGNATURE"),
    Case("JWT-010", "the key in the token", _own_key, "INVALID_SIGNATURE"),
    Case("JWT-010", "a right token with a key in it", _header(jwk={"kty": "RSA"})),
    Case("JWT-010", "where to find the key", _header(jku="https://evil.example/jwks")),
    Case("JWT-013", "crit", _header(crit=["bork"], bork=1), "INVALID_SIGNATURE"),
    Case("JWT-013", "b64", _header(b64=False), "INVALID_SIGNATURE"),
    Case("JWT-016", "PS256 by a key for RS256", _header(alg="PS256"), "INVALID_SIGNATURE"),
    Case("JWT-016", "ES256 by an RSA key", _header(alg="ES256"), "INVALID_SIGNATURE"),
    Case("JWT-019", "JWE with two thousand million rounds", _jwe(p2c=2_000_000_000)),
    Case("JWT-019", "JWE that unpacks", _jwe(alg="dir", zip="DEF")),
    Case("JWT-021", "two aud", _twice("aud")),
    Case("JWT-021", "two alg", _twice("alg")),
    Case("JWT-022", "no exp", _claims(exp=None)),
    Case("JWT-022", "exp is a text", _claims(exp="9999999999")),
    Case("JWT-022", "exp is true", _claims(exp=True)),
    Case("JWT-022", "exp is a fraction", _later(exp=600.5)),
    Case("JWT-022", "exp is past", _later(exp=-61), "TOKEN_EXPIRED"),
    Case("JWT-022", "exp is in ten years", _later(exp=10 * 365 * 86400)),
    Case("JWT-022", "exp is infinite", _claims(exp=1e308)),
    Case("JWT-023", "nbf to come", _later(nbf=61)),
    Case("JWT-023", "iat to come", _later(iat=61)),
    Case("JWT-024", "another server's audience", _claims(aud="https://other.example/mcp"), "INVALID_AUDIENCE"),
    Case("JWT-024", "nearly our audience", _claims(aud=f"{API}/"), "INVALID_AUDIENCE"),
    Case("JWT-024", "our audience in other letters", _claims(aud=API.upper()), "INVALID_AUDIENCE"),
    Case("JWT-024", "an object", _claims(aud={API: 1}), "INVALID_AUDIENCE"),
    Case("JWT-024", "a list with a number", _claims(aud=[1, API]), "INVALID_AUDIENCE"),
    Case("JWT-026", "no audience", _claims(aud=None), "INVALID_AUDIENCE"),
    Case("JWT-026", "an empty list", _claims(aud=[]), "INVALID_AUDIENCE"),
    Case("JWT-029", "ID token", lambda work: work.token(header={"typ": "JWT"}, nonce="n", aud=API)),
    Case("JWT-029", "ID token with at_hash", lambda work: work.token(header={"typ": None}, at_hash="x")),
    Case("JWT-029", "logout token", _header(typ="logout+jwt")),
    Case("JWT-029", "logout token by its events", lambda work: work.token(header={"typ": "JWT"}, events={})),
    Case("JWT-029", "refresh token of Keycloak", lambda work: work.token(header={"typ": "JWT"}, typ="Refresh")),
    Case("JWT-029", "ID token of Cognito", lambda work: work.token(header={"typ": "JWT"}, token_use="id")),
    Case("JWT-029", "DPoP proof", _header(typ="dpop+jwt")),
    Case("JWT-029", "identity assertion", _header(typ="oauth-id-jag+jwt")),
    Case("JWT-030", "a token for Graph", _claims(aud="https://graph.microsoft.com"), "INVALID_AUDIENCE"),
    Case("JWT-030", "of an issuer nobody named", _claims(iss="https://login.example.com"), "INVALID_ISSUER"),
    Case("JWT-030", "of nobody", _claims(iss=None), "INVALID_ISSUER"),
    Case("JWT-030", "of a list of issuers", _claims(iss=["https://login.example.com"]), "INVALID_ISSUER"),
    Case("JWT-034", "a made-up key", lambda work: "sk-random"),
    Case("JWT-034", "like a token of ours", lambda work: "vat_AAAA", "INVALID_SIGNATURE"),
    Case("JWT-036", "cut", _cut(lambda token: token[:-10]), "INVALID_SIGNATURE"),
    Case("JWT-036", "cut in the claims", _cut(lambda token: token[:200])),
    Case("JWT-036", "a dot more", _cut(lambda token: f"{token}.")),
    Case("JWT-036", "two dots more", _cut(lambda token: f"{token}..")),
    Case("JWT-036", "only dots", lambda work: "ey.."),
    Case("JWT-036", "no base64url", _cut(lambda token: token.replace(".", ".+/~", 1))),
    Case("JWT-036", "padded", _cut(lambda token: f"{token}=="), "INVALID_SIGNATURE"),
    Case("JWT-036", "very long", lambda work: work.token(padding="x" * 17_000)),
    Case("JWT-036", "no object", lambda work: _by_its_key(work, '{"alg":"RS256","kid":"k1"}', "[]")),
    Case("JWT-036", "deep", _deep),
    Case("JWT-036", "sub is a list", _claims(sub=["alice"])),
    Case("JWT-036", "no sub", _claims(sub=None)),
]  # fmt: skip


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
async def test_a_token_that_is_wrong_opens_nothing(case: Case, work: Issuer) -> None:
    answer = await work.call(case.make(work))
    assert (answer.status_code, error_of(answer)) == (401, case.code)
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert not work.upstream.requests


async def test_the_same_token_without_a_fault_opens_the_door(work: Issuer) -> None:
    assert (await work.call()).status_code == 200
    assert (await work.call(aud=["https://other.example", API])).status_code == 200
    assert (await work.call(aud=work.door.mcp)).status_code == 200
    assert (await work.call(header={"typ": "JWT"})).status_code == 200


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_every_kind_of_key_opens_it(algorithm: str, work: Issuer) -> None:
    work.idp.rotate_key(algorithm=algorithm)
    assert (await work.call()).status_code == 200


@vector("JWT-016")
async def test_a_key_for_encryption_verifies_nothing(vector: str, work: Issuer) -> None:
    work.idp.answers["/jwks"] = lambda: (200, {"keys": [{**work.idp.signing.public_jwk(), "use": "enc"}]})
    answer = await work.call()
    assert (answer.status_code, error_of(answer)) in [(401, "INVALID_SIGNATURE"), (503, "JWKS_FETCH_ERROR")]
    assert not work.upstream.requests


@vector("JWT-016")
async def test_an_algorithm_that_the_issuer_does_not_list(vector: str, tmp_path: Path, upstream: Any) -> None:
    async with trusted(tmp_path, upstream, algorithms=["ES256"]) as work:
        assert error_of(await work.call()) == "INVALID_SIGNATURE"


@vector("JWT-002")
@pytest.mark.parametrize("scheme", ["Basic", "Digest", "DPoP", "Negotiate"])
async def test_another_scheme(vector: str, scheme: str, work: Issuer) -> None:
    answer = await work.door.call(None, headers={"Authorization": f"{scheme} {work.token()}"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert not work.upstream.requests


@vector("JWT-004")
@pytest.mark.parametrize("order", [1, -1])
async def test_two_authorization_headers(vector: str, order: int, work: Issuer) -> None:
    both = [("Authorization", f"Bearer {work.token()}"), ("Authorization", "Bearer bad")][::order]
    request = work.door.http.build_request("POST", work.door.mcp, headers=both, content=b"{}")
    assert (await work.door.http.send(request)).status_code == 400
    assert not work.upstream.requests


async def test_a_token_and_an_api_key_at_once_are_refused_although_one_is_good(work: Issuer) -> None:
    keys = work.door.house.gateway.doorkeeper
    keys._api_keys = keys._foreign  # type: ignore[attr-defined]  # any verifier: it must not be asked
    answer = await work.call(headers={"X-API-Key": "vsk_whatever"})
    assert answer.status_code == 400
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]
    assert not work.upstream.requests


async def test_nobody_falls_back_from_an_api_key_to_something_else(work: Issuer) -> None:
    for headers in ({"X-API-Key": work.token()}, {"Authorization": "Bearer vsk_x"}):
        assert (await work.door.call(None, headers=headers)).status_code == 401


@vector("JWT-006")
async def test_a_token_in_the_form(vector: str, work: Issuer) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    content = f"access_token={work.token()}".encode()
    assert (await work.door.call(None, headers=form, content=content)).status_code == 401
    assert not work.upstream.requests


@vector("JWT-040")
@pytest.mark.parametrize("name", ["X-Forwarded-Access-Token", "Authorization_", "X_Forwarded_Access_Token", "Cookie"])
async def test_a_token_elsewhere(vector: str, name: str, work: Issuer) -> None:
    answer = await work.door.call(None, headers={name: f"Bearer {work.token()}"})
    assert answer.status_code == 401
    assert not work.upstream.requests


@vector("JWT-035")
async def test_a_revoked_person_is_out_with_another_issuers_token(vector: str, work: Issuer) -> None:
    from vestibule.model import Revocation, RevocationKind

    token = work.token()
    assert (await work.call(token)).status_code == 200
    now = work.door.clock.advance(5)
    end = now.replace(year=now.year + 1)
    work.door.house._watch.learn(Revocation(RevocationKind.USER, "work:alice", now, end))
    assert error_of(await work.call(token)) == "TOKEN_REVOKED"
    work.door.clock.advance(5)
    assert (await work.call()).status_code == 200


async def test_a_revoked_tenant_is_out_and_what_it_gets_later_is_good(work: Issuer) -> None:
    from vestibule.model import Revocation, RevocationKind

    token = work.token()
    assert (await work.call(token)).status_code == 200
    now = work.door.clock.advance(5)
    end = now.replace(year=now.year + 1)
    work.door.house._watch.learn(Revocation(RevocationKind.TENANT, "default", now, end))
    assert error_of(await work.call(token)) == "TOKEN_REVOKED"
    work.door.clock.advance(5)
    assert (await work.call()).status_code == 200


async def test_a_person_who_was_blocked_here_is_out(work: Issuer) -> None:
    from vestibule.model import Block, BlockKind

    block = Block(BlockKind.USER, "work:alice", "default", work.door.clock())
    await work.door.house.store.blocks.add(block)
    assert error_of(await work.call()) == "POLICY_DENIED"
    assert (await work.call(sub="bob")).status_code == 200


async def test_a_block_reaches_a_token_of_an_issuer_whose_clock_is_ahead(work: Issuer) -> None:
    """It was in use when the block came, but says that it is younger than the block."""
    ahead = work.token(iat=int(work.door.clock().timestamp()) + 30)
    assert (await work.call(ahead)).status_code == 200
    here = Context("cli-1", address="", actor="operator")
    await endings.block_user("default", "work:alice", work.door.house.plane.server, here, reason="left")
    assert error_of(await work.call(ahead)) == "POLICY_DENIED"
    assert (await work.call(sub="bob")).status_code == 200
    assert error_of(await work.call(ahead)) == "POLICY_DENIED"


async def test_a_cached_token_ends_when_it_says(work: Issuer) -> None:
    token = work.token()
    assert (await work.call(token)).status_code == 200
    work.door.clock.advance(661)
    assert error_of(await work.call(token)) == "TOKEN_EXPIRED"


@vector("JWT-019")
async def test_a_jwe_costs_no_work(vector: str, work: Issuer) -> None:
    await work.call()
    before = time.process_time()
    for number in range(20):
        await work.call(_jwe(p2c=2_000_000_000, n=number)(work))
    assert (time.process_time() - before) / 20 < 0.05


@vector("JWT-039")
async def test_a_wrong_signature_and_an_unknown_key_take_as_long(vector: str, work: Issuer) -> None:
    """Of the median of many, in turns: what differs is less than a request's own jitter."""
    await work.call()
    bad, unknown = SigningKey("k1"), SigningKey("nobody-knows")
    await work.call(work.token(key=unknown))  # the one look at the issuer's keys for a while
    took: dict[str, list[float]] = {"bad": [], "unknown": []}
    for number in range(400):
        for name, key in (("bad", bad), ("unknown", unknown)):
            token = work.token(key=key, jti=f"{name}{number}")
            begun = time.perf_counter()
            answer = await work.call(token)
            took[name].append(time.perf_counter() - begun)
            assert error_of(answer) == "INVALID_SIGNATURE"
    medians = {name: statistics.median(times) for name, times in took.items()}
    jitter = statistics.quantiles(took["bad"], n=4)
    assert abs(medians["bad"] - medians["unknown"]) < max(jitter[2] - jitter[0], 0.0005)


async def test_many_with_the_same_new_token_verify_it_once(work: Issuer) -> None:
    token = work.token()
    answers = await asyncio.gather(*(work.call(token) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert work.keys_asked() == 1


@pytest.mark.parametrize("how", ["blocked", "suspended"])
async def test_an_issuer_whose_clock_is_ahead_keeps_nobody_in(work: Issuer, how: str) -> None:
    """What its tokens say of when they were made is later than the end of whoever has them."""
    token = work.token(iat=int(work.door.clock().timestamp()) + 20)
    assert (await work.call(token)).status_code == 200
    if how == "blocked":
        context = Context("cli-1", address="", actor="operator")
        await endings.block_user("default", "work:alice", work.door.house.plane.server, context, reason="left")
    else:
        await set_tenant(work.door, "default", TenantState.SUSPENDED)
    work.door.clock.advance(5)
    assert (await work.call(token)).status_code in (401, 403)
