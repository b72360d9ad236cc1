"""The OpenAPI 3.1 document of the admin API, made from its table of operations."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vestibule import __version__
from vestibule.protocol.scope import ADMIN


@dataclass(frozen=True, slots=True)
class Described:
    """An operation, as far as a client must know it."""

    operation: str  # its name for generated clients
    summary: str
    answer: str = ""  # a schema below; empty: no body
    status: int = 200
    body: str = ""  # a schema below; empty: it takes none
    query: Mapping[str, str] = field(default_factory=dict)  # parameter → what it does


LIST_KEYS = Described("listKeys", "API keys, the newest first", "Keys", query={"tenant": "Only of this tenant."})
CREATE_KEY = Described("createKey", "Make an API key; only this answer has it", "CreatedKey", 201, body="NewKey")
REVOKE_KEY = Described("revokeKey", "End an API key", status=204)


_NAMES = {"type": "array", "items": {"type": "string"}}
_MOMENT = {"type": "string", "format": "date-time"}
_MOMENT_OR_NULL = {"type": ["string", "null"], "format": "date-time"}

_KEY: dict[str, Any] = {
    "id": {"type": "string", "description": "Its name in lists and in the audit trail; no secret."},
    "name": {"type": "string", "minLength": 1, "maxLength": 100},
    "tenant": {"type": "string"},
    "scopes": _NAMES,
    "upstreams": {**_NAMES, "description": "The only ones that it opens; empty: all."},
    "created_at": _MOMENT,
    "created_by": {"type": "string"},
    "expires_at": {**_MOMENT_OR_NULL, "description": "null: it lives until it is revoked."},
    "revoked_at": _MOMENT_OR_NULL,
    "last_used_at": {**_MOMENT_OR_NULL, "description": "Exact to five minutes."},
}

SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "Key": {"type": "object", "properties": _KEY, "required": list(_KEY)},
    "Keys": {
        "type": "object",
        "properties": {"keys": {"type": "array", "items": {"$ref": "#/components/schemas/Key"}}},
        "required": ["keys"],
    },
    "CreatedKey": {
        "allOf": [
            {"$ref": "#/components/schemas/Key"},
            {
                "type": "object",
                "properties": {"key": {"type": "string", "description": "The key itself; it is shown this once."}},
                "required": ["key"],
            },
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
    "Error": {
        "type": "object",
        "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
        "required": ["error", "error_description"],
    },
}

_REFUSALS = {
    "400": "The request is malformed, or asks for something that there is not.",
    "401": "No access token, or none that is for this.",
    "403": "You may not.",
}
_NOT_FOUND = "There is nothing of this id, or it is another tenant's."


def document(base: str, issuer: str, operations: Iterable[tuple[str, str, Described]]) -> dict[str, Any]:
    """`base`: the address that all paths are beneath. `operations`: method, path, and what it is."""
    paths: dict[str, Any] = {}
    for method, path, one in operations:
        paths.setdefault(path, {})[method.lower()] = _operation(path, one)
    flow = {
        "authorizationUrl": f"{issuer}/authorize",
        "tokenUrl": f"{issuer}/token",
        "refreshUrl": f"{issuer}/token",
        "scopes": {ADMIN: "Administer this server"},
    }
    own = {"tokenUrl": flow["tokenUrl"], "scopes": flow["scopes"]}
    flows = {"authorizationCode": flow, "clientCredentials": own}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Vestibule admin API", "version": __version__},
        "servers": [{"url": base}],
        "security": [{"oauth": [ADMIN]}],
        "paths": paths,
        "components": {"schemas": dict(SCHEMAS), "securitySchemes": {"oauth": {"type": "oauth2", "flows": flows}}},
    }


def _operation(path: str, one: Described) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    parameters += [
        {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in one.query.items()
    ]
    refusals = {**_REFUSALS, **({"404": _NOT_FOUND} if names else {})}
    described: dict[str, Any] = {
        "operationId": one.operation,
        "summary": one.summary,
        "responses": {
            str(one.status): {"description": one.summary, **(_content(one.answer) if one.answer else {})},
            **{status: {"description": text, **_content("Error")} for status, text in refusals.items()},
        },
    }
    if parameters:
        described["parameters"] = parameters
    if one.body:
        described["requestBody"] = {"required": True, **_content(one.body)}
    return described


def _content(schema: str) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}
