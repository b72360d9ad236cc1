"""Authorization requests in progress. Each step is one conditional UPDATE: whoever's rowcount is 1 has won."""

from datetime import datetime

from sqlalchemy import ColumnElement, Row, insert, select, update

from vestibule.model import AuthorizationRequest, RequestState, SignIn, TokenDigest
from vestibule.stores import tables
from vestibule.stores.database import Database
from vestibule.stores.values import from_micros, to_json, to_micros, to_strings

_requests = tables.requests


class SqlAuthorizationRequestStore:
    """Implements `ports.AuthorizationRequestStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, request: AuthorizationRequest) -> None:
        row = {
            "request_id": request.request_id,
            "state": request.state.value,
            "client_id": request.client_id,
            "redirect_uri": request.redirect_uri,
            "redirect_uri_given": request.redirect_uri_given,
            "scopes": to_json(request.scopes),
            "resource": request.resource,
            "code_challenge": request.code_challenge,
            "client_state": request.client_state,
            "browser_digest": request.browser_digest,
            "created_at": to_micros(request.created_at),
            "expires_at": to_micros(request.expires_at),
            "prompt": to_json(sorted(request.prompt)),
            "login_hint": request.login_hint,
            "max_age": request.max_age,
            **_sign_in_columns(request.sign_in),
        }
        async with self._database.write() as connection:
            await connection.execute(insert(_requests).values(row))

    async def get(self, request_id: str, *, now: datetime) -> AuthorizationRequest | None:
        query = select(_requests).where(_requests.c.request_id == request_id, _is_alive(now))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _request(row)

    async def approve(self, request_id: str, sign_in: SignIn | None, *, now: datetime) -> AuthorizationRequest | None:
        state = RequestState.FINISHED if sign_in is None else RequestState.APPROVED
        return await self._move(
            _requests.c.request_id == request_id, RequestState.ASKED, state, now, _sign_in_columns(sign_in)
        )

    async def refuse(self, request_id: str, *, now: datetime) -> AuthorizationRequest | None:
        return await self._move(
            _requests.c.request_id == request_id, RequestState.ASKED, RequestState.FINISHED, now, {}
        )

    async def redeem_state(self, state_digest: TokenDigest, *, now: datetime) -> AuthorizationRequest | None:
        is_it = _requests.c.sign_in_state_digest == state_digest
        return await self._move(is_it, RequestState.APPROVED, RequestState.FINISHED, now, {})

    async def _move(
        self,
        is_it: ColumnElement[bool],
        before: RequestState,
        after: RequestState,
        now: datetime,
        columns: dict[str, object],
    ) -> AuthorizationRequest | None:
        move = (
            update(_requests)
            .where(is_it, _requests.c.state == before.value, _is_alive(now))
            .values(state=after.value, **columns)
            .returning(*_requests.c)
        )
        async with self._database.write() as connection:
            row = (await connection.execute(move)).one_or_none()
        return None if row is None else _request(row)


def _is_alive(now: datetime) -> ColumnElement[bool]:
    return _requests.c.expires_at > to_micros(now)


def _sign_in_columns(sign_in: SignIn | None) -> dict[str, object]:
    if sign_in is None:
        return {}
    return {
        "provider": sign_in.provider,
        "sign_in_state_digest": sign_in.state_digest,
        "sign_in_browser_digest": sign_in.browser_digest,
        "nonce": sign_in.nonce,
        "sealed_verifier": sign_in.sealed_verifier,
    }


def _request(row: Row[tuple[object, ...]]) -> AuthorizationRequest:
    sign_in = None
    if row.sign_in_state_digest is not None:
        sign_in = SignIn(
            provider=row.provider,
            state_digest=row.sign_in_state_digest,
            browser_digest=row.sign_in_browser_digest,
            nonce=row.nonce,
            sealed_verifier=row.sealed_verifier,
        )
    return AuthorizationRequest(
        request_id=row.request_id,
        client_id=row.client_id,
        redirect_uri=row.redirect_uri,
        redirect_uri_given=row.redirect_uri_given,
        scopes=to_strings(row.scopes),
        resource=row.resource,
        code_challenge=row.code_challenge,
        client_state=row.client_state,
        browser_digest=row.browser_digest,
        created_at=from_micros(row.created_at),
        expires_at=from_micros(row.expires_at),
        prompt=frozenset(to_strings(row.prompt)),
        login_hint=row.login_hint,
        max_age=row.max_age,
        state=RequestState(row.state),
        sign_in=sign_in,
    )
