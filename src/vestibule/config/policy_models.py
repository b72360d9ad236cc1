"""The file of rules as frozen models, and that of examples."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from vestibule.config.sections import Model
from vestibule.config.values import wrong

Pattern = Annotated[str, Field(min_length=1, max_length=200)]
ArgumentName = Annotated[str, Field(min_length=1, max_length=200)]
RuleName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]{0,98}[A-Za-z0-9]$|^[A-Za-z0-9]$")]


class RuleConfig(Model):
    """What fits every list that is given, and `when`, is allowed or denied."""

    name: RuleName = Field(description="What the log and `policy test` call it.", examples=["internal-tickets"])
    effect: Literal["allow", "deny"] = Field(description="A rule that denies wins over all that allow.")
    upstreams: tuple[Pattern, ...] = Field(
        (), description="Only calls to these upstreams.", examples=[["tickets"]], min_length=1
    )
    tools: tuple[Pattern, ...] = Field(
        (), description="Only calls of these tools.", examples=[["create_*"]], min_length=1
    )
    prompts: tuple[Pattern, ...] = Field((), description="Only these prompts.", examples=[["report_*"]], min_length=1)
    resources: tuple[Pattern, ...] = Field(
        (), description="Only these resources, by URI.", examples=[["tickets://*"]], min_length=1
    )
    methods: tuple[Pattern, ...] = Field(
        (),
        description="Only these methods of MCP. Left out: all that use something.",
        examples=[["resources/*"]],
        min_length=1,
    )
    arguments: tuple[ArgumentName, ...] = Field(
        (), description="The arguments that `when` may look at.", examples=[["project"]], min_length=1
    )
    when: str = Field(
        "", description="A condition in CEL. Left out: always.", examples=['tenant == "company"'], min_length=1
    )
    message: str = Field(
        "", description="What people are told who are denied.", examples=["Ask in #tickets."], max_length=500
    )


class ExamplePrincipalConfig(Model):
    """Who calls."""

    user: str = Field("work:ada", description="provider:subject.", examples=["work:ada"])
    subject: str = Field("", description="What follows the colon, when left out.")
    issuer: str = Field("https://issuer.example", description="Who says so.")
    tenant: str = Field("default", description="Whose person it is.", examples=["company"])
    client_id: str = Field("client", description="The client that they use.")
    scopes: tuple[str, ...] | None = Field(None, description="Left out: what every call to the upstream needs.")
    roles: tuple[str, ...] = Field((), description="What the provider's claims map to.", examples=[["support"]])
    shown: Literal["access-token", "foreign-token", "api-key"] = Field("access-token", description="What was shown.")


def _read_moment(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise wrong("it is not a time", "write it as 2026-07-28T08:30:00Z") from None
    if moment.tzinfo is None:
        raise wrong("it says no time zone", "end it with Z, or with +02:00")
    return moment


Moment = Annotated[datetime, BeforeValidator(_read_moment), WithJsonSchema({"type": "string", "format": "date-time"})]


class ExampleConfig(Model):
    """A call, and what should become of it."""

    name: str = Field("", description="What it shows.", max_length=200)
    principal: ExamplePrincipalConfig | Literal["nobody"] = Field(
        ExamplePrincipalConfig(), description="Who calls; nobody: somebody who has not signed in."
    )
    upstream: str = Field(description="Which upstream.", examples=["tickets"])
    tool: str = Field("", description="The tool that is called.", examples=["create_ticket"])
    prompt: str = Field("", description="The prompt that is asked for.")
    resource: str = Field("", description="The URI that is read.")
    method: str = Field("", description="A method of MCP, where these do not say it.", examples=["tools/list"])
    arguments: dict[str, Any] = Field(default_factory=dict, description="What the call says.")
    now: Moment | None = Field(None, description="When.", examples=["2026-07-28T08:30:00Z"])
    expect: Literal["allow", "deny"] = Field(description="What should be decided.")
    rule: str | None = Field(None, description="The rule that should decide; default: none of them does.")
    missing: tuple[str, ...] | None = Field(None, description="The scopes that should be asked for.")


class PolicyFile(Model):
    """policy.yaml."""

    version: Literal[1] = Field(description="Of this form.")
    default: Literal["allow", "deny"] = Field(description="What becomes of a call that no rule decides.")
    rules: tuple[RuleConfig, ...] = Field((), description="The rules; their order means nothing.")
    examples: tuple[ExampleConfig, ...] = Field((), description="For `vestibule policy test`.")


class ExamplesFile(Model):
    """Examples apart from the policy that they are about."""

    policy: str = Field(description="The policy's file, seen from this one.", min_length=1)
    examples: tuple[ExampleConfig, ...] = Field(description="For `vestibule policy test`.", min_length=1)
