"""A FastAPI application behind a sign-in.

RESOURCE=http://localhost:3000/ ISSUER=http://localhost:8080 uvicorn fastapi_app:app --port 3000
"""

import os
from typing import Annotated

from fastapi import Depends, FastAPI

from vestibule import Principal, current_principal, protect, require_scopes

api = FastAPI()
Caller = Annotated[Principal, Depends(current_principal)]


@api.get("/healthz")
def healthz() -> str:
    return "alive"


@api.get("/me")
def me(caller: Caller) -> dict[str, str]:
    return {"subject": caller.subject, "issuer": caller.issuer}


@api.delete("/tickets/{number}")
@require_scopes("tickets.write")
async def close_ticket(number: int, caller: Caller) -> str:
    return f"{caller.subject} closed {number}"


app = protect(
    api,
    resource=os.environ["RESOURCE"],
    issuers=[os.environ["ISSUER"]],
    scopes=["tickets.read"],
    public=["/healthz"],
)
