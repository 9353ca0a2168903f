"""Who may see the screen: a key or token, shown once, then carried by the browser in a cookie that scripts cannot read."""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from controllers.api.roles import Right
from controllers.screen.source import ScreenSource
from controllers.screen.words import word
from vpp.errors import AccessError

__all__ = ["COOKIE", "SCREEN_PATH", "entrance"]

COOKIE: Final = "vpp_screen"
SCREEN_PATH: Final = "/screen"
_LOGIN_PATH: Final = "/login"
_LIFE_S: Final = 12 * 60 * 60
_FORM_MAX: Final = 8_192

_PAGE: Final = """<!doctype html><html lang="zh"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: #0e1519; color: #e6edf3;
  font-family: system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Zen Hei", sans-serif; }}
form {{ width: min(400px, 88vw); background: #172129; border: 1px solid #26343f; border-radius: 14px; padding: 28px; }}
h1 {{ font-size: 1.25rem; margin: 0 0 4px; }} p {{ color: #8795a3; font-size: .9rem; margin: 0 0 18px; }}
label {{ font-size: .85rem; color: #8795a3; }}
input {{ width: 100%; box-sizing: border-box; margin: 6px 0 16px; padding: 11px; border-radius: 8px; border: 1px solid #33444f;
  background: #0e1519; color: inherit; font-size: 1rem; }}
button {{ width: 100%; padding: 12px; border: 0; border-radius: 8px; background: #009e73; color: white;
  font-size: 1rem; cursor: pointer; }}
.fault {{ color: #ff9a76; }}</style></head><body><form method="post" action="{action}">
<h1>{name}</h1><p>{hint}</p>{fault}<label for="token">{label}</label>
<input id="token" name="token" type="password" autocomplete="current-password" autofocus required>
<button>{go}</button></form></body></html>"""


def entrance(source: ScreenSource) -> APIRouter:
    """Routes of the door: the address itself, the form, and the way out."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def address(request: Request, token: str | None = None) -> Response:
        """The address that is printed at start may carry the token; it is taken out of the address bar at once."""
        if token is None:
            return RedirectResponse(f"{SCREEN_PATH}/", status_code=303)
        return _let_in(source, request, token)

    @router.get(_LOGIN_PATH)
    async def form() -> Response:
        return _form(source, "")

    @router.post(_LOGIN_PATH)
    async def login(request: Request) -> Response:
        body = (await request.body())[:_FORM_MAX]
        token = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0].strip()
        return _let_in(source, request, token)

    @router.post("/logout")
    async def logout() -> Response:
        answer = RedirectResponse(_LOGIN_PATH, status_code=303)
        answer.delete_cookie(COOKIE)
        return answer

    return router


def _let_in(source: ScreenSource, request: Request, token: str) -> Response:
    try:
        caller = source.owner(token, request.client.host if request.client is not None else "unknown")
    except AccessError as error:
        return _form(source, str(error))
    if not caller.may(Right.READ):
        return _form(source, f"{caller.role} {caller.name} may not see the park")
    answer = RedirectResponse(f"{SCREEN_PATH}/", status_code=303)
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, token, max_age=_LIFE_S, httponly=True, samesite="strict", secure=secure)
    return answer


def _form(source: ScreenSource, fault: str) -> Response:
    both = {name: f"{word(name, 'zh')} {word(name, 'en')}" for name in ("login", "token", "token_hint")}
    page = _PAGE.format(
        title=escape(both["login"]),
        action=_LOGIN_PATH,
        name=f"{escape(source.park.site.name_zh)} {escape(word('title', 'zh'))}",
        hint=escape(both["token_hint"]),
        fault=f'<p class="fault">{escape(fault)}</p>' if fault else "",
        label=escape(both["token"]),
        go=escape(both["login"]),
    )
    return HTMLResponse(page, status_code=401 if fault else 200, headers={"Cache-Control": "no-store", "X-Frame-Options": "DENY"})
