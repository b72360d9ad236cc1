"""Area `jwks` of the catalogue and its faults: an issuer's keys, however they come or do not come."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.security.vectors import vector
from tests.support.foreign import API, Issuer, error_of, trusted
from tests.support.house import open_door
from vestibule.outbound.issuer_documents import REFETCH_COOLDOWN, TRUSTED_FOR
from vestibule.testing.identity_provider import ScriptedIdentityProvider, drip, garbage, hang, huge
from vestibule.testing.recording_upstream import RecordingUpstream
from vestibule.testing.signing_key import SigningKey


@pytest.fixture
async def work(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Issuer]:
    async with trusted(tmp_path, upstream) as running:
        yield running


def _keys(count: int) -> Callable[[], tuple[int, Any]]:
    return lambda: (200, {"keys": [{"kty": "RSA", "kid": str(number)} for number in range(count)]})


BROKEN: dict[str, Callable[[Issuer], Any]] = {
    "50 MB": lambda work: work.idp.faults.update({"/jwks": huge(50 << 20)}),
    "50 MB in chunks": lambda work: work.idp.faults.update({"/jwks": huge(50 << 20, chunked=True)}),
    "600 KiB": lambda work: work.idp.answers.update({"/jwks": lambda: (200, b'{"keys":[' + b" " * 600 * 1024)}),
    "a hundred keys and one": lambda work: work.idp.answers.update({"/jwks": _keys(101)}),
    "a million keys": lambda work: work.idp.answers.update({"/jwks": _keys(1_000_000)}),
    "no keys": lambda work: work.idp.answers.update({"/jwks": _keys(0)}),
    "no usable key": lambda work: work.idp.answers.update({"/jwks": _keys(3)}),
    "garbage": lambda work: work.idp.faults.update({"/jwks": garbage}),
    "a page": lambda work: work.idp.answers.update({"/jwks": lambda: (200, b"<html>")}),
    "500": lambda work: work.idp.answers.update({"/jwks": lambda: (500, {})}),
}


@vector("JWKS-007")
@pytest.mark.parametrize("how", BROKEN)
async def test_keys_that_cannot_be_read_open_nothing(vector: str, how: str, work: Issuer) -> None:
    BROKEN[how](work)
    answer = await work.call()
    assert (answer.status_code, error_of(answer)) == (503, "JWKS_FETCH_ERROR")
    assert "retry-after" in answer.headers
    assert work.idp.bytes_sent < 16 << 20  # what the sockets between them hold
    assert not work.upstream.requests


@vector("JWKS-007")
@pytest.mark.parametrize("how", [hang, drip(0.2)], ids=["silent", "a byte at a time"])
async def test_keys_that_come_slowly_are_not_waited_for(vector: str, how: Any, work: Issuer) -> None:
    work.idp.faults["/jwks"] = how
    begun = time.monotonic()
    waiting = asyncio.create_task(work.call())
    assert (await work.door.http.get(f"{work.door.url}/healthz")).status_code == 200  # the loop goes on
    assert error_of(await waiting) == "JWKS_FETCH_ERROR"
    assert time.monotonic() - begun < 7


@pytest.mark.parametrize("how", BROKEN)
async def test_what_was_good_is_never_replaced_by_what_is_broken(how: str, work: Issuer) -> None:
    """FLT-11, FLT-12."""
    assert (await work.call()).status_code == 200
    BROKEN[how](work)
    work.door.clock.advance(3700)
    assert (await work.call()).status_code == 200
    assert work.keys_asked() >= 2


@vector("JWKS-008")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_redirect_leads_nowhere(vector: str, scheme: str, work: Issuer) -> None:
    from vestibule.testing.scripted_http import Answer

    async with ScriptedIdentityProvider() as evil:
        evil.signing = SigningKey("k1")
        evil.published = [evil.signing]
        target = f"{evil.issuer.replace('http', scheme, 1)}/jwks"

        async def redirect(exchange: Any) -> bool:
            await exchange.send(Answer(302, b"", {"Location": target}).to_bytes())
            return True

        work.idp.faults["/jwks"] = redirect
        assert (await work.call(key=evil.signing)).status_code == 503
        assert evil.received == []


@vector("JWKS-012")
async def test_a_token_that_names_no_key(vector: str, work: Issuer) -> None:
    """Is tried with those that fit, and no more than a few of them."""
    work.idp.published = [SigningKey("a"), SigningKey("b", "ES256"), SigningKey("c"), work.idp.signing]
    assert (await work.call(header={"kid": None})).status_code == 200
    assert error_of(await work.call(key=SigningKey("k1"), header={"kid": None})) == "INVALID_SIGNATURE"


@vector("JWKS-012")
def test_no_signature_is_tried_with_more_than_a_few_keys(vector: str) -> None:
    from vestibule.protocol.jwt import MAX_TRIES, JwtError, KeySet

    keys = [SigningKey(str(number), "ES256") for number in range(MAX_TRIES + 1)]
    known = KeySet.read({"keys": [key.public_jwk() for key in keys]})
    last = keys[-1].sign({}, {"kid": None})
    with pytest.raises(JwtError):
        known.verify(last, algorithms=["ES256"])
    assert known.verify(keys[0].sign({}, {"kid": None}), algorithms=["ES256"])


@vector("JWKS-014")
async def test_two_issuers_whose_keys_have_one_name(vector: str, tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with ScriptedIdentityProvider() as first, ScriptedIdentityProvider() as second:
        second.signing = SigningKey("k1")
        second.published = [second.signing]
        section = {"identifiers": [API], "issuers": [first.issuer, second.issuer]}
        async with open_door(tmp_path, upstream.url, resource_server=section) as door:
            one, other = Issuer(first, door, upstream), Issuer(second, door, upstream)
            assert (await one.call()).status_code == (await other.call()).status_code == 200
            crossed = await one.call(key=second.signing)
            assert (crossed.status_code, error_of(crossed)) == (401, "INVALID_SIGNATURE")
            assert error_of(await one.call(iss=second.issuer)) == "INVALID_SIGNATURE"


async def test_poisoned_entries_are_passed_over(work: Issuer) -> None:
    """FLT-11: a shared secret, a private key and an attacker's key under the same name do not count or do no harm."""
    attacker = SigningKey("k1")
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "HS256"}
    private = {**SigningKey("k9").public_jwk(), "d": "AQAB"}
    keys = [secret, private, "no object", {}, work.idp.signing.public_jwk()]
    work.idp.answers["/jwks"] = lambda: (200, {"keys": keys})
    assert (await work.call()).status_code == 200
    assert error_of(await work.call(key=attacker)) == "INVALID_SIGNATURE"
    assert error_of(await work.call(header={"alg": "HS256"})) == "INVALID_SIGNATURE"


async def test_a_rotated_key_is_found_at_once_and_the_removed_one_ends(work: Issuer) -> None:
    assert (await work.call()).status_code == 200
    old = work.idp.signing
    work.idp.rotate_key(keep_old=False)
    assert (await work.call()).status_code == 200
    assert work.keys_asked() == 2
    assert error_of(await work.call(key=old, jti="new")) == "INVALID_SIGNATURE"


async def test_unknown_keys_ask_the_issuer_once_in_a_while(work: Issuer) -> None:
    assert (await work.call()).status_code == 200
    stranger = SigningKey("stranger")
    for number in range(30):
        assert error_of(await work.call(key=stranger, jti=str(number))) == "INVALID_SIGNATURE"
    assert work.keys_asked() == 2
    work.door.clock.advance(REFETCH_COOLDOWN)
    assert error_of(await work.call(key=stranger, jti="later")) == "INVALID_SIGNATURE"
    assert work.keys_asked() == 3


async def test_a_flood_of_unknown_keys_while_the_issuer_is_down_keeps_nobody_out(work: Issuer) -> None:
    """FLT-14."""
    assert (await work.call()).status_code == 200
    work.idp.faults["/jwks"] = hang
    stranger = SigningKey("stranger")
    flood = [asyncio.create_task(work.call(key=stranger, jti=f"f{number}")) for number in range(50)]
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    for number in range(10):
        assert (await work.call(jti=f"good{number}")).status_code == 200
    assert time.monotonic() - begun < 2
    answers = await asyncio.gather(*flood)
    assert {answer.status_code for answer in answers} <= {401, 503}
    assert work.keys_asked() == 2


async def test_a_thousand_first_requests_are_one_look_at_the_keys(work: Issuer) -> None:
    work.idp.delay = 0.2
    tokens = [work.token(jti=str(number)) for number in range(1000)]
    tokens_of = work.door.house.gateway.doorkeeper
    resource = work.door.house.plane.server.settings.resources[0]

    async def admit(token: str) -> str:
        from vestibule.model import Presented

        principal = await tokens_of.admit(
            Presented(f"Bearer {token}".encode()), resource, work.door.clock().timestamp()
        )
        return principal.user

    assert set(await asyncio.gather(*map(admit, tokens))) == {"work:alice"}
    assert work.keys_asked() == 1
    assert len(work.idp.asked("/.well-known/openid-configuration")) == 1


async def test_keys_are_trusted_for_a_day_without_their_issuer_and_no_longer(work: Issuer) -> None:
    assert (await work.call()).status_code == 200
    await work.idp.stop()
    work.door.clock.advance(TRUSTED_FOR.total_seconds() - 60)
    assert (await work.call()).status_code == 200
    work.door.clock.advance(120)
    assert error_of(await work.call()) == "JWKS_FETCH_ERROR"
    await work.idp.start()
    work.door.clock.advance(31)
    assert (await work.call()).status_code == 200


async def test_a_dead_issuer_is_waited_for_once_and_then_not(work: Issuer) -> None:
    assert (await work.call()).status_code == 200
    work.idp.faults["/jwks"] = hang
    work.door.clock.advance(3700)
    assert (await work.call()).status_code == 200
    begun = time.monotonic()
    for number in range(5):
        assert (await work.call(jti=str(number))).status_code == 200
    assert time.monotonic() - begun < 4


async def test_keys_are_read_again_when_their_time_is_over(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with trusted(tmp_path, upstream, more={"jwks_cache_ttl": 600}) as work:
        old = work.idp.signing
        assert (await work.call()).status_code == 200
        work.idp.rotate_key(keep_old=False)
        work.door.clock.advance(601)
        assert error_of(await work.call(key=old)) == "INVALID_SIGNATURE"


@vector("JWKS-008")
async def test_another_issuer_in_the_discovery_document(vector: str, work: Issuer) -> None:
    """FLT-07."""
    work.idp.script.metadata["issuer"] = "https://evil.example"
    assert error_of(await work.call()) == "JWKS_FETCH_ERROR"
    assert work.keys_asked() == 0


async def test_endpoints_that_move_to_another_host_are_not_followed(work: Issuer) -> None:
    """FLT-07."""
    assert (await work.call()).status_code == 200
    async with ScriptedIdentityProvider() as evil:
        evil.signing = SigningKey("k1")
        evil.published = [evil.signing]
        work.idp.script.metadata["jwks_uri"] = f"{evil.issuer}/jwks"
        work.door.clock.advance(3700)
        assert (await work.call()).status_code == 200
        work.door.clock.advance(3700)
        assert error_of(await work.call(key=evil.signing)) == "INVALID_SIGNATURE"
        assert evil.received == []


async def test_an_issuer_that_has_only_the_document_of_rfc_8414(tmp_path: Path, upstream: RecordingUpstream) -> None:
    from vestibule.testing.scripted_http import Answer, ReceivedRequest

    class Plain(ScriptedIdentityProvider):
        async def respond(self, request: ReceivedRequest) -> Answer:
            if request.path == "/.well-known/oauth-authorization-server":
                return Answer(200, {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks"})
            if request.path.startswith("/.well-known"):
                return Answer(404, {})
            return await super().respond(request)

    async with Plain() as idp:
        section = {"identifiers": [API], "issuers": [idp.issuer]}
        async with open_door(tmp_path, upstream.url, resource_server=section) as door:
            work = Issuer(idp, door, upstream)
            assert (await work.call()).status_code == 200
