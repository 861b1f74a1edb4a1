"""The guard: ASGI middleware in front of every web application of Capas, which denies by default.

An application is a ``starlette.routing.Router``; the guard needs its port, so the socket is bound first::

    with closing(WebServer("127.0.0.1", 0)) as server:
        rules = GuardRules(host="127.0.0.1", port=server.port, token=token_urlsafe(24))
        server.run(Guard(router, rules), ready=print)

The application adds no middleware and checks nothing of the below. Handlers raise CapasError, which becomes JSON, and
return Starlette responses. The checks, in their order; the first that fails answers ``{"error": KEY}``:

1. Anything but HTTP is closed. WebSockets need a token that is not a header (browsers cannot set one): who adds them
   adds that check here, not beside the guard (marimo, CVE-2026-39987).
2. ``Host`` names this server, by name and port: 403 ``foreign_host``. See ``host_rule``.
3. ``Origin``, where there is one, is the page's own; ``null`` never is. For methods that change something
   ``Sec-Fetch-Site``, where there is one, is ``same-origin``: 403 ``foreign_origin`` (Gradio, CVE-2024-1727). No
   response carries CORS headers, but those that the one viewer may read.
4. The method is GET, HEAD or POST: 501 ``not_implemented``. Others are added here when an application needs one.
5. Few parameters: 400 ``bad_request``.
6. The router has the address, without control characters or backslashes: 404 ``not_found``; and with this method: 405
   ``method_not_allowed``. A verb that nobody thought of reaches no handler (Ray, CVE-2026-27482).
7. A change is allowed at all (403), has a ``Content-Length`` (411) and is small (413).
8. It carries the token of a page of this start: 403 (forged requests of other sites).
9. It is fully there in time (408). It is read here, and then given to the application whole; requests that change
   nothing have no body for it.

Every response, refusals included, carries the security headers, and ``Cache-Control: no-store`` unless it has its own.
"""

import hmac
import traceback
from typing import Final

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import Response
from starlette.routing import Match, Router
from starlette.types import Message, Receive, Scope, Send

from capas.core.errors import CapasError
from capas.core.i18n import choose_language
from capas.web_server.guard_rules import GuardRules
from capas.web_server.json_responses import error_response, json_response
from capas.web_server.request_body import BodyRefused, ClientGone, discard_body, read_body, replayed
from capas.web_server.request_language import request_language

READING: Final = frozenset({"GET", "HEAD"})
METHODS: Final = READING | {"POST"}
TOKEN_HEADER: Final = "x-capas-token"


class Guard:
    """The middleware.

    Args:
        router: The application.
        rules: Its rules.
    """

    def __init__(self, router: Router, rules: GuardRules) -> None:
        self.router = router
        self.rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        hardened = self._hardened(scope["path"], send)
        refused = self._refusal(scope)
        if refused is None:
            await self._serve(scope, receive, hardened)
        else:
            await _refuse(refused, scope, receive, hardened)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the response to a request that is not let through; None where it is."""
        headers, params = Headers(scope=scope), QueryParams(scope["query_string"])
        host, changes = headers.get("host", ""), scope["method"] not in READING
        if not self.rules.allows_host(host):
            return json_response({"error": "foreign_host"}, status=403)
        if not self._own_origin(headers, host, changes=changes):
            return json_response({"error": "foreign_origin"}, status=403)
        if scope["method"] not in METHODS:
            return json_response({"error": "not_implemented"}, status=501)
        choose_language(request_language(params.get("lang", ""), headers.get("accept-language", "")))
        if (count := len(params.multi_items())) > self.rules.max_parameters:
            return error_response(CapasError("bad_request", received=f"{count} parameters"), 400)
        return self._unrouted(scope) or (self._forbidden_change(headers) if changes else None)

    def _own_origin(self, headers: Headers, host: str, *, changes: bool) -> bool:
        origins = headers.getlist("origin")
        if changes and headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        return all(self.rules.allows_origin(origin, host, changes=changes) for origin in origins)

    def _unrouted(self, scope: Scope) -> Response | None:
        path: str = scope["path"]
        matches = {route.matches(scope)[0] for route in self.router.routes}
        if "\\" in path or not path.isprintable() or not matches - {Match.NONE}:
            return json_response({"error": "not_found"}, status=404)
        if Match.FULL not in matches:
            return json_response({"error": "method_not_allowed"}, status=405)
        return None

    def _forbidden_change(self, headers: Headers) -> Response | None:
        if self.rules.read_only:
            return error_response(CapasError(self.rules.read_only), 403)
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdecimal()):
            return json_response({"error": "too_large"}, status=411)
        # A number with a thousand figures is not worth converting.
        if len(length) > 12 or int(length) > self.rules.max_body_bytes:
            return json_response({"error": "too_large"}, status=413)
        if not hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self.rules.token.encode()):
            return error_response(CapasError("page_outdated"), 403)
        return None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application with the whole body; its errors become JSON."""
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            body = b""
            if scope["method"] not in READING:
                limits = self.rules
                body = await read_body(receive, max_bytes=limits.max_body_bytes, within_s=limits.body_timeout_s)
            await self.router(scope, replayed(body, receive), send_noted)
        except ClientGone:
            return
        except BodyRefused as refused:
            await _refuse(json_response({"error": refused.key}, status=refused.status), scope, receive, send)
        except CapasError as error:
            await error_response(error, self.rules.statuses.get(error.key, 400))(scope, receive, send)
        except Exception:
            if started:  # too late for another response: the server closes the connection
                raise
            traceback.print_exc()
            await json_response({"error": "failed"}, status=500)(scope, receive, send)

    def _hardened(self, path: str, send: Send) -> Send:
        """Return ``send`` with the security headers on every response."""
        shown = self.rules.shows_viewer(path)

        async def send_hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = self.rules.content_security_policy
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "no-referrer"
                headers["cross-origin-resource-policy"] = "cross-origin" if shown else "same-origin"
                headers.setdefault("cache-control", "no-store")
                if shown:
                    headers["access-control-allow-origin"] = self.rules.viewer
                    headers["vary"] = "Origin"
            await send(message)

        return send_hardened


async def _refuse(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a refusal; the connection ends with it where a body was left unread."""
    if scope["method"] in READING:
        await response(scope, receive, send)
        return
    response.headers["connection"] = "close"
    # Who waits for "100 Continue" sends nothing before it; receiving would ask for it.
    sends_body = "expect" not in Headers(scope=scope)

    async def send_before_discarding(message: Message) -> None:
        """The refusal goes out at once; the connection stays until the client has seen it or sent enough."""
        if message["type"] != "http.response.body" or not sends_body:
            await send(message)
            return
        await send({**message, "more_body": True})
        await discard_body(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    await response(scope, receive, send_before_discarding)
