"""The operations of the admin API, as far as a client must know them, and the shapes of what they take and answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vestibule.admin.audit import DEFAULT_EVENTS, MAX_EVENTS, OUTCOMES
from vestibule.admin.tenant_requests import MAX_TITLE


@dataclass(frozen=True, slots=True)
class Described:
    """An operation."""

    operation: str  # its name for generated clients
    summary: str
    answer: str = ""  # a schema below; empty: no body
    status: int = 200
    body: str = ""  # a schema below; empty: it takes none
    query: Mapping[str, str] = field(default_factory=dict)  # parameter → what it does
    refusals: Mapping[str, str] = field(default_factory=dict)  # status → why, beside those that all have


_REASON = {"reason": "Why; it stands in the audit trail."}
_OF_TENANT = {"tenant": "Only of this tenant."}
_STATE = {"409": "The tenant is in no state for this."}

LIST_KEYS = Described("listKeys", "API keys, the newest first", "Keys", query=_OF_TENANT)
CREATE_KEY = Described("createKey", "Make an API key; only this answer has it", "CreatedKey", 201, body="NewKey")
REVOKE_KEY = Described("revokeKey", "End an API key", status=204, query=_REASON)

LIST_TENANTS = Described("listTenants", "Tenants, by name", "Tenants")
CREATE_TENANT = Described(
    "createTenant",
    "Make a tenant, with a database of its own",
    "Tenant",
    201,
    body="NewTenant",
    refusals={"409": "There is, or was, a tenant of this name: none is given twice."},
)
SUSPEND_TENANT = Described(
    "suspendTenant", "Let nobody of a tenant in, and end what is under way", "Tenant", query=_REASON, refusals=_STATE
)
RESUME_TENANT = Described("resumeTenant", "Let a tenant's people in again", "Tenant", refusals=_STATE)
DELETE_TENANT = Described(
    "deleteTenant",
    "End everything of a tenant, and keep nothing but its name",
    status=204,
    query=_REASON,
    refusals=_STATE,
)

LIST_GRANTS = Described(
    "listGrants",
    "What people have allowed clients, the newest first",
    "Grants",
    query={
        **_OF_TENANT,
        "user": "Only of this person: provider:subject.",
        "client": "Only of this client.",
    },
)
END_GRANT = Described("endGrant", "End a grant, and all that hangs on it", status=204, query=_REASON)

SEARCH_AUDIT = Described(
    "searchAudit",
    "Events that fit all that is given, the newest first; the asking is one itself",
    "Events",
    query={
        "actor": "Who did it: provider:subject, or a client.",
        "client": "With which client.",
        **_OF_TENANT,
        "action": "What: client.register, mcp.call …",
        "tool": "Which tool was called.",
        "outcome": "How it ended.",
        "since": "From then on: 2h, 7d, or a time such as 2026-11-21T08:00:00Z.",
        "until": "Until then, likewise.",
        "request_id": "Of one request.",
        "text": "Somewhere in target, reason, facts, actor, client or tool.",
        "limit": f"At most so many; {DEFAULT_EVENTS}, when left out.",
        "before": "Go on from there: `next` of the answer before.",
    },
)
VERIFY_AUDIT = Described(
    "verifyAudit",
    "Whether every event of a tenant is there, as it was written, in its order",
    "Verdict",
    query={
        "tenant": "Whose chain: yours, when left out; for operators that of `default`.",
        "after": "Go on from there: `next` of the answer before.",
    },
    refusals={"404": "There is no such trail, or it is another tenant's."},
)

QUERY_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_EVENTS},
    "outcome": {"type": "string", "enum": list(OUTCOMES)},
}

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_NAMES = {"type": "array", "items": _TEXT}
_MOMENT = {"type": "string", "format": "date-time"}
_MOMENT_OR_NULL = {"type": ["string", "null"], "format": "date-time"}
_NEXT = {"type": ["string", "null"], "description": "The place to go on from; null: that was all."}
_BY_FILE = {**_MOMENT_OR_NULL, "description": "null: only the configuration names it."}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _list(name: str, of: str, **more: Any) -> dict[str, Any]:
    return _object({name: {"type": "array", "items": {"$ref": f"#/components/schemas/{of}"}}, **more})


_KEY: dict[str, Any] = {
    "id": {"type": "string", "description": "Its name in lists and in the audit trail; no secret."},
    "name": {"type": "string", "minLength": 1, "maxLength": 100},
    "tenant": _TEXT,
    "scopes": _NAMES,
    "upstreams": {**_NAMES, "description": "The only ones that it opens; empty: all."},
    "created_at": _MOMENT,
    "created_by": _TEXT,
    "expires_at": {**_MOMENT_OR_NULL, "description": "null: it lives until it is revoked."},
    "revoked_at": _MOMENT_OR_NULL,
    "last_used_at": {**_MOMENT_OR_NULL, "description": "Exact to five minutes."},
}
_TENANT: dict[str, Any] = {
    "tenant": {"type": "string", "description": "Its name, 1 to 63 of a-z, 0-9 and -."},
    "title": {"type": "string", "maxLength": MAX_TITLE, "description": "What people call it."},
    "state": {"type": "string", "enum": ["active", "suspended", "deleted"]},
    "created_at": _BY_FILE,
    "changed_at": {**_BY_FILE, "description": "When its state changed. null: only the configuration names it."},
}
_GRANT: dict[str, Any] = {
    "grant_id": _TEXT,
    "tenant": _TEXT,
    "user": {"type": "string", "description": "provider:subject"},
    "name": {"type": "string", "description": "As the provider said it."},
    "client_id": _TEXT,
    "resource": _TEXT,
    "scopes": _NAMES,
    "created_at": _MOMENT,
    "last_used_at": {**_MOMENT_OR_NULL, "description": "When it last gave a token."},
}
_EVENT: dict[str, Any] = {
    "at": _MOMENT,
    **dict.fromkeys(("tenant", "actor", "client_id", "action", "tool"), _TEXT),
    "outcome": {"type": "string", "description": "allowed; denied: we would not; failed: we could not."},
    **dict.fromkeys(("target", "reason", "request_id", "address"), _TEXT),
    "facts": {"type": "object", "additionalProperties": _TEXT},
    "sequence": {"type": "integer", "description": "Its place in its tenant's chain; 0: from before the chains."},
    "hash": _TEXT,
}
_FAULT: dict[str, Any] = {
    "sequence": {"type": "integer"},
    "damage": {"enum": ["changed", "missing", "inserted", "reordered", "head forged", "rows after head"]},
    "detail": _TEXT,
}
_VERDICT: dict[str, Any] = {
    "tenant": _TEXT,
    "sound": {
        "type": ["boolean", "null"],
        "description": "false: something is wrong, here or in a part before; null: nothing so far, and there is more.",
    },
    "events": {**_COUNT, "description": "The number of the last event that was read."},
    "head": {"type": "string", "description": "SEQUENCE:HASH of the last event that was read."},
    "before_the_chains": {**_COUNT, "description": "Events from before there were chains."},
    "faults": {"type": "array", "items": _object(_FAULT), "description": "In the part that this request read."},
    "next": _NEXT,
}

SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "Key": _object(_KEY),
    "Keys": _list("keys", "Key"),
    "CreatedKey": {
        "allOf": [
            {"$ref": "#/components/schemas/Key"},
            _object({"key": {"type": "string", "description": "The key itself; it is shown this once."}}),
        ]
    },
    "NewKey": {
        "type": "object",
        "properties": {
            "name": _KEY["name"],
            "tenant": {"type": "string", "description": "Yours, when left out; for operators `default`."},
            "scopes": {**_NAMES, "description": "The default scopes of its upstreams, when left out."},
            "upstreams": _KEY["upstreams"],
            "expires_in": {"type": "integer", "minimum": 1, "description": "Seconds; for ever, when left out."},
        },
        "required": ["name"],
        "additionalProperties": False,
    },
    "Tenant": _object(_TENANT),
    "Tenants": _list("tenants", "Tenant"),
    "NewTenant": {
        "type": "object",
        "properties": {"tenant": _TENANT["tenant"], "title": _TENANT["title"]},
        "required": ["tenant"],
        "additionalProperties": False,
    },
    "Grant": _object(_GRANT),
    "Grants": _list("grants", "Grant"),
    "Event": _object(_EVENT),
    "Events": _list("events", "Event", next=_NEXT),
    "Verdict": _object(_VERDICT),
    "Error": _object({"error": _TEXT, "error_description": _TEXT}),
}
