"""Who may ask: this machine's own user, through this page. Everything else is refused before the app sees it.

- Host must name the loopback: a foreign name that resolves to it (DNS rebinding) is refused.
- Origin and Sec-Fetch-Site, where a browser sends them, must be those of the page itself.
- GET and HEAD only: nothing can be changed.
- ``/api`` needs the token in the header ``X-Nigra-Token``. The page has it from the part of its address after #,
  which browsers never send: it is in no log and no Referer. A cookie would go to every port of this machine.
- The content-security policy allows the page's own files alone: no inline script or style, no eval, no other host.
"""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

HOSTS = ("127.0.0.1", "localhost", "[::1]")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def refusal(method: str, path: str, headers: dict[str, str], token: str) -> tuple[int, str] | None:
    """Status and sentence of a request that is refused; None lets it pass. ``headers`` have lower-case names.

    >>> refusal("GET", "/", {"host": "evil.example:80"}, "t")
    (421, 'this page answers to 127.0.0.1 and localhost only.')
    >>> refusal("GET", "/api/study", {"host": "127.0.0.1:80", "x-nigra-token": "t"}, "t")
    """
    host = headers.get("host", "")
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name not in HOSTS:
        return 421, "this page answers to 127.0.0.1 and localhost only."
    if method not in ("GET", "HEAD"):
        return 405, "this page is read-only."
    origin = headers.get("origin")
    if origin is not None and (urlsplit(origin).scheme, urlsplit(origin).netloc) != ("http", host):
        return 403, "another page asked; only nigra's own may."
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and path != "/":
        return 403, "another page asked; only nigra's own may."
    shown = headers.get("x-nigra-token", "").encode()
    if path.startswith("/api") and not hmac.compare_digest(shown, token.encode()):
        return 403, "the address has no valid token; open the address that `nigra explore` printed."
    return None


class Guard:
    """ASGI middleware around the app; adds the headers of every answer, refusals included."""

    def __init__(self, app: App, token: str) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a refusal, or pass on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no web sockets here

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() != b"server"]
                message = {**message, "headers": [*kept, *extra]}
            await send(message)

        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refused = refusal(scope["method"], scope["path"], headers, self.token)
        if refused is None:
            await self.app(scope, receive, guarded)
            return
        status, sentence = refused
        start = {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]}
        await guarded(start)
        await send({"type": "http.response.body", "body": sentence.encode()})
