"""A Starlette application behind a sign-in, with a stream and a WebSocket.

RESOURCE=http://localhost:3000/ ISSUER=http://localhost:8080 uvicorn starlette_app:app --port 3000
"""

import os
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from vestibule import current_principal, protect, require_scopes


async def me(request: Request) -> JSONResponse:
    return JSONResponse({"subject": request.state.principal.subject})


async def events(request: Request) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"data: {number} for {current_principal().subject}\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


@requires("tickets.read")
async def read(request: Request) -> JSONResponse:
    return JSONResponse({"reader": request.user.display_name})


@require_scopes("tickets.write")
async def write(request: Request) -> JSONResponse:
    return JSONResponse({"writer": current_principal().subject})


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(current_principal().subject)
    await socket.close()


routes = [
    Route("/me", me),
    Route("/events", events),
    Route("/tickets", read),
    Route("/tickets", write, methods=["POST"]),
    WebSocketRoute("/echo", echo),
]
app = protect(
    Starlette(routes=routes),
    resource=os.environ["RESOURCE"],
    issuers=[os.environ["ISSUER"]],
    scopes=["tickets.read"],
)
