"""Rules about who may do what, as an operator writes them, and examples of what they should decide."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from vestibule.model.identity import Principal
from vestibule.model.operation import Operation

Effect: TypeAlias = Literal["allow", "deny"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What fits every list that is given, and `when`, is allowed or denied.

    The lists are patterns in which only `*` and `?` are special; an empty one limits nothing. `arguments` are the only
    ones that `when` sees.
    """

    name: str
    effect: Effect
    when: str = ""  # CEL; empty: always
    message: str = ""  # what the person is told; empty: a sentence of ours
    upstreams: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()  # by URI
    methods: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    default: Effect  # of what no rule decides
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyExample:
    """A call, and what the policy should say to it."""

    name: str
    principal: Principal | None  # None: nobody has signed in
    upstream: str
    operation: Operation
    expect: Effect
    now: datetime | None = None  # None: any time
    rule: str | None = None  # the one that should decide; None: not said
    missing: tuple[str, ...] | None = None  # the scopes that should be asked for; None: not said
    has_scopes: bool = True  # False: it says nothing of scopes, and stands for somebody with the usual ones
