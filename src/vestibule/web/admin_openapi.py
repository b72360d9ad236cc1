"""The OpenAPI 3.1 document of the admin API, made from its table of operations."""

import re
from collections.abc import Iterable
from typing import Any

from vestibule import __version__
from vestibule.protocol.scope import ADMIN
from vestibule.web.admin_described import QUERY_SCHEMAS, SCHEMAS, Described

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
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": text,
            "schema": dict(QUERY_SCHEMAS.get(name, {"type": "string"})),
        }
        for name, text in one.query.items()
    ]
    refusals = {**_REFUSALS, **({"404": _NOT_FOUND} if names else {}), **one.refusals}
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
