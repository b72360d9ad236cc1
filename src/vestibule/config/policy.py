"""The section `policy`. The file that it names is in `policy_models`, for those who have one."""

from typing import Literal

from pydantic import Field

from vestibule.config.sections import Model


class PolicyConfig(Model):
    """Rules about who may do what."""

    file: str = Field(
        description="The rules: a YAML file of rules in CEL, or a .cedar file. Read at the start.",
        examples=["policy.yaml"],
        min_length=1,
    )
    engine: Literal["cel", "cedar"] = Field("cel", description="The language of the rules.", examples=["cel"])
