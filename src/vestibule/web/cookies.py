"""Our four cookies: Secure, HttpOnly, SameSite=Lax, `__Host-`; on plain-http loopback the same without the prefix.

`__Host-` makes the browser refuse the cookie from any other host, path or an http page: nobody can plant one. That
holds only if we read names as the browser does, byte for byte. A parser that strips Unicode's white space takes the
cookie named 0xA0 + `__Host-…`, which has no prefix for a browser and which any neighbouring host may set, for ours.
"""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from vestibule.authorization_server.replies import Browser, Cookie, CookieName

_MAX = 200  # characters; ours have 43
_WHITE = b" \t"  # all that RFC 6265 §5.2 knows; everything else belongs to the name or the value


class Cookies:
    def __init__(self, *, secure: bool) -> None:
        self._secure = secure

    def name(self, name: CookieName) -> str:
        return f"__Host-vestibule_{name}" if self._secure else f"vestibule_{name}"

    def read(self, request: Request) -> Browser:
        lines = [value for name, value in request.scope["headers"] if name == b"cookie"]
        purpose = f"{request.headers.get('sec-purpose', '')} {request.headers.get('purpose', '')}"
        return Browser(
            consent=cookie_value(lines, self.name(CookieName.CONSENT)),
            csrf=cookie_value(lines, self.name(CookieName.CSRF)),
            sign_in=cookie_value(lines, self.name(CookieName.SIGN_IN)),
            session=cookie_value(lines, self.name(CookieName.SESSION)),
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


def cookie_value(lines: Iterable[bytes], name: str) -> str:
    """The value of the only cookie of exactly this name in these Cookie headers, or nothing.

    Two of the name are none: one of them is not ours, and which one a browser sends first is up to who planted it.
    """
    wanted = name.encode("ascii")
    pairs = (pair.partition(b"=") for line in lines for pair in line.split(b";"))
    found = [value.strip(_WHITE) for key, _, value in pairs if key.strip(_WHITE) == wanted]
    if len(found) != 1 or len(found[0]) > _MAX or not found[0].isascii():
        return ""
    return found[0].decode("ascii")
