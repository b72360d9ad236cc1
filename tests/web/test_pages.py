"""The pages as text: contrast of every pair of colours, inert strangers' words, structure for screen readers."""

import re
from datetime import UTC, datetime
from importlib.resources import files

import pytest

from vestibule.web.pages import Pages
from vestibule.web.pages.views import (
    AccountView,
    Button,
    ChooserView,
    ConnectionLine,
    ConsentView,
    DevelopmentView,
    DeviceView,
    ErrorView,
    HomeView,
    PersonView,
    ScopeLine,
    ServerLine,
)

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}</title>"
MOMENT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
CSS = files("vestibule.web.pages").joinpath("static/vestibule.css").read_text("utf-8")


def consent(text: str, *, refused: bool = False, account: str = "", code: str = "") -> ConsentView:
    return ConsentView(
        txn=text,
        csrf=text,
        account_tag=text,
        client_name=text,
        client_claim=text,
        is_verified_host=False,
        redirect_host=text,
        is_loopback=False,
        resource_title=text,
        resource_url=text,
        scopes=(ScopeLine(text, text), ScopeLine(text, text, is_new=not account)),
        account=account,
        tenant=text,
        button=text,
        user_code=code,
        refused_at=datetime(2026, 11, 21, tzinfo=UTC) if refused else None,
    )


def connection(text: str) -> ConnectionLine:
    return ConnectionLine(text, text, text, text, text, (text, text), MOMENT, MOMENT, is_refused=False, is_waiting=True)


def every_page(text: str) -> dict[str, str]:
    pages = Pages(public_url="https://mcp.example.com/prefix")
    return {
        "consent": pages.consent(consent(text)),
        "consent-signed-in": pages.consent(consent(text, account=text)),
        "consent-device": pages.consent(consent(text, code=text or "BCDF-GHJK")),
        "chooser": pages.chooser(ChooserView(text, text, text, (Button(text, text), Button(text, text)))),
        "chooser-own": pages.chooser(ChooserView(text, text, "", (Button(text, text),))),
        "device": pages.device(DeviceView(text, text)),
        "device-approved": pages.device(DeviceView(text, done="approved")),
        "device-refused": pages.device(DeviceView(text, done="refused")),
        "account": pages.account(AccountView(text or "Ada", MOMENT, text, (connection(text), connection(text)))),
        "account-empty": pages.account(AccountView(text or "Ada", MOMENT, text)),
        "account-nobody": pages.account(AccountView()),
        "refused": pages.consent(consent(text, refused=True)),
        "development": pages.development(DevelopmentView(text, text, text, (PersonView(text, text, text),))),
        "error": pages.error(ErrorView(text, text, text)),
        "home": pages.home(HomeView((ServerLine(text, text, text),), text, text)),
    }


@pytest.mark.parametrize("name", every_page(""))
def test_what_strangers_wrote_is_inert(name: str) -> None:
    page = every_page(HOSTILE)[name]
    assert "<script" not in page
    assert "<img" not in page
    assert "49" not in re.sub(r"[0-9a-f]{12}\.css", "", page)
    assert page.count("</title>") == 1


@pytest.mark.parametrize("name", every_page(""))
def test_structure(name: str) -> None:
    page = every_page("Name")[name]
    assert page.startswith("<!doctype html>")
    assert '<html lang="en">' in page
    assert 'name="viewport"' in page
    assert len(re.findall(r"<h1[ >]", page)) == 1
    assert re.search(r"<title>\s*\S", page)
    for control in re.findall(r"<input(?! type=\"hidden\")[^>]*>", page):
        identifier = re.search(r'id="([^"]+)"', control)
        assert identifier is not None
        assert f'<label for="{identifier[1]}">' in page
    for url in re.findall(r'(?:href|src|action)="([^"]+)"', page):
        assert url.startswith(("/prefix/", "data:,"))


@pytest.mark.parametrize("name", every_page(""))
def test_nothing_that_the_policy_would_stop(name: str) -> None:
    page = every_page("Name")[name]
    assert "style=" not in page
    assert "<style" not in page
    assert not re.search(r"\son[a-z]+=", page)


def test_the_policy() -> None:
    response = Pages(public_url="https://mcp.example.com").respond("", form_action=("https:",))
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "form-action 'self' https:" in policy
    assert "unsafe" not in policy
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"


def palette(scheme: str) -> dict[str, str]:
    """The colours of a scheme: dark ones replace light ones."""
    light, _, dark = CSS.partition("@media (prefers-color-scheme: dark)")
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light))
    return found if scheme == "light" else {**found, **dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark))}


def luminance(colour: str) -> float:
    """WCAG 2.2: relative luminance."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "background", "least"),
    [
        ("ink", "sheet", 7),
        ("ink", "paper", 7),
        ("ink", "accent-wash", 7),
        ("soft", "sheet", 4.5),
        ("soft", "paper", 4.5),
        ("accent", "sheet", 4.5),
        ("accent", "accent-wash", 4.5),
        ("on-accent", "accent", 4.5),
        ("warn", "warn-wash", 4.5),
        ("focus", "sheet", 3),
    ],
)
def test_contrast(scheme: str, text: str, background: str, least: float) -> None:
    colours = palette(scheme)
    assert contrast(colours[text], colours[background]) >= least
