"""Who may ask at /auth, and what they are told with."""

from functools import lru_cache, partial
from ipaddress import ip_network
from urllib.parse import urlsplit

from vestibule.config import Configuration
from vestibule.gateway import ForwardAuth, Vouching
from vestibule.ports import Entropy, SigningKeys
from vestibule.protocol.caller import is_one_of


def make_forward_auth(configuration: Configuration, signer: SigningKeys, entropy: Entropy) -> ForwardAuth | None:
    """None where we relay everything ourselves: then there is no /auth."""
    if all(upstream.served_by == "gateway" for upstream in configuration.upstreams):
        return None
    proxies = tuple(ip_network(network) for network in configuration.trusted_proxies)
    return ForwardAuth(
        vouching=Vouching(issuer=configuration.issuer, signer=signer, entropy=entropy),
        is_proxy=lru_cache(maxsize=1024)(partial(is_one_of, networks=proxies)),
        scheme=urlsplit(configuration.public_url).scheme,
    )
