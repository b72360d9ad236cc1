"""An OpenID provider that does what a test tells it to, however wrong.

Raw HTTP on loopback. By itself it is correct: discovery, keys, an authorization endpoint that signs in `subject`, a
token endpoint that checks the code, PKCE S256 and the client. `claims` and `answers` change what it says.
"""

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Answer = tuple[int, dict[str, Any] | bytes]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class SigningKey:
    """An RSA key with a `kid`."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def public_jwk(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        return {
            "kty": "RSA",
            "kid": self.kid,
            "use": "sig",
            "alg": "RS256",
            "n": _encode(numbers.n.to_bytes(256, "big")),
            "e": _encode(numbers.e.to_bytes(3, "big")),
        }

    def sign(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        head = {"alg": "RS256", "typ": "JWT", "kid": self.kid, **(header or {})}
        signed = f"{_encode(json.dumps(head).encode())}.{_encode(json.dumps(claims).encode())}"
        if head["alg"] == "none":
            return f"{signed}."
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encode(signature)}"


class ScriptedIdentityProvider:
    """`async with ScriptedIdentityProvider() as idp:`; `idp.issuer` goes into the configuration.

    claims   members that replace those of the ID token; None takes one out
    header   members that replace those of the ID token's header
    answers  path → a function that returns (status, JSON or bytes) instead of the right answer
    delay    seconds before every answer
    seen     (method, path, parameters) of everything that was asked
    """

    def __init__(self, *, client_id: str = "gateway", client_secret: str = "gateway-secret-of-tests") -> None:  # noqa: S107
        self.client_id = client_id
        self.client_secret = client_secret
        self.subject = "alice"
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.answers: dict[str, Callable[[], Answer]] = {}
        self.delay = 0.0
        self.now: Callable[[], float] = time.time
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.signing = SigningKey("k1")
        self.published = [self.signing]
        self._codes: dict[str, dict[str, str]] = {}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def issuer(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- what it serves ---------------------------------------------------------------------------------------------

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def jwks(self) -> dict[str, Any]:
        return {"keys": [key.public_jwk() for key in self.published]}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent back to: the person is signed in at once."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        answer = {"code": code, "state": query.get("state", ""), "iss": self.issuer}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def token(self, form: dict[str, str], authorization: str) -> Answer:
        asked = self._codes.pop(form.get("code", ""), None)
        expected = f"{self.client_id}:{self.client_secret}"
        presented = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        challenge = _encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if presented != expected:
            return 401, {"error": "invalid_client"}
        if asked is None or asked.get("code_challenge") != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {
            "access_token": secrets.token_urlsafe(16),
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.id_token(asked.get("nonce", "")),
        }

    def id_token(self, nonce: str) -> str:
        now = int(self.now())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": self.subject,
            "exp": now + 300,
            "iat": now,
            "nonce": nonce,
            "name": self.subject.title(),
            "email": f"{self.subject}@example.com",
            "email_verified": True,
            **self.claims,
        }
        return self.signing.sign({name: value for name, value in claims.items() if value is not None}, self.header)

    # --- HTTP -------------------------------------------------------------------------------------------------------

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
        parts = urlsplit(target)
        parameters = {name: values[0] for name, values in parse_qs(body or parts.query).items()}
        self.seen.append((method, parts.path, parameters))
        await asyncio.sleep(self.delay)
        if parts.path == "/authorize" and parts.path not in self.answers:
            writer.write(
                f"HTTP/1.1 302 Found\r\nLocation: {self.authorize(parameters)}\r\nContent-Length: 0\r\n\r\n".encode()
            )
        else:
            status, value = self._answer(parts.path, parameters, headers)
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n".encode())
            writer.write(f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
        await writer.drain()
        return True

    def _answer(self, path: str, parameters: dict[str, str], headers: dict[str, str]) -> Answer:
        if path in self.answers:
            return self.answers[path]()
        match path:
            case "/.well-known/openid-configuration":
                return 200, self.metadata()
            case "/jwks":
                return 200, self.jwks()
            case "/token":
                return self.token(parameters, headers.get("authorization", ""))
            case _:
                return 404, {"error": "not_found"}
