"""The section about API keys. Those that `vestibule apikey create` makes stand in the store, not here."""

from pydantic import Field

from vestibule.config.sections import Model
from vestibule.config.values import Name, SecretValue


class StaticKeyConfig(Model):
    """A key of the configuration: any strong string."""

    name: Name = Field(description="Who shows it: calls come as api-key:{name}.", examples=["ci"])
    key: SecretValue = Field(
        description="The key itself, as file: or env:. At least 16 characters.", examples=["env:CI_KEY"]
    )
    scopes: tuple[str, ...] = Field(
        (),
        description="What it may do. The default scopes of its upstreams, when left out.",
        examples=[["tickets.read"]],
    )
    tenant: str = Field("default", description="Whose key it is.", min_length=1, max_length=200, examples=["acme"])
    upstreams: tuple[str, ...] = Field(
        (), description="The only upstreams that it opens; all, when left out.", examples=[["tickets"]]
    )


class ApiKeysConfig(Model):
    """Keys that programs show instead of access tokens."""

    enabled: bool = Field(
        True, description="Whether API keys are taken, in X-API-Key or as bearer tokens.", examples=[False]
    )
    static: tuple[StaticKeyConfig, ...] = Field(
        (),
        description="Keys of the configuration, beside those that `vestibule apikey create` makes.",
        examples=[[{"name": "ci", "key": "env:CI_KEY", "scopes": ["tickets.read"]}]],
    )
