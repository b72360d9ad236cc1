"""What does it cost to see that a token is good? `python -m bench.verification`.

Microseconds of one core for each kind of token: verified for the first time with the issuer's keys at hand (signature,
claims, a principal), the same through the door (where all who show it wait for one), and recognised again. Beside it
PyJWT and joserfc, called for the same token: signature, issuer, audience, expiry. Round by round in turns on this
machine; the ratio is of the medians, the spread that of the rounds.
"""

import argparse
import asyncio
import json
import os
import statistics
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt as pyjwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import JWKRegistry

from vestibule.keys import KeyRing, RootKey
from vestibule.model import AccessToken, Presented, Resource, TrustedIssuer, Upstream
from vestibule.ports import HttpAnswer
from vestibule.protocol.access_token import PURPOSE, encode_claims, write_token
from vestibule.resource_server import DpopProofs, ResourceServer, RevocationWatch
from vestibule.testing.signing_key import SigningKey
from vestibule.wiring.foreign import foreign_tokens

ISSUER, OURS, API = "https://login.example.com", "https://mcp.example.com", "api://tickets"
RESOURCE = Resource(f"{OURS}/mcp", "/mcp", Upstream("tickets", "http://127.0.0.1:9/mcp"))
Work = Callable[[int], Awaitable[object] | object]


class Issuer:
    """An issuer that answers from memory. Implements `ports.HttpClient`."""

    def __init__(self, key: SigningKey) -> None:
        self._documents = {
            f"{ISSUER}/.well-known/openid-configuration": {
                "issuer": ISSUER,
                "jwks_uri": f"{ISSUER}/jwks",
                "id_token_signing_alg_values_supported": [key.algorithm],
            },
            f"{ISSUER}/jwks": {"keys": [key.public_jwk()]},
        }

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        return HttpAnswer(200, {}, json.dumps(self._documents[url]).encode())

    async def post_form(
        self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        raise AssertionError

    async def send_json(
        self, method: str, url: str, document: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        raise AssertionError


class NoRevocations:
    async def news(self, position: int, *, now: datetime) -> tuple[list[Any], int]:
        return [], 0

    async def announce(self, revocation: Any) -> None:
        raise AssertionError


def claims(number: int) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": ISSUER,
        "sub": f"0a11ce00-3333-4333-8333-{number:012}",
        "aud": API,
        "azp": "c0ffee00-0000-4000-8000-000000000000",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "scope": "mcp tickets.read",
        "jti": f"{number:032}",
    }


def server(ring: KeyRing, foreign: Any = None) -> ResourceServer:
    watch = RevocationWatch(NoRevocations(), lambda: datetime.now(UTC))
    proofs = DpopProofs(authenticator=ring, clock=lambda: datetime.now(UTC))
    return ResourceServer(
        issuer=OURS, sealer=ring, signer=ring, proofs=proofs, revocations=watch, foreign=foreign, cache_size=10_000
    )


def signed_works(key: SigningKey, count: int) -> dict[str, Work]:
    """The same tokens in the hands of each."""
    tokens = [key.sign(claims(number), {"typ": "at+jwt"}) for number in range(count)]
    shown = [Presented(f"Bearer {token}".encode()) for token in tokens]
    foreign = foreign_tokens(
        [TrustedIssuer(ISSUER, name="work")], http=Issuer(key), clock=lambda: datetime.now(UTC), identifiers=[API]
    )
    keeper = server(KeyRing([RootKey(os.urandom(32), 0)], os.urandom), foreign)
    theirs, public = pyjwt.PyJWK(key.public_jwk()), JWKRegistry.import_key(dict[str, str | list[str]](key.public_jwk()))
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": API}, exp={"essential": True}
    )

    async def verify(number: int) -> object:
        return await foreign.verify(tokens[number], RESOURCE, time.time())

    async def admit(number: int) -> object:
        keeper.forget()
        return await keeper.admit(shown[number], RESOURCE, time.time())

    async def recognise(number: int) -> object:
        found = keeper.recognize(shown[0], RESOURCE, time.time())
        return found if found is not None else await keeper.admit(shown[0], RESOURCE, time.time())

    def with_pyjwt(number: int) -> object:
        return pyjwt.decode(tokens[number], theirs, algorithms=[key.algorithm], audience=API, issuer=ISSUER)

    def with_joserfc(number: int) -> object:
        decoded = joserfc_jwt.decode(tokens[number], public, algorithms=[key.algorithm])
        registry.validate(decoded.claims)
        return decoded

    return {
        "first": verify,
        "first, at the door": admit,
        "again": recognise,
        "PyJWT": with_pyjwt,
        "joserfc": with_joserfc,
    }


def sealed_works(count: int) -> dict[str, Work]:
    ring = KeyRing([RootKey(os.urandom(32), 0)], os.urandom)
    keeper = server(ring)
    now = int(time.time())
    shown = []
    for number in range(count):
        token = AccessToken(
            token_id=f"{number:032}",
            grant_id="g" * 32,
            issuer=OURS,
            identity_issuer=ISSUER,
            subject=f"0a11ce00-3333-4333-8333-{number:012}",
            user=f"work:0a11ce00-3333-4333-8333-{number:012}",
            tenant="default",
            client_id="c0ffee00",
            scopes=("mcp", "tickets.read"),
            resource=RESOURCE.identifier,
            issued_at=now,
            expires_at=now + 3600,
        )
        sealed = ring.seal(PURPOSE, encode_claims(token))
        shown.append(Presented(f"Bearer {write_token(sealed)}".encode()))

    async def admit(number: int) -> object:
        keeper.forget()
        return await keeper.admit(shown[number], RESOURCE, time.time())

    async def recognise(number: int) -> object:
        found = keeper.recognize(shown[0], RESOURCE, time.time())
        return found if found is not None else await keeper.admit(shown[0], RESOURCE, time.time())

    return {"first, at the door": admit, "again": recognise}


async def round_of(work: Work, count: int) -> float:
    """Microseconds of processor time for one."""
    begun = time.process_time()
    for number in range(count):
        done = work(number)
        if isinstance(done, Awaitable):
            await done
    return (time.process_time() - begun) / count * 1e6


async def measure(rounds: int, count: int) -> dict[str, dict[str, list[float]]]:
    kinds = {name: signed_works(SigningKey("k1", name), count) for name in ("RS256", "ES256", "EdDSA")}
    kinds["sealed"] = sealed_works(count)
    found: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in works} for kind, works in kinds.items()}
    for number in range(rounds + 1):
        for kind, works in kinds.items():
            for name, work in works.items():
                took = await round_of(work, count)
                if number:  # the first warms up
                    found[kind][name].append(took)
    return found


def report(found: Mapping[str, Mapping[str, list[float]]]) -> None:
    print("| token | what | µs (median) | spread | beside PyJWT | beside joserfc |")
    print("|---|---|---|---|---|---|")
    for kind, works in found.items():
        medians = {name: statistics.median(times) for name, times in works.items()}
        for name, times in works.items():
            beside = [
                f"{medians[name] / medians[other]:.2f}" if other in medians and other != name else ""
                for other in ("PyJWT", "joserfc")
            ]
            spread = f"{min(times):.1f} to {max(times):.1f}"
            print(f"| {kind} | {name} | {medians[name]:.1f} | {spread} | {beside[0]} | {beside[1]} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    begun = time.monotonic()
    found = asyncio.run(measure(options.rounds, options.count))
    if options.json:
        print(json.dumps(found))
        return
    report(found)
    print(f"\n{options.rounds} rounds of {options.count}, {timedelta(seconds=round(time.monotonic() - begun))}")


if __name__ == "__main__":
    main()
