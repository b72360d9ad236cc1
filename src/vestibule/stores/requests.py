"""Authorization requests in progress. Each step is one conditional UPDATE: whoever gets the row back has won."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, select, update

from vestibule.model import AuthorizationRequest, Purpose, RequestState, SignIn, TokenDigest
from vestibule.stores.engine import Database
from vestibule.stores.tables import requests


class SqlAuthorizationRequestStore:
    """Implements `ports.AuthorizationRequestStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, request: AuthorizationRequest) -> None:
        async with self._database.write() as connection:
            await connection.execute(insert(requests).values(_row(request)))

    async def get(self, request_id: str, *, now: datetime) -> AuthorizationRequest | None:
        query = select(requests).where(requests.c.request_id == request_id, requests.c.expires_at > now)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _request(row)

    async def approve(self, request_id: str, sign_in: SignIn | None, *, now: datetime) -> AuthorizationRequest | None:
        after = RequestState.FINISHED if sign_in is None else RequestState.APPROVED
        is_it = requests.c.request_id == request_id
        return await self._move(is_it, RequestState.ASKED, after, now, **_sign_in_row(sign_in))

    async def refuse(self, request_id: str, *, now: datetime) -> AuthorizationRequest | None:
        return await self._move(requests.c.request_id == request_id, RequestState.ASKED, RequestState.FINISHED, now)

    async def redeem_state(self, state_digest: TokenDigest, *, now: datetime) -> AuthorizationRequest | None:
        is_it = requests.c.sign_in_state_digest == state_digest
        return await self._move(is_it, RequestState.APPROVED, RequestState.FINISHED, now)

    async def _move(
        self,
        is_it: ColumnElement[bool],
        before: RequestState,
        after: RequestState,
        now: datetime,
        **columns: object,
    ) -> AuthorizationRequest | None:
        move = (
            update(requests)
            .where(is_it, requests.c.state == before, requests.c.expires_at > now)
            .values(state=after, **columns)
            .returning(requests)
        )
        async with self._database.write() as connection:
            row = (await connection.execute(move)).one_or_none()
        return None if row is None else _request(row)


def _row(request: AuthorizationRequest) -> dict[str, object]:
    return {
        "request_id": request.request_id,
        "state": request.state,
        "client_id": request.client_id,
        "redirect_uri": request.redirect_uri,
        "redirect_uri_given": request.redirect_uri_given,
        "scopes": request.scopes,
        "resource": request.resource,
        "code_challenge": request.code_challenge,
        "client_state": request.client_state,
        "browser_digest": request.browser_digest,
        "created_at": request.created_at,
        "expires_at": request.expires_at,
        "prompt": request.prompt,
        "login_hint": request.login_hint,
        "max_age": request.max_age,
        "purpose": request.purpose,
        "device_digest": request.device_digest,
        "key_thumbprint": request.key_thumbprint,
        **_sign_in_row(request.sign_in),
    }


def _sign_in_row(sign_in: SignIn | None) -> dict[str, object]:
    if sign_in is None:
        return {}
    return {
        "sign_in_provider": sign_in.provider,
        "sign_in_state_digest": sign_in.state_digest,
        "sign_in_browser_digest": sign_in.browser_digest,
        "sign_in_nonce": sign_in.nonce,
        "sign_in_sealed_verifier": sign_in.sealed_verifier,
    }


def _request(row: Row[Any]) -> AuthorizationRequest:
    return AuthorizationRequest(
        request_id=row.request_id,
        client_id=row.client_id,
        redirect_uri=row.redirect_uri,
        redirect_uri_given=row.redirect_uri_given,
        scopes=row.scopes,
        resource=row.resource,
        code_challenge=row.code_challenge,
        client_state=row.client_state,
        browser_digest=row.browser_digest,
        created_at=row.created_at,
        expires_at=row.expires_at,
        prompt=row.prompt,
        login_hint=row.login_hint,
        max_age=row.max_age,
        state=RequestState(row.state),
        sign_in=_sign_in(row),
        purpose=Purpose(row.purpose),
        device_digest=row.device_digest,
        key_thumbprint=row.key_thumbprint,
    )


def _sign_in(row: Row[Any]) -> SignIn | None:
    if row.sign_in_state_digest is None:
        return None
    return SignIn(
        provider=row.sign_in_provider,
        state_digest=row.sign_in_state_digest,
        browser_digest=row.sign_in_browser_digest,
        nonce=row.sign_in_nonce,
        sealed_verifier=row.sign_in_sealed_verifier,
    )
