"""What Entra's tokens say of their tenant, and which issuer goes with it.

A multi-tenant application reads one discovery document whose issuer is a template, `…/{tenantid}/v2.0`. Filling it in
from the token proves nothing by itself: any tenant of the world has tokens that fit. So the tenant is looked up in a
list first, and then everything that names an issuer must name that one tenant.
Source: learn.microsoft.com, "Validate tokens" and "Access tokens: validate the issuer, the signing key issuer".
"""

from collections.abc import Collection, Mapping
from typing import Any

from vestibule.protocol.jwt import JwtError

TENANT_TEMPLATE = "{tenantid}"
V1_ISSUER = "https://sts.windows.net"
_V1_ISSUERS = {"https://login.partner.microsoftonline.cn": "https://sts.chinacloudapi.cn"}


def issuer_of(authority: str, tenant: str) -> str:
    """The v2 issuer of a tenant; with `TENANT_TEMPLATE` the one in the discovery document of many."""
    return f"{authority}/{tenant}/v2.0"


def tenant_of(claims: Mapping[str, Any], tenants: Collection[str]) -> str:
    """The token's tenant, one of `tenants` (ids in lower case). Raises `JwtError`."""
    tenant = claims.get("tid")
    if not isinstance(tenant, str) or tenant.lower() not in tenants:
        raise JwtError(f"tid is {str(tenant)[:60]!r}, which is not one of the configured tenants")
    return tenant.lower()


def expected_issuer(claims: Mapping[str, Any], tenant: str, authority: str) -> str:
    """What `iss` must be in a token of this tenant: that of its version (`ver`)."""
    if claims.get("ver") == "1.0":
        return f"{_V1_ISSUERS.get(authority, V1_ISSUER)}/{tenant}/"
    return issuer_of(authority, tenant)


def check_key_issuer(key_issuer: str, tenant: str, authority: str) -> None:
    """Raise `JwtError` when the signing key is marked as another issuer's: keys of many tenants stand in one set."""
    issuer = key_issuer.replace(TENANT_TEMPLATE, tenant)
    if key_issuer and issuer != issuer_of(authority, tenant):
        raise JwtError(f"the signing key is of {issuer[:200]!r}")


def object_id(claims: Mapping[str, Any]) -> str:
    """Who it is, in its tenant: the same in every application, unlike `sub`. Raises `JwtError`."""
    value = claims.get("oid")
    if not isinstance(value, str) or not 0 < len(value) <= 100 or not value.isprintable():
        raise JwtError("oid is missing; the scope profile brings it")
    return value


def is_email_owned(claims: Mapping[str, Any]) -> bool:
    """`xms_edov`: whether the domain of `email` belongs to the tenant. Without it anybody may have written the address
    into their own directory (nOAuth)."""
    owned = claims.get("xms_edov")
    return owned is True or (type(owned) is int and owned == 1)


def has_more_groups(claims: Mapping[str, Any]) -> bool:
    """Whether the groups were too many for the token (over 200), so that Graph has to be asked.

    The address in `_claim_sources` is of the retired Azure AD Graph, and is never used.
    """
    if claims.get("groups") is not None:
        return False
    names = claims.get("_claim_names")
    return claims.get("hasgroups") in (True, "true") or (isinstance(names, Mapping) and "groups" in names)
