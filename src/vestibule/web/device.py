"""The page where a person types the code that a device shows (RFC 8628 §3.3)."""

from starlette.requests import Request
from starlette.responses import Response

from vestibule.authorization_server import device
from vestibule.authorization_server.replies import Browser
from vestibule.errors import UnknownUserCode
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
            try:
                reply = await device.enter(await read_form(request), browser, plane.server, plane.context(request))
            except UnknownUserCode as error:
                plane.log("request_refused", path="/device", reason=error.message, detail=error.detail)
                return self._form(browser, problem=f"{error.message} {error.action}")
            return plane.redirect(reply, request)
        query = read_query(request)
        code = read_user_code(query.get("user_code"))
        done = {"1": "approved", "0": "refused"}.get(query.get("done"), "")
        return self._form(browser, user_code=show_user_code(code) if code else "", done=done)

    def _form(self, browser: Browser, *, user_code: str = "", done: str = "", problem: str = "") -> Response:
        plane = self._plane
        csrf, cookies = device.form_tag(browser, plane.server)
        page = plane.pages.device(DeviceView(csrf, user_code, done, problem))
        return plane.with_cookies(plane.pages.respond(page, status=404 if problem else 200), cookies)
