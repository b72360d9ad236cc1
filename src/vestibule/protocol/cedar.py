"""Policies in Cedar (https://www.cedarpolicy.com), parsed and validated. The only user of cedarpy.

Cedar skips a policy that cannot be evaluated, also one that forbids; here such a policy forbids. What a request may
hold is `SCHEMA`, and a text that does not fit it is refused at the start. A policy that looks at arguments names them,
with their types: `@arguments("project: String, count: Long")`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_ACTIONS = {
    "tools/call": "Tool",
    "prompts/get": "Prompt",
    "resources/read": "Resource",
    "resources/subscribe": "Resource",
}
OTHER = "other"
"""The action of every other method."""

SCHEMA = """
entity Role;
entity Upstream;
entity User in [Role] = {
  user: String, subject: String, issuer: String, tenant: String, client_id: String, shown: String,
  scopes: Set<String>, roles: Set<String>,
};
entity Tool, Prompt, Resource, Method in [Upstream] = { name: String };
type Call = {
  tenant: String, upstream: String, resource: String, method: String, name: String, now: datetime,
  arguments: { %s },
};
action "tools/call" appliesTo { principal: User, resource: Tool, context: Call };
action "prompts/get" appliesTo { principal: User, resource: Prompt, context: Call };
action "resources/read", "resources/subscribe" appliesTo { principal: User, resource: Resource, context: Call };
action "other" appliesTo { principal: User, resource: Method, context: Call };
"""
_ARGUMENT = re.compile(r'\s*([^\s":,]+)\s*(?::\s*(String|Long|Bool|Set<String>|Set<Long>)\s*)?\Z')
_FAILED = re.compile(r"policy `([^`]+)`")


class NotCedar(ValueError):
    """The text does not parse, or does not fit the schema."""


class NoCedar(Exception):
    """The library is not installed."""


class CedarAnswer(NamedTuple):
    """`policy`: the id of the one that decided, by its @id if it has one; empty: none fits."""

    is_allowed: bool
    policy: str = ""
    message: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class _Policy:
    name: str
    forbids: bool
    message: str
    arguments: Mapping[str, str] = field(default_factory=dict)  # name → type
    looks_at: frozenset[str] = frozenset()  # in the context; * for all of it


class CedarPolicies:
    """The policies for calls, and the same for listings, in which arguments are open."""

    def __init__(self, text: str) -> None:
        """Raises `NotCedar`, `NoCedar`."""
        try:
            import cedarpy  # 16 MB on disk, for those who want it
        except ImportError:
            raise NoCedar from None

        self._cedar = cedarpy
        try:
            document = json.loads(cedarpy.policies_to_json_str(text))
        except ValueError as error:
            raise NotCedar(f"it cannot be read: {_first_line(error)}") from None
        if document["templates"]:
            raise NotCedar("templates are not used here")
        self._policies = {key: _read(key, found) for key, found in document["staticPolicies"].items()}
        self.arguments = tuple(dict.fromkeys(name for one in self._policies.values() for name in one.arguments))
        self._check(text)
        self._calls = cedarpy.PolicySet.from_str(text)
        self._listings = cedarpy.PolicySet.from_json_str(json.dumps(self._open(document)))
        self.uses_now = any({"now", "*"} & one.looks_at for one in self._policies.values())
        self.uses_arguments = any(map(_hangs_on_arguments, self._policies.values()))
        self.names = tuple(one.name for one in self._policies.values())

    def entities(self, principal: Mapping[str, Any], method: str, name: str, upstream: str) -> Any:
        """Who calls what, parsed; good for any number of requests. Raises `NotCedar`."""
        who = {
            "uid": {"type": "User", "id": principal["user"]},
            "attrs": dict(principal),
            "parents": [{"type": "Role", "id": role} for role in principal["roles"]],
        }
        what = {
            "uid": _target(method, name),
            "attrs": {"name": name or method},
            "parents": [{"type": "Upstream", "id": upstream}],
        }
        try:
            return self._cedar.Entities.from_json_str(json.dumps([who, what]))
        except ValueError as error:
            raise NotCedar(f"the call cannot be put to Cedar: {_first_line(error)}") from None

    def answer(
        self, entities: Any, user: str, method: str, name: str, context: Mapping[str, Any], *, is_listing: bool
    ) -> CedarAnswer:
        request = {
            "principal": {"type": "User", "id": user},
            "action": {"type": "Action", "id": method if method in _ACTIONS else OTHER},
            "resource": _target(method, name),
            "context": context,
        }
        policies = self._listings if is_listing else self._calls
        try:
            told = self._cedar.is_authorized(request, policies, entities)
        except Exception as error:  # whatever it cannot take is not allowed
            return CedarAnswer(False, failure=str(error))
        return self._read_answer(told)

    def _read_answer(self, told: Any) -> CedarAnswer:
        for text in told.diagnostics.errors:
            found = _FAILED.search(text)
            policy = self._policies.get(found[1]) if found else None
            if policy is None or policy.forbids:
                return CedarAnswer(False, policy.name if policy else "", policy.message if policy else "", text)
        by = next((self._policies[key] for key in told.diagnostics.reasons if key in self._policies), None)
        failure = "; ".join(told.diagnostics.errors)
        if by is None:
            return CedarAnswer(False, failure=failure)
        return CedarAnswer(bool(told.allowed), by.name, by.message if by.forbids else "", failure)

    def _check(self, text: str) -> None:
        kinds: dict[str, str] = {}
        for one in self._policies.values():
            for name, kind in one.arguments.items():
                if kinds.setdefault(name, kind) != kind:
                    raise NotCedar(f"the argument {name} is {kinds[name]} in one policy and {kind} in another")
            if one.arguments and not _hangs_on_arguments(one):
                raise NotCedar(f"{one.name}: @arguments names some, and the policy looks at none")
            if not one.arguments and _hangs_on_arguments(one):
                raise NotCedar(f"{one.name}: it looks at arguments that no @arguments names")
        names = [one.name for one in self._policies.values()]
        if len(set(names)) != len(names):
            raise NotCedar("two policies have the same @id")
        schema = SCHEMA % ", ".join(f"{json.dumps(name)}?: {kind}" for name, kind in kinds.items())
        result = self._cedar.validate_policies(text, schema)
        if not result.validation_passed:
            raise NotCedar("; ".join(dict.fromkeys(str(error.error) for error in result.errors))[:1000])

    def _open(self, document: dict[str, Any]) -> dict[str, Any]:
        """Without what arguments forbid, and with what some of them could allow."""
        kept = {}
        for key, found in document["staticPolicies"].items():
            one = self._policies[key]
            if not _hangs_on_arguments(one):
                kept[key] = found
            elif not one.forbids:
                kept[key] = {**found, "conditions": []}
        return {**document, "staticPolicies": kept}


def cedar_value(value: Any) -> Any:
    """A value of JSON as Cedar has it.

    It knows neither fractions nor null: {} stands for those, equal to nothing that a policy could name, and an error
    where it is compared.
    """
    match value:
        case bool() | str():
            return value
        case int():
            return value  # one that is too large makes the whole request none that Cedar takes
        case float() if value.is_integer():
            return int(value)
        case list():
            return [cedar_value(item) for item in value]
        case dict():
            return {key: cedar_value(item) for key, item in value.items() if not key.startswith("__")}
    return {}


def cedar_moment(text: str) -> dict[str, Any]:
    return {"__extn": {"fn": "datetime", "arg": text}}


def _read(key: str, found: Mapping[str, Any]) -> _Policy:
    notes = found.get("annotations", {})
    arguments = {}
    for part in notes["arguments"].split(",") if notes.get("arguments") else ():
        match = _ARGUMENT.match(part)
        if match is None:
            raise NotCedar(f'{notes.get("id", key)}: @arguments is written as "project: String, count: Long"')
        arguments[match[1]] = match[2] or "String"
    return _Policy(
        name=notes.get("id") or key,
        forbids=found["effect"] == "forbid",
        message=notes.get("message") or "",
        arguments=arguments,
        looks_at=frozenset(_looks_at(found["conditions"])),
    )


def _looks_at(node: Any) -> Iterator[str]:
    """What a policy takes from the context: the names of attributes, `*` where it takes the whole."""
    if isinstance(node, list):
        for item in node:
            yield from _looks_at(item)
    elif isinstance(node, dict):
        if node == {"Var": "context"}:
            yield "*"
        for key, value in node.items():
            if key in (".", "has") and isinstance(value, dict) and value.get("left") == {"Var": "context"}:
                yield value["attr"]
            else:
                yield from _looks_at(value)


def _hangs_on_arguments(one: _Policy) -> bool:
    return bool({"arguments", "*"} & one.looks_at)


def _target(method: str, name: str) -> dict[str, str]:
    return {"type": _ACTIONS.get(method, "Method"), "id": name or method}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300]
