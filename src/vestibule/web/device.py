"""The page where a person types the code that a device shows (RFC 8628 §3.3)."""

from starlette.requests import Request
from starlette.responses import Response

from vestibule.authorization_server import device
from vestibule.protocol.device import read_user_code, show_user_code
from vestibule.web.pages.views import DeviceView
from vestibule.web.plane import ControlPlane
from vestibule.web.requests import read_form, read_query


class DeviceEndpoints:
    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    async def page(self, request: Request) -> Response:
        plane = self._plane
        browser = plane.cookies.read(request)
        if request.method == "POST":
            reply = await device.enter(await read_form(request), browser, plane.server, plane.context(request))
            return plane.redirect(reply, request)
        query = read_query(request)
        csrf, cookies = device.form_tag(browser, plane.server)
        code = read_user_code(query.get("user_code"))
        view = DeviceView(
            csrf=csrf,
            user_code=show_user_code(code) if code else "",
            done={"1": "approved", "0": "refused"}.get(query.get("done"), ""),
        )
        return plane.with_cookies(plane.pages.respond(plane.pages.device(view)), cookies)
