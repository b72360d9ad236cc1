"""HAProxy that verifies a JWT at every request (`jwt_verify`). Debian package haproxy.

It checks the algorithm, the signature, the end, the issuer and the audience, and takes the token away: what a gateway
must do at least. One thread, because one worker is compared with it.
"""

import base64
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from bench.machine import Missing, Program, file_limit, free_port
from bench.peers.stage import Running, Stage

Algorithm = Literal["RS256", "ES256", "HS256"]

_ISSUER, _AUDIENCE = "https://issuer.example", "https://mcp.example"
_CONFIGURATION = """\
global
  nbthread {threads}
  maxconn {connections}
defaults
  mode http
  option http-keep-alive
  {delay}
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
frontend door
  bind 127.0.0.1:{port} backlog 4096
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless {{ var(txn.alg) -m str {algorithm} }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,"{key}") -m int 1 }}
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_payload_query('$.iss') -m str {issuer} }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_payload_query('$.aud') -m str {audience} }}
  http-request del-header authorization
  default_backend one
backend one
  http-reuse always
  server one 127.0.0.1:{upstream}
"""


def start(stage: Stage, *, algorithm: Algorithm) -> Running:
    """Raises `Missing`."""
    if shutil.which("haproxy") is None:
        raise Missing("HAProxy is not installed: apt-get install haproxy")
    port = free_port()
    folder = stage.folder / f"haproxy-{port}"
    folder.mkdir()
    key, sign = _key(algorithm, folder)
    (folder / "haproxy.cfg").write_text(
        _CONFIGURATION.format(
            threads=stage.workers,
            connections=_connections(),
            delay="option http-no-delay" if stage.streams else "",  # it holds small writes back for 200 ms otherwise
            port=port,
            upstream=stage.upstream,
            algorithm=algorithm,
            key=key,
            issuer=_ISSUER,
            audience=_AUDIENCE,
        )
    )
    program = Program(["haproxy", "-db", "-f", f"{folder}/haproxy.cfg"], folder, cores=stage.cores)
    program.wait_for(port)
    return Running(port, program, token=_token(algorithm, sign))


def _connections() -> int:
    """Each takes two files, and HAProxy does not start with more than it may open."""
    return (file_limit() - 200) // 2


def _token(algorithm: Algorithm, sign: Callable[[bytes], bytes]) -> str:
    now = int(time.time())
    claims = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": "ada",
        "client_id": "bench",
        "scope": "mcp",
        "iat": now,
        "exp": now + 6 * 3600,
        "jti": "4f0c8a6e1b2d",
    }
    signed = f"{_text({'alg': algorithm, 'typ': 'at+jwt', 'kid': 'one'})}.{_text(claims)}"
    return f"{signed}.{_encode(sign(signed.encode()))}"


def _key(algorithm: Algorithm, folder: Path) -> tuple[str, Callable[[bytes], bytes]]:
    """What HAProxy is told to verify with, and how to sign."""
    if algorithm == "HS256":
        secret = "a secret that is as long as it should be"
        return secret, lambda data: _mac(secret, data)
    file = folder / "public.pem"
    key = ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else rsa.generate_private_key(65537, 2048)
    file.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    if isinstance(key, ec.EllipticCurvePrivateKey):
        ecdsa = key
        return str(file), lambda data: _raw(ecdsa.sign(data, ec.ECDSA(hashes.SHA256())))
    rsa_key = key
    return str(file), lambda data: rsa_key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _raw(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _mac(secret: str, data: bytes) -> bytes:
    code = hmac.HMAC(secret.encode(), hashes.SHA256())
    code.update(data)
    return code.finalize()


def _text(value: object) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
