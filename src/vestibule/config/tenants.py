"""The section about tenants: which organisation somebody belongs to."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator

from vestibule.config.providers import read_tenant_id
from vestibule.config.sections import Model
from vestibule.config.values import wrong
from vestibule.model.tenant import is_tenant_name

DENY = "deny"

ByName = Literal["static", "entra", "claim", "email-domain"]


def _tenant_name(value: str) -> str:
    if value == DENY or not is_tenant_name(value):
        raise wrong("it is no name of a tenant", "use 1 to 63 of a to z, 0 to 9 and hyphens within; not deny")
    return value


def _tenant_or_deny(value: str) -> str:
    return value if value == DENY else _tenant_name(value)


TenantName = Annotated[str, AfterValidator(_tenant_name)]
NoTenantOrName = Annotated[str, AfterValidator(lambda value: value and _tenant_name(value))]
TenantOrDeny = Annotated[str, AfterValidator(_tenant_or_deny)]
DirectoryId = Annotated[str, AfterValidator(read_tenant_id)]


class TenantsConfig(Model):
    """Whose people are whose. Without this section everybody is in one tenant, `default`."""

    model_config = ConfigDict(validate_default=False)

    by: tuple[ByName, ...] = Field(
        (),
        description="What decides, in this order, the first that knows: static (people), entra (the directory), claim, "
        "email-domain (verified addresses only). One word or a list. All that are given, in this order, when left out.",
        examples=["email-domain", ["static", "entra"]],
    )
    people: dict[str, TenantName] = Field(
        default_factory=dict,
        description="static: people as provider:subject, and whose they are.",
        examples=[{"work:248289761001": "acme"}],
    )
    entra: dict[DirectoryId, TenantName] = Field(
        default_factory=dict,
        description="entra: ids of directories (tid), and whose they are. For providers of kind entra, and tokens of "
        "Entra's.",
        examples=[{"11111111-2222-3333-4444-555555555555": "acme"}],
    )
    claim: str = Field(
        "",
        description="claim: the claim that says it at the sign-in, by its name or a path with dots.",
        examples=["org_id"],
        max_length=200,
    )
    values: dict[str, TenantName] = Field(
        default_factory=dict,
        description="claim: its values, to the letter, and whose they are.",
        examples=[{"org_Zx81": "acme"}],
    )
    domains: dict[str, TenantName] = Field(
        default_factory=dict,
        description="email-domain: domains, and whose they are. A domain does not stand for those below it.",
        examples=[{"corp.example": "acme"}],
    )
    public_domains: bool = Field(
        False,
        description="Whether domains where anybody gets an address (gmail.com) may be in domains.",
        examples=[True],
    )
    providers: tuple[str, ...] = Field(
        (),
        description="The identity providers whose claims and addresses count. All of them, when empty.",
        examples=[["work"]],
    )
    default: TenantOrDeny = Field(
        DENY, description="Whose everybody else is; deny: nobody's, and they do not come in.", examples=["deny"]
    )

    @field_validator("by", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @property
    def given(self) -> tuple[ByName, ...]:
        """What has been said something about."""
        said: tuple[tuple[ByName, object], ...] = (
            ("static", self.people),
            ("entra", self.entra),
            ("claim", self.claim or self.values),
            ("email-domain", self.domains),
        )
        return tuple(name for name, value in said if value)

    @property
    def order(self) -> tuple[ByName, ...]:
        return self.by or self.given

    @property
    def names(self) -> frozenset[str]:
        """Every tenant that is named here."""
        named = {name for values in (self.people, self.entra, self.values, self.domains) for name in values.values()}
        return frozenset(named if self.default == DENY else {*named, self.default})
