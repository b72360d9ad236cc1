"""A token that is bound to a key is worth nothing without a proof of that key (RFC 9449)."""

import json
import secrets
import time
from typing import Any

import httpx2
import pytest

from tests.library.conftest import RESOURCE, Issuer, bearer, in_process
from tests.library.test_protect import whoami
from tests.support.proofs import token_hash
from vestibule import protect
from vestibule.testing.signing_key import SigningKey

KEY, OTHER = SigningKey("holder", "ES256"), SigningKey("thief", "ES256")


def jwk(key: SigningKey) -> dict[str, str]:
    return {name: value for name, value in key.public_jwk().items() if name not in ("kid", "use", "alg")}


def thumbprint(key: SigningKey) -> str:
    """RFC 7638 §3: the required members in the order of their names, without a space."""
    members = json.dumps(jwk(key), sort_keys=True, separators=(",", ":"))
    return token_hash(members)


def proof(token: str, nonce: str, key: SigningKey = KEY, **claims: Any) -> str:
    right = {
        "jti": secrets.token_hex(8),
        "htm": "POST",
        "htu": RESOURCE,
        "iat": int(time.time()),
        "nonce": nonce,
        "ath": token_hash(token),
    }
    return key.sign({**right, **claims}, {"typ": "dpop+jwt", "jwk": jwk(key), "kid": None})


async def test_a_bound_token_comes_in_with_a_proof_and_not_without(issuer: Issuer) -> None:
    token = issuer.access_token(cnf={"jkt": thumbprint(KEY)})
    app = protect(whoami, resource=RESOURCE, issuers=[issuer.issuer], proofs=True, tools=[])
    async with in_process(app) as http:
        lost = await http.post("/mcp", headers=bearer(token))
        assert lost.status_code == 401
        assert lost.headers["www-authenticate"].startswith("DPoP ")
        nonce = lost.headers["dpop-nonce"]

        async def show(text: str, **headers: str) -> httpx2.Response:
            return await http.post("/mcp", headers={"Authorization": f"DPoP {token}", "DPoP": text, **headers})

        good = proof(token, nonce)
        answer = await show(good, Host="evil.example")  # the proof is for our address, not for the Host header's
        assert answer.json()["subject"] == "ada"
        assert answer.headers["dpop-nonce"]
        for bad in (good, proof(token, nonce, OTHER), proof(token, nonce, htu="http://127.0.0.1:3000/other"), ""):
            assert (await show(bad)).status_code == 401
        metadata = (await http.get("/.well-known/oauth-protected-resource")).json()
    assert "ES256" in metadata["dpop_signing_alg_values_supported"]


@pytest.mark.parametrize("cnf", [{"x5t#S256": "abc"}, {"jkt": 1}, "jkt", {}])
async def test_a_token_that_is_bound_to_something_else_is_refused(issuer: Issuer, cnf: Any) -> None:
    app = protect(whoami, resource=RESOURCE, issuers=[issuer.issuer], proofs=True, tools=[])
    async with in_process(app) as http:
        answer = await http.post("/mcp", headers=bearer(issuer.access_token(cnf=json.loads(json.dumps(cnf)))))
    assert answer.status_code == 401
