"""Our four cookies: Secure, HttpOnly, SameSite=Lax, `__Host-`; on plain-http loopback the same without the prefix.

`__Host-` makes the browser refuse the cookie from any other host, path or an http page: nobody can plant one.
"""

from starlette.requests import Request
from starlette.responses import Response

from vestibule.authorization_server.replies import Browser, Cookie, CookieName

_MAX = 200  # characters; ours have 43


class Cookies:
    def __init__(self, *, secure: bool) -> None:
        self._secure = secure

    def name(self, name: CookieName) -> str:
        return f"__Host-vestibule_{name}" if self._secure else f"vestibule_{name}"

    def read(self, request: Request) -> Browser:
        def value(name: CookieName) -> str:
            found = request.cookies.get(self.name(name), "")
            return found if len(found) <= _MAX else ""

        purpose = f"{request.headers.get('sec-purpose', '')} {request.headers.get('purpose', '')}"
        return Browser(
            consent=value(CookieName.CONSENT),
            csrf=value(CookieName.CSRF),
            sign_in=value(CookieName.SIGN_IN),
            session=value(CookieName.SESSION),
            prefetches="prefetch" in purpose or "prerender" in purpose,
        )

    def write(self, response: Response, cookie: Cookie) -> None:
        response.set_cookie(
            self.name(cookie.name),
            cookie.value,
            max_age=cookie.max_age,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
