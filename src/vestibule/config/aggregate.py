"""Several upstreams behind one address: the section `aggregate`."""

from typing import Literal

from pydantic import Field

from vestibule.config import defaults
from vestibule.config.sections import Model
from vestibule.config.values import Duration, Name

ALL = "all"  # it is served at /all/mcp; no upstream may have this name


class AggregateConfig(Model):
    """One address for several upstreams."""

    enabled: bool = Field(
        False, description="Whether /all/mcp answers, for all upstreams or those of members.", examples=[True]
    )
    members: tuple[Name, ...] = Field(
        (),
        description="The upstreams behind it, in the order of its lists; all of them, when left out.",
        examples=[["tickets", "wiki"]],
    )
    separator: Literal["_", "__", ".", "/"] = Field(
        "_",
        description="What stands between an upstream's name and its tool's or prompt's: tickets_create. Some models "
        "take no . and no / in the name of a tool.",
        examples=["__"],
    )
    deadline: Duration = Field(
        defaults.MEMBER_DEADLINE,
        description="How long each upstream has for what all of them are asked, such as a list. Who takes longer is "
        "missing from the answer.",
        examples=["10s"],
    )
    title: str = Field("", description="What people are shown.", examples=["Everything at work"])
