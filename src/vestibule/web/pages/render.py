"""Templates in, responses out, with the headers that keep a page to itself.

`form-action` has to name where the answer to a form leads, because Chromium checks redirects against it too: the
identity provider's origin and the client's.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, Response

from vestibule.web.pages.views import (
    AccountView,
    ChooserView,
    ConsentView,
    DevelopmentView,
    DeviceView,
    ErrorView,
    HomeView,
)

if TYPE_CHECKING:
    from jinja2 import Environment

_STYLESHEET = "vestibule.css"


class Pages:
    """One method a page."""

    def __init__(self, *, public_url: str) -> None:
        self._static = files(__package__).joinpath("static")
        self._css = self._static.joinpath(_STYLESHEET).read_bytes()
        version = hashlib.sha256(self._css).hexdigest()[:12]
        prefix = urlsplit(public_url).path
        self.stylesheet_name = f"vestibule-{version}.css"
        self._prefix = prefix
        self._host = urlsplit(public_url).netloc

    @cached_property
    def _environment(self) -> "Environment":
        from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape  # 3 MB, for the first page

        environment = Environment(
            loader=FunctionLoader(_template),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals |= {
            "stylesheet": f"{self._prefix}/assets/{self.stylesheet_name}",
            "prefix": self._prefix,
            "host": self._host,
        }
        environment.filters |= {"day": _day, "moment": _moment}
        return environment

    def consent(self, view: ConsentView) -> str:
        return self._render("refused.html" if view.refused_at is not None else "consent.html", view=view)

    def chooser(self, view: ChooserView) -> str:
        return self._render("chooser.html", view=view)

    def device(self, view: DeviceView) -> str:
        return self._render("device.html", view=view)

    def account(self, view: AccountView) -> str:
        return self._render("account.html", view=view)

    def development(self, view: DevelopmentView) -> str:
        return self._render("development.html", view=view)

    def error(self, view: ErrorView) -> str:
        return self._render("error.html", view=view)

    def home(self, view: HomeView) -> str:
        return self._render("home.html", view=view)

    def stylesheet(self) -> Response:
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(self._css, media_type="text/css", headers=headers)

    def respond(
        self,
        page: str,
        *,
        status: int = 200,
        form_action: tuple[str, ...] | None = (),
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """`form_action`: where forms may lead beside ourselves; None: anywhere."""
        policy = "; ".join(
            (
                "default-src 'none'",
                "style-src 'self'",
                "img-src 'self' data:",
                *(() if form_action is None else ("form-action " + " ".join(("'self'", *form_action)),)),
                "frame-ancestors 'none'",
                "base-uri 'none'",
            )
        )
        return HTMLResponse(
            page,
            status_code=status,
            headers={
                "Content-Security-Policy": policy,
                "X-Frame-Options": "DENY",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Opener-Policy": "same-origin",
                "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
                "Cache-Control": "no-store",
                **(headers or {}),
            },
        )

    def _render(self, template: str, **values: object) -> str:
        return self._environment.get_template(template).render(**values)


def form_origin(url: str) -> str:
    """The source expression that admits a redirect to `url`: its origin, or its scheme for an app's own."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"


def _template(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text("utf-8")


def _moment(moment: datetime) -> str:
    return moment.strftime("%-d %B %Y, %H:%M UTC")


def _day(moment: datetime) -> str:
    return moment.strftime("%-d %B %Y")
