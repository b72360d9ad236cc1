"""The identity providers of the configuration."""

from vestibule.config import Configuration
from vestibule.config.models import OidcConfig
from vestibule.identity_providers.development import DevelopmentProvider
from vestibule.keys import KeyRing
from vestibule.outbound import OutboundClient
from vestibule.ports import Clock, IdentityProvider


def make_providers(
    configuration: Configuration, outbound: OutboundClient, ring: KeyRing, clock: Clock
) -> dict[str, IdentityProvider]:
    providers: dict[str, IdentityProvider] = {}
    for one in configuration.identity_providers:
        if isinstance(one, OidcConfig):
            from vestibule.identity_providers.oidc import OidcProvider  # brings the JOSE library: 3 MB

            providers[one.name] = OidcProvider(
                name=one.name,
                title=one.title or one.name.replace("-", " ").capitalize(),
                issuer=one.issuer,
                client_id=one.client_id,
                client_secret=one.client_secret,
                scopes=one.scopes,
                http=outbound,
                clock=clock,
            )
        else:
            providers[one.name] = _development(one.name, configuration, ring, clock)
    if not providers and configuration.is_loopback:
        providers["development"] = _development("development", configuration, ring, clock)
    return providers


def _development(name: str, configuration: Configuration, ring: KeyRing, clock: Clock) -> DevelopmentProvider:
    return DevelopmentProvider(
        name=name, public_url=configuration.public_url, is_loopback=configuration.is_loopback, sealer=ring, clock=clock
    )
