"""What the admin API does, as one table: from a request to whoever decides, and from what they answer to JSON.

Who may do what is decided beneath (`vestibule.admin`). A parameter has one reading: none is unknown, none stands twice.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from vestibule.admin import Administrator, facts_of, read_new_key
from vestibule.admin.audit import facts_of_event, facts_of_report, read_search
from vestibule.admin.grants import facts_of_grant
from vestibule.admin.tenant_requests import facts_of_tenant, read_new_tenant
from vestibule.errors import InvalidRequest
from vestibule.ports import Clock
from vestibule.protocol.json_body import UnreadableJson, read_object
from vestibule.web import admin_described as described
from vestibule.web.admin_described import Described
from vestibule.web.errors import NO_STORE
from vestibule.web.plane import Administration
from vestibule.web.requests import read_body, read_query

MAX_BODY = 64 * 1024

Work = Callable[[Request, Administrator], Awaitable[Response]]


class AdminRoute(NamedTuple):
    method: str
    path: str
    work: Work
    what: Described


class Operations:
    def __init__(self, administration: Administration, clock: Clock) -> None:
        self._api_keys = administration.api_keys
        self._tenants = administration.tenants
        self._audit = administration.audit
        self._grants = administration.grants
        self._clock = clock

    def table(self) -> tuple[AdminRoute, ...]:
        """Everything that there is to do, beneath /admin/api."""
        return (
            AdminRoute("GET", "/keys", self._list_keys, described.LIST_KEYS),
            AdminRoute("POST", "/keys", self._create_key, described.CREATE_KEY),
            AdminRoute("DELETE", "/keys/{id}", self._revoke_key, described.REVOKE_KEY),
            AdminRoute("GET", "/tenants", self._list_tenants, described.LIST_TENANTS),
            AdminRoute("POST", "/tenants", self._create_tenant, described.CREATE_TENANT),
            AdminRoute("POST", "/tenants/{id}/suspend", self._suspend_tenant, described.SUSPEND_TENANT),
            AdminRoute("POST", "/tenants/{id}/resume", self._resume_tenant, described.RESUME_TENANT),
            AdminRoute("DELETE", "/tenants/{id}", self._delete_tenant, described.DELETE_TENANT),
            AdminRoute("GET", "/grants", self._list_grants, described.LIST_GRANTS),
            AdminRoute("DELETE", "/grants/{id}", self._end_grant, described.END_GRANT),
            AdminRoute("GET", "/audit", self._search_audit, described.SEARCH_AUDIT),
            AdminRoute("GET", "/audit/verify", self._verify_audit, described.VERIFY_AUDIT),
        )

    # --- API keys ---------------------------------------------------------------------------------------------------

    async def _list_keys(self, request: Request, by: Administrator) -> Response:
        asked = _asked(request, described.LIST_KEYS)
        found = await self._api_keys.list_for(by, asked.get("tenant") or None)
        return json_answer({"keys": [_plain(facts_of(key)) for key in found]})

    async def _create_key(self, request: Request, by: Administrator) -> Response:
        key, secret = await self._api_keys.create(read_new_key(await _read_json(request)), by)
        return json_answer({**_plain(facts_of(key)), "key": secret.reveal()}, status=201)

    async def _revoke_key(self, request: Request, by: Administrator) -> Response:
        asked = _asked(request, described.REVOKE_KEY)
        await self._api_keys.revoke(request.path_params["id"], by, reason=asked.get("reason", ""))
        return _nothing()

    # --- tenants ----------------------------------------------------------------------------------------------------

    async def _list_tenants(self, request: Request, by: Administrator) -> Response:
        _asked(request, described.LIST_TENANTS)
        return json_answer({"tenants": [_plain(facts_of_tenant(one)) for one in await self._tenants.list_for(by)]})

    async def _create_tenant(self, request: Request, by: Administrator) -> Response:
        made = await self._tenants.create(read_new_tenant(await _read_json(request)), by)
        return json_answer(_plain(facts_of_tenant(made)), status=201)

    async def _suspend_tenant(self, request: Request, by: Administrator) -> Response:
        asked = _asked(request, described.SUSPEND_TENANT)
        changed = await self._tenants.suspend(request.path_params["id"], by, reason=asked.get("reason", ""))
        return json_answer(_plain(facts_of_tenant(changed)))

    async def _resume_tenant(self, request: Request, by: Administrator) -> Response:
        _asked(request, described.RESUME_TENANT)
        changed = await self._tenants.resume(request.path_params["id"], by)
        return json_answer(_plain(facts_of_tenant(changed)))

    async def _delete_tenant(self, request: Request, by: Administrator) -> Response:
        asked = _asked(request, described.DELETE_TENANT)
        await self._tenants.delete(request.path_params["id"], by, reason=asked.get("reason", ""))
        return _nothing()

    # --- grants -----------------------------------------------------------------------------------------------------

    async def _list_grants(self, request: Request, by: Administrator) -> Response:
        asked = _asked(request, described.LIST_GRANTS)
        found = await self._grants.list_for(
            by, tenant=asked.get("tenant", ""), user=asked.get("user", ""), client_id=asked.get("client", "")
        )
        return json_answer({"grants": [_plain(facts_of_grant(one)) for one in found]})

    async def _end_grant(self, request: Request, by: Administrator) -> Response:
        asked = _asked(request, described.END_GRANT)
        await self._grants.end(request.path_params["id"], by, reason=asked.get("reason", ""))
        return _nothing()

    # --- the trail --------------------------------------------------------------------------------------------------

    async def _search_audit(self, request: Request, by: Administrator) -> Response:
        asked = read_search(_asked(request, described.SEARCH_AUDIT), self._clock())
        found, following = await self._audit.search(asked, by)
        return json_answer({"events": [facts_of_event(link) for link in found], "next": following or None})

    async def _verify_audit(self, request: Request, by: Administrator) -> Response:
        asked = _asked(request, described.VERIFY_AUDIT)
        verdict = await self._audit.verify(asked.get("tenant", ""), asked.get("after", ""), by)
        told = {**facts_of_report(verdict.report), "sound": verdict.is_sound, "next": verdict.next or None}
        return json_answer(told)


def json_answer(body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """In ASCII: what somebody wrote into a row may be no text that UTF-8 can carry, and is shown all the same."""
    nosniff = {"X-Content-Type-Options": "nosniff"}
    content = json.dumps(body, separators=(",", ":"))
    return Response(content, status, {**NO_STORE, **nosniff, **(headers or {})}, media_type="application/json")


def _nothing() -> Response:
    return Response(status_code=204, headers=NO_STORE)


def _asked(request: Request, what: Described) -> Mapping[str, str]:
    """The parameters of the query. Raises `InvalidRequest` for any that the document does not name."""
    found = read_query(request)
    found.check_single()
    unknown = {*found.values, *(["resource"] if found.resources else [])} - what.query.keys()
    if unknown:
        raise InvalidRequest(f"There is no parameter {min(unknown)[:50]!r} here.")
    return found.values


async def _read_json(request: Request) -> Mapping[str, Any]:
    """Raises `InvalidRequest`, `RequestTooLarge`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InvalidRequest("The body must be application/json.")
    try:
        return read_object(await read_body(request, MAX_BODY))
    except UnreadableJson as error:
        raise InvalidRequest(f"The body cannot be read. {error}") from error


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in facts.items()}
