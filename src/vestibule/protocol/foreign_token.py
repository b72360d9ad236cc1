"""Access tokens of other issuers: what their claims must say before anybody comes in with one.

Whose key made the signature is decided before. RFC 9068 is what a good issuer follows; the large ones each write some
of it differently, and what is taken of that is here: scopes as `scp`, `scope` or `roles`, clients as `azp`, `appid`,
`cid` or `client_id`, a `typ` of JWT or none. What is never taken: another audience, another issuer, a token of another
kind (ID, logout, refresh), or one that is bound to something we do not check.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vestibule.errors import InvalidAudience, InvalidIssuer, InvalidToken, TokenExpired
from vestibule.protocol.id_token import MAX_SUBJECT
from vestibule.protocol.times import LEEWAY

MAX_TOKEN = 16 * 1024  # characters
MAX_SCOPES = 500
LONGEST = 31 * 24 * 3600  # seconds ahead that exp may be: the longest that Auth0 gives is 30 days
_ANOTHER = "Get an access token for this resource, and send that."

_KINDS = frozenset({"", "jwt", "at+jwt"})
# What Keycloak (`typ`) and Cognito (`token_use`) call their tokens inside.
_INSIDE = frozenset({"", "bearer", "access", "access_token", "dpop", "at+jwt", "jwt"})
_MARKS_OF_ID_TOKENS = ("nonce", "at_hash", "c_hash", "s_hash")
_MARKS_OF_ACCESS = ("scope", "scp", "roles", "permissions", "client_id", "appid", "cid")


@dataclass(frozen=True, slots=True)
class ForeignToken:
    """What a token of another issuer says that has passed its check."""

    issuer: str
    subject: str
    client_id: str
    scopes: frozenset[str]
    roles: frozenset[str]
    expires_at: int  # seconds since the epoch
    issued_at: int  # seconds since the epoch; 0: it does not say
    key_thumbprint: str = ""  # RFC 9449: it is for the holder of this key
    token_id: str = field(default="", repr=False)
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read_foreign_token(
    header: Mapping[str, Any],
    claims: Mapping[str, Any],
    *,
    issuer: str,
    audiences: Collection[str],
    now: float,
    id_tokens: bool = False,
) -> ForeignToken:
    """Raises the `Refusal` that fits. `audiences`: those of which one must be the token's, to the letter.

    `id_tokens`: for an issuer whose ID tokens are what is shown to resource servers (Google).
    """
    check_issuer(claims, issuer)
    matched = check_audience(claims, audiences)
    expires_at, issued_at = check_times(claims, now=now)
    check_type(header)
    if not id_tokens:
        check_is_access_token(header, claims, matched)
    return ForeignToken(
        issuer=issuer,
        subject=subject_of(claims),
        client_id=client_of(claims),
        scopes=scopes_of(claims),
        roles=frozenset(_names(claims.get("roles"))),
        expires_at=expires_at,
        issued_at=issued_at,
        key_thumbprint=key_of(claims),
        token_id=text(claims, "jti") or text(claims, "uti"),
        claims=claims,
    )


def check_issuer(claims: Mapping[str, Any], issuer: str) -> None:
    if claims.get("iss") != issuer:
        raise InvalidIssuer(
            "The access token is from another issuer.",
            action=_ANOTHER,
            detail=f"iss is {str(claims.get('iss'))[:200]!r}, the keys are of {issuer!r}",
        )


def check_audience(claims: Mapping[str, Any], audiences: Collection[str]) -> str:
    """The audience of the token that is one of ours (RFC 9068 §4)."""
    said = claims.get("aud")
    named = [said] if isinstance(said, str) else said
    if isinstance(named, list) and named and all(isinstance(one, str) for one in named):
        for one in named:
            if one in audiences:
                return str(one)
    raise InvalidAudience(
        "The access token is for another resource.",
        action=_ANOTHER,
        detail=f"aud is {str(said)[:200]!r}, accepted are {sorted(audiences)}"[:600],
    )


def check_times(claims: Mapping[str, Any], *, now: float) -> tuple[int, int]:
    """`exp` and `iat` (0: there is none). A number of JSON that is no integer is refused: who makes one is odd."""
    expires_at, issued_at, not_before = (whole(claims, name) for name in ("exp", "iat", "nbf"))
    if expires_at is None:
        raise _unusable("The access token does not say when it expires.", "exp is missing")
    if now >= expires_at + LEEWAY:
        raise TokenExpired(
            "The access token has expired.", action="Refresh it.", detail=f"{now - expires_at:.0f} s ago"
        )
    if expires_at > now + LONGEST:
        raise _unusable("The access token lives too long.", f"exp is {expires_at - now:.0f} s ahead")
    for name, value in (("iat", issued_at), ("nbf", not_before)):
        if value is not None and value > now + LEEWAY:
            raise _unusable("The access token is not valid yet.", f"{name} is {value - now:.0f} s ahead of our clock")
    return expires_at, issued_at or 0


def check_type(header: Mapping[str, Any]) -> None:
    """RFC 8725 §3.11: a token that says it is another kind is taken at its word. Keys do not stand in tokens."""
    typ = header.get("typ", "")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in _KINDS:
        raise _unusable("This is not an access token.", f"typ is {str(typ)[:60]!r}")
    if found := [name for name in ("jwk", "jku", "x5u", "x5c", "enc", "zip") if name in header]:
        raise _unusable("This is not an access token.", f"the header has {found}")


def check_is_access_token(header: Mapping[str, Any], claims: Mapping[str, Any], audience: str) -> None:
    """Not an ID, logout or refresh token, which the same issuer signs with the same key (RFC 8725 §3.12).

    A `typ` of at+jwt settles it. Else the claims tell: those that only an ID token has; and where the audience is a
    client's id and not a resource's address, an ID token fits it too, so there must be something that only an access
    token has.
    """
    if "events" in claims:  # OpenID Connect Back-Channel Logout §2.4, RFC 8417
        raise _unusable("This is not an access token.", "it tells of events")
    check_said_kind(claims, ("typ", "token_use"))
    if str(header.get("typ", "")).lower().removeprefix("application/") == "at+jwt":
        return
    says_access = any(
        str(claims.get(name, "")).lower() in ("bearer", "access", "dpop") for name in ("typ", "token_use")
    )
    if found := [name for name in _MARKS_OF_ID_TOKENS if name in claims and not says_access]:
        raise _unusable("This is an ID token, and not an access token.", f"it has {found}")
    is_address = ":" in audience  # https://…, api://…, urn:…; a client's id has none
    if not is_address and not says_access and not any(name in claims for name in _MARKS_OF_ACCESS):
        raise _unusable(
            "This is an ID token, and not an access token.", f"aud is a client's id, and none of {_MARKS_OF_ACCESS}"
        )


def check_said_kind(claims: Mapping[str, Any], names: Collection[str]) -> None:
    """A token that says inside, or of which its issuer says, that it is of another kind is taken at its word."""
    for name in names:
        inside = claims.get(name, "")
        if not isinstance(inside, str) or inside.lower() not in _INSIDE:
            raise _unusable("This is not an access token.", f"its claim {name} is {str(inside)[:60]!r}")


def subject_of(claims: Mapping[str, Any], name: str = "sub") -> str:
    subject = claims.get(name)
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise _unusable("The access token does not say whose it is.", f"{name} is missing, too long or not printable")
    return subject


def client_of(claims: Mapping[str, Any]) -> str:
    """Empty: it does not say."""
    return next((found for name in ("azp", "appid", "client_id", "cid") if (found := text(claims, name))), "")


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """`scp` (Entra, Okta), `scope` (RFC 9068), each a text or a list; and `roles`, what Entra gives to programs."""
    found = (one for name in ("scp", "scope", "roles") for one in _names(claims.get(name)))
    return frozenset([one for one in found if " " not in one][:MAX_SCOPES])


def key_of(claims: Mapping[str, Any]) -> str:
    """`cnf.jkt`. A token that is bound to anything else is for somebody who proves what we cannot check (RFC 7800)."""
    if "cnf" not in claims:
        return ""
    bound = claims["cnf"]
    thumbprint = bound.get("jkt") if isinstance(bound, dict) and set(bound) == {"jkt"} else None
    if not isinstance(thumbprint, str) or len(thumbprint) != 43:
        raise _unusable("The access token is bound to something that is not checked here.", "cnf has not jkt alone")
    return thumbprint


def text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) and len(value) <= 255 and value.isprintable() else ""


def whole(claims: Mapping[str, Any], name: str) -> int | None:
    """None: the claim is not there. Raises `InvalidToken` for what is no integer, or none of our time."""
    if name not in claims:
        return None
    value = claims[name]
    if type(value) is not int or not 0 <= value < 10**12:  # `bool` is an `int` to isinstance
        raise _unusable("The access token's times cannot be read.", f"{name} is {str(value)[:40]!r}")
    return value


def _names(value: object) -> Iterator[str]:
    values = value.split(" ") if isinstance(value, str) else value if isinstance(value, list) else ()
    for one in values[:MAX_SCOPES]:
        if isinstance(one, str) and 0 < len(one) <= 255 and one.isprintable():
            yield one


def _unusable(message: str, detail: str) -> InvalidToken:
    return InvalidToken(message, action=_ANOTHER, detail=detail)
