"""Who tells us who someone is: the identity providers of the file, one model a kind.

Every kind that is a service of somebody has its addresses as a key with the real service as its default: for national
clouds, for an Enterprise server, and for tests.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from vestibule.config.addresses import IssuerUrl, is_loopback_host, split_http_url
from vestibule.config.sections import Model
from vestibule.config.values import Name, SecretValue, wrong

GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
IMDS = "http://169.254.169.254"
FEDERATED_AUDIENCE = "api://AzureADTokenExchange"


def read_base_url(url: str) -> str:
    """The address of a service, without a slash at its end."""
    parts = split_http_url(url)
    if parts is None or "?" in url or "#" in url or "@" in parts.netloc:
        raise wrong("it is not an https URL", "write https://host")
    if parts.scheme == "http" and not is_loopback_host(parts.hostname or ""):
        raise wrong("people's codes and our secret would travel in clear", "use https")
    return url.rstrip("/")


def read_metadata_endpoint(url: str) -> str:
    """Where the platform gives managed identities: plain http on this machine's own link is what platforms have."""
    parts = split_http_url(url)
    if parts is None or "@" in parts.netloc or "#" in url:
        raise wrong("it is not a URL", f"leave it out, or write it like {IMDS}")
    host = parts.hostname or ""
    if parts.scheme == "http" and not (is_loopback_host(host) or re.fullmatch(r"169\.254\.\d{1,3}\.\d{1,3}", host)):
        raise wrong("who we are would travel in clear: it is http and not this machine's own", "use https")
    return url.rstrip("/")


def read_tenant(tenant: str) -> str:
    """A directory's id. Its domain will not do: a token names the id, and that is what is compared."""
    folded = tenant.lower()
    if GUID.fullmatch(folded) or folded in ("organizations", "common"):
        return folded
    if folded == "consumers":
        raise wrong(
            "it lets in private Microsoft accounts, which no organisation answers for", "write your tenant's id"
        )
    raise wrong("it is not a tenant's id", "write the Directory (tenant) ID, such as 11111111-2222-…, not a domain")


def read_tenant_id(tenant: str) -> str:
    folded = tenant.lower()
    if not GUID.fullmatch(folded):
        raise wrong("it is not a tenant's id", "write the Directory (tenant) ID, not a domain")
    return folded


def read_domain(domain: str) -> str:
    folded = domain.lower().rstrip(".")
    if not re.fullmatch(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", folded):
        raise wrong("it is not a domain", "write it like example.com")
    return folded


def read_auth0_domain(domain: str) -> str:
    folded = domain.lower()
    if not re.fullmatch(r"[a-z0-9.-]+(?::\d{1,5})?", folded):
        raise wrong("it is not a host name", "write it like example.eu.auth0.com, without https:// and slashes")
    return folded


def read_organization(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,98})", name):
        raise wrong("it is not the name of an organisation", "write it as it stands in its address")
    return name.lower()


def read_team(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,98}/[A-Za-z0-9_.-]{1,100}", name):
        raise wrong("it is not a team", "write organisation/team, as in the team's address")
    return name.lower()


def read_client_assertion(text: str) -> str:
    if text not in ("managed-identity", "workload-identity") and not re.fullmatch(r"file:.+", text):
        raise wrong(
            "it does not say where the assertion comes from", "write managed-identity, workload-identity or file:/path"
        )
    return text


BaseUrl = Annotated[str, AfterValidator(read_base_url)]
MetadataEndpoint = Annotated[str, AfterValidator(read_metadata_endpoint)]
Tenant = Annotated[str, AfterValidator(read_tenant)]
TenantGuid = Annotated[str, AfterValidator(read_tenant_id)]
Domain = Annotated[str, AfterValidator(read_domain)]
Auth0Domain = Annotated[str, AfterValidator(read_auth0_domain)]
Organization = Annotated[str, AfterValidator(read_organization)]
Team = Annotated[str, AfterValidator(read_team)]
ClientAssertion = Annotated[str, AfterValidator(read_client_assertion)]
ClientId = Annotated[str, Field(min_length=1, max_length=500)]


class RolesConfig(Model):
    """What claims become roles."""

    model_config = ConfigDict(validate_by_name=False, validate_by_alias=True)

    from_: tuple[str, ...] = Field(
        (),
        alias="from",
        description="The claims whose values become roles, each by its name or by a path with dots.",
        examples=[["roles", "groups", "realm_access.roles"]],
    )
    names: dict[str, str] = Field(
        default_factory=dict,
        description="Other names for some values. A value that already reads like such a name gives no role.",
        examples=[{"6f4f7a0e-0d5b-4f3b-9d3f-0a5b7c1d2e3f": "admin"}],
    )


class ManagedIdentityConfig(Model):
    """Where a managed identity comes from. The environment of Azure says most of it."""

    client_id: str = Field(
        "",
        description="The client id of the user-assigned identity; the machine's own identity when left out.",
        examples=["11111111-2222-3333-4444-555555555555"],
    )
    endpoint: MetadataEndpoint = Field(
        IMDS,
        description="The metadata service (AZURE_POD_IDENTITY_AUTHORITY_HOST), or with a header App Service's "
        "IDENTITY_ENDPOINT.",
        examples=[IMDS],
    )
    header: SecretValue | None = Field(
        None, description="What App Service wants to see: IDENTITY_HEADER.", examples=["env:IDENTITY_HEADER"]
    )
    audience: str = Field(
        FEDERATED_AUDIENCE,
        description="The audience of the federated credential; national clouds have others.",
        examples=["api://AzureADTokenExchangeUSGov"],
    )


class _Provider(Model):
    """What every kind has that is a service of somebody."""

    name: Name = Field(
        description="Its name in the callback address to register there: <public_url>/callback/{name}.",
        examples=["work"],
    )
    title: str = Field("", description="What people are shown. The name, when left out.", examples=["Company account"])
    client_id: ClientId = Field(description="What it calls us.", examples=["vestibule"])
    client_secret: SecretValue | None = Field(
        None,
        description="Our secret there, as file: or env:; left out for a public client.",
        examples=["env:OIDC_SECRET"],
    )
    roles: RolesConfig = Field(
        RolesConfig(), description="Which claims become roles.", examples=[{"from": ["groups"], "names": {"a": "b"}}]
    )


class OidcConfig(_Provider):
    """Any OpenID provider."""

    kind: Literal["oidc"] = Field(description="oidc: any OpenID provider, by its discovery document.")
    issuer: IssuerUrl = Field(
        description="Its issuer, to the letter of its discovery document.", examples=["https://login.example.com"]
    )
    client_key: SecretValue | None = Field(
        None,
        description="Our private key in PEM (RSA or P-256), in place of a secret: private_key_jwt.",
        examples=["file:/run/secrets/client.pem"],
    )
    client_key_id: str = Field("", description="The kid under which the provider knows that key.", examples=["2026-01"])
    client_assertion: ClientAssertion | None = Field(
        None,
        description="file:/path of a token that our platform rewrites, in place of a secret (RFC 7523).",
        examples=["file:/var/run/secrets/tokens/idp"],
    )
    scopes: tuple[str, ...] = Field(
        ("openid", "profile", "email"), description="What we ask it for.", examples=[["openid", "offline_access"]]
    )
    userinfo: bool = Field(
        False,
        description="Whether to ask its userinfo endpoint as well, for claims that its ID token leaves out.",
        examples=[True],
    )


class EntraConfig(_Provider):
    """Microsoft Entra ID."""

    kind: Literal["entra"] = Field(description="entra: Microsoft Entra ID.")
    tenant: Tenant | None = Field(
        None,
        description="The id of the one tenant whose people may sign in.",
        examples=["11111111-2222-3333-4444-555555555555"],
    )
    tenants: tuple[TenantGuid, ...] = Field(
        (),
        description="The ids of several tenants whose people may sign in, for a multi-tenant application.",
        examples=[["11111111-2222-3333-4444-555555555555"]],
    )
    client_certificate: SecretValue | None = Field(
        None,
        description="A PEM file with our certificate and its private key, in place of a secret.",
        examples=["file:/run/secrets/entra.pem"],
    )
    client_assertion: ClientAssertion | None = Field(
        None,
        description="managed-identity, workload-identity (AZURE_FEDERATED_TOKEN_FILE) or file:/path of a token that "
        "our platform rewrites: no secret at all.",
        examples=["managed-identity"],
    )
    managed_identity: ManagedIdentityConfig = Field(
        ManagedIdentityConfig(), description="Where the managed identity comes from.", examples=[{"client_id": "…"}]
    )
    scopes: tuple[str, ...] = Field(
        ("openid", "profile", "email", "offline_access"),
        description="What we ask it for.",
        examples=[["openid", "profile", "offline_access", "GroupMember.Read.All"]],
    )
    authority: BaseUrl = Field(
        "https://login.microsoftonline.com",
        description="Entra's address; national clouds have others.",
        examples=["https://login.microsoftonline.us"],
    )
    graph: BaseUrl = Field(
        "https://graph.microsoft.com",
        description="Microsoft Graph, which is asked for groups that are too many for a token.",
        examples=["https://graph.microsoft.us"],
    )

    @property
    def allowed_tenants(self) -> tuple[str, ...]:
        one = (self.tenant,) if self.tenant and self.tenant not in ("organizations", "common") else ()
        return tuple(dict.fromkeys((*one, *self.tenants)))


class GoogleConfig(_Provider):
    """Google, for Workspace domains or for everybody."""

    kind: Literal["google"] = Field(description="google: Google accounts.")
    hosted_domain: tuple[Domain, ...] = Field(
        (),
        description="The Workspace domains whose people may sign in (the hd claim). Everybody with a Google account, "
        "when left out.",
        examples=[["example.com"]],
    )
    offline: bool = Field(
        True, description="Whether to ask for a refresh token (access_type=offline).", examples=[False]
    )
    scopes: tuple[str, ...] = Field(
        ("openid", "profile", "email"), description="What we ask it for.", examples=[["openid", "email"]]
    )
    issuer: IssuerUrl = Field(
        "https://accounts.google.com", description="Google's address.", examples=["https://accounts.google.com"]
    )


class Auth0Config(_Provider):
    """Auth0."""

    kind: Literal["auth0"] = Field(description="auth0: an Auth0 tenant.")
    domain: Auth0Domain = Field(
        description="The tenant's domain, or the custom one.", examples=["example.eu.auth0.com"]
    )
    audience: str = Field(
        "",
        description="The API that the access token is for, when its token is used behind the door.",
        examples=["https://api.example.com"],
    )
    organization: str = Field(
        "",
        description="The organisation whose members may sign in: its id (org_…) or its name.",
        examples=["org_9ybsU1dN2dKfDkBi"],
    )
    scopes: tuple[str, ...] = Field(
        ("openid", "profile", "email", "offline_access"),
        description="What we ask it for.",
        examples=[["openid", "email"]],
    )

    @property
    def issuer(self) -> str:
        return f"https://{self.domain}/"


class GitHubConfig(_Provider):
    """GitHub: an OAuth app or a GitHub App."""

    kind: Literal["github"] = Field(description="github: GitHub, or a GitHub Enterprise server.")
    organizations: tuple[Organization, ...] = Field(
        (), description="The organisations whose members may sign in.", examples=[["acme"]]
    )
    teams: tuple[Team, ...] = Field(
        (),
        description="The teams whose members may sign in, beside those of organizations.",
        examples=[["acme/platform"]],
    )
    scopes: tuple[str, ...] = Field(
        ("read:user", "user:email"),
        description="What we ask it for; read:org is added where organisations or teams matter.",
        examples=[["user:email"]],
    )
    base_url: BaseUrl = Field(
        "https://github.com", description="GitHub's address.", examples=["https://github.example.com"]
    )
    api_url: BaseUrl | None = Field(
        None,
        description="Its API's address: https://api.github.com, and <base_url>/api/v3 of an Enterprise server.",
        examples=["https://github.example.com/api/v3"],
    )

    @property
    def api(self) -> str:
        if self.api_url is not None:
            return self.api_url
        return "https://api.github.com" if self.base_url == "https://github.com" else f"{self.base_url}/api/v3"

    @property
    def memberships(self) -> tuple[str, ...]:
        """Which of the two somebody's membership matters in: `organizations`, `teams`."""
        asked = {"organizations": self.organizations, "teams": self.teams}
        return tuple(name for name, listed in asked.items() if listed or name in self.roles.from_)


class DevelopmentConfig(Model):
    """The built-in sign-in without passwords, for loopback only."""

    kind: Literal["development"] = Field(description="development: no passwords; loopback only.")
    name: Name = Field("development", description="Its name in the callback address.", examples=["development"])


ServiceConfig = OidcConfig | EntraConfig | GoogleConfig | Auth0Config | GitHubConfig
IdentityProviderConfig = Annotated[
    OidcConfig | EntraConfig | GoogleConfig | Auth0Config | GitHubConfig | DevelopmentConfig,
    Field(discriminator="kind"),
]
