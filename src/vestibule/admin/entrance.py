"""Who may administer, and how much: from an access token to an Administrator.

The admin API is a protected resource of its own. Only access tokens of our own authorization server open it, made for
it and with its scope: no API key, no other issuer's token. Whose they are decides how much: a person of one of the
`operators` roles administers every tenant, a person of one of the `roles` their own; a client that is named, in its own
name, every tenant.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vestibule.errors import (
    InsufficientScope,
    InvalidDpopProof,
    InvalidProof,
    InvalidToken,
    MissingAuthorization,
    PolicyDenied,
    UseDpopNonce,
)
from vestibule.model import AccessToken, AuditEvent, Resource, TenantId
from vestibule.ports import AuditLog, Clock, ProofChecker, TokenReader
from vestibule.protocol.access_token import check_claims
from vestibule.protocol.bearer import parse_authorization
from vestibule.protocol.scope import ADMIN

_IN_ITS_OWN_NAME = "client:"  # how the authorization server calls a client that got a token for itself


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who administers, in which request."""

    actor: str  # in the trail
    tenant: TenantId | None  # the only one that exists for them; None: all
    request_id: str
    client_id: str = ""
    address: str = ""
    roles: frozenset[str] | None = None  # what they may hand on hangs on these; None: on nothing


@dataclass(frozen=True, slots=True)
class Rights:
    """What the operator decided."""

    roles: frozenset[str] = frozenset()  # of people: their own tenant
    operators: frozenset[str] = frozenset()  # of people: all tenants
    clients: frozenset[str] = frozenset()  # client ids: all tenants


@dataclass(frozen=True, slots=True)
class Knock:
    """A request at the door."""

    authorization: str | None
    proofs: Sequence[str]  # the values of its DPoP headers
    method: str
    url: str  # without its query
    request_id: str
    address: str


class Entrance:
    def __init__(
        self,
        resource: Resource,
        issuer: str,
        rights: Rights,
        *,
        tokens: TokenReader,
        proofs: ProofChecker,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self.resource = resource
        self._issuer = issuer
        self._rights = rights
        self._tokens = tokens
        self._proofs = proofs
        self._audit = audit
        self._clock = clock

    async def admit(self, knock: Knock) -> Administrator:
        """Raises a `Refusal`: 401 for what is no token for this, 403 for somebody who may not."""
        token = self._read(knock)
        if ADMIN not in token.scopes:
            await self._note(token, knock, "without its scope")
            raise InsufficientScope(
                f"Administration needs the scope {ADMIN}.", scopes=(ADMIN,), action="Ask for a token with it."
            )
        found = administrator_for(token, self._rights, knock)
        if found is None:
            await self._note(token, knock, "none of the roles or clients that administer")
            raise PolicyDenied(
                "You do not administer this server.", action="Ask its operator for a role.", detail=token.user
            )
        return found

    def _read(self, knock: Knock) -> AccessToken:
        if knock.authorization is None:
            raise MissingAuthorization(
                "Administration needs an access token.", action=f"Get one for {self.resource.identifier}."
            )
        scheme, bearer = parse_authorization(knock.authorization.encode("latin-1"))
        now = self._clock().timestamp()
        token = self._tokens.read(bearer, now)
        check_claims(token, issuer=self._issuer, resource=self.resource.identifier, now=now)
        if (scheme == "dpop") != bool(token.key_thumbprint):
            raise InvalidToken(
                "The access token came with the wrong scheme.", action="Send it with the token_type that it has."
            )
        if token.key_thumbprint:
            self._check_proof(token, bearer, knock)
        return token

    def _check_proof(self, token: AccessToken, bearer: str, knock: Knock) -> None:
        try:
            proof = self._proofs.check(knock.proofs, method=knock.method, url=knock.url, access_token=bearer)
        except UseDpopNonce as error:
            raise InvalidProof(error.message, nonce=error.nonce, error=error.error) from error
        except InvalidDpopProof as error:
            raise InvalidProof(error.message, nonce=self._proofs.nonce(), action=error.action) from error
        if proof.thumbprint != token.key_thumbprint:
            raise InvalidProof("The DPoP proof is of another key than the token's.", nonce=self._proofs.nonce())

    async def _note(self, token: AccessToken, knock: Knock, reason: str) -> None:
        await self._audit.record(
            AuditEvent(
                at=self._clock(),
                action="admin.enter",
                outcome="denied",
                request_id=knock.request_id,
                actor=token.user,
                client_id=token.client_id,
                tenant=token.tenant,
                target=self.resource.identifier,
                reason=reason,
                address=knock.address,
            )
        )


def administrator_for(token: AccessToken, rights: Rights, knock: Knock) -> Administrator | None:
    """Who a token for administration makes somebody, or None.

    A client is itself only where no person is behind the token: people sign in at clients, too.
    """
    roles = frozenset(token.roles)
    is_itself = token.user == f"{_IN_ITS_OWN_NAME}{token.client_id}" and not token.actors
    if is_itself and token.client_id in rights.clients:
        return Administrator(token.user, None, knock.request_id, token.client_id, knock.address)
    if roles & rights.operators:
        return Administrator(token.user, None, knock.request_id, token.client_id, knock.address)
    if roles & rights.roles:
        return Administrator(token.user, token.tenant, knock.request_id, token.client_id, knock.address, roles)
    return None
