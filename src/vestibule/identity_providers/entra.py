"""Microsoft Entra ID: one tenant, or a list of them.

A person is (tenant, object id): `sub` is another one in every application, and addresses and names are whatever a
tenant's administrator wrote. The issuer of the identity is the tenant's v2 issuer, also when a v1 token told.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from vestibule.errors import FetchError
from vestibule.identity_providers.graph import Graph
from vestibule.identity_providers.oidc import OidcProvider
from vestibule.model import Identity
from vestibule.oauth_client.aadsts import meaning_of_entra
from vestibule.oauth_client.refusals import Refused
from vestibule.oauth_client.token_answer import AnswerError, TokenAnswer
from vestibule.protocol import entra
from vestibule.protocol.claims import plain_email, text_of
from vestibule.protocol.jwt import Verified
from vestibule.protocol.registration import clean_name


class EntraProvider(OidcProvider):
    """Entra, for the people of some tenants."""

    def __init__(
        self, *, authority: str, tenants: Collection[str], graph: Graph, log: Callable[..., None], **usual: Any
    ) -> None:
        """`tenants`: the ids of those whose people may come in, in lower case."""
        super().__init__(**usual)
        self._authority = authority
        self._tenants = frozenset(tenants)
        self._graph = graph
        self._log = log

    def prompt_for(self, asked: frozenset[str]) -> str:
        """Entra takes one value: the one that asks most of the person."""
        return next((one for one in ("login", "consent", "select_account", "none") if one in asked), "")

    def is_own_issuer(self, issuer: str) -> bool:
        return issuer in {entra.issuer_of(self._authority, tenant) for tenant in self._tenants}

    def issuer_for(self, verified: Verified) -> str:
        tenant = entra.tenant_of(verified.claims, self._tenants)
        entra.check_key_issuer(verified.key_issuer, tenant, self._authority)
        entra.object_id(verified.claims)
        return entra.expected_issuer(verified.claims, tenant, self._authority)

    async def identify(self, claims: Mapping[str, Any], tokens: TokenAnswer) -> Identity:
        claims = await self._with_groups(claims, tokens)
        email = plain_email(text_of(claims, "email")) if entra.is_email_owned(claims) else ""
        return Identity(
            issuer=entra.issuer_of(self._authority, entra.tenant_of(claims, self._tenants)),
            subject=entra.object_id(claims),
            provider=self.name,
            name=clean_name(text_of(claims, "name") or text_of(claims, "preferred_username") or text_of(claims, "upn")),
            email=email,
            roles=self._roles.roles(claims),
            claims=claims,
        )

    def understand(self, error: AnswerError) -> Refused:
        return meaning_of_entra(error.error, str(error), error.document)

    def understand_callback(self, answer: Mapping[str, str]) -> Refused:
        return meaning_of_entra(answer["error"], answer.get("error_description", ""))

    async def _with_groups(self, claims: Mapping[str, Any], tokens: TokenAnswer) -> Mapping[str, Any]:
        """Groups that were too many for the token, where groups are roles. When they cannot be had: no groups."""
        if not self._roles.use("groups") or not entra.has_more_groups(claims):
            return claims
        try:
            return {**claims, "groups": list(await self._graph.groups(tokens.access_token))}
        except FetchError as error:
            self._log(
                "groups_unknown",
                level="warning",
                provider=self.name,
                subject=entra.object_id(claims),
                reason=error.detail or error.message,
            )
            return claims
