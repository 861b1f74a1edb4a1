"""The archive in the browser, on the standard library's server, for one computer or a small network.

Safe by these rules, after how others were broken: a server of this computer answers only under this computer's names
(DNS rebinding); changes need the token of a page of this start (requests forged by other sites); no other site may read
what is answered, but the one viewer that was let in, and that only what is IIIF; requests are limited in size and time.
"""

import ipaddress
import socket
import socketserver
import sys
import traceback
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from capas.archive.library.database import Library
from capas.archive.search.snippets import PageImages
from capas.archive.web.http_messages import HttpRequest, HttpResponse, json_response
from capas.archive.web.routes import Site, route
from capas.core.errors import CapasError
from capas.core.i18n import LANGUAGES, choose_language

MOST_BYTES: Final = 64_000
MOST_PARAMS: Final = 20
WAIT_S: Final = 30
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
SAFE: Final = (
    ("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
                                "form-action 'self'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerConfig:
    """Where to listen; ``viewer``: the origin of a IIIF viewer on another site that may read, or ""."""

    host: str = "127.0.0.1"
    port: int = 8765
    read_only: bool = False
    viewer: str = ""


class ArchiveServer(ThreadingHTTPServer):
    """Listens from the moment it is made. Raises CapasError ``cannot_listen``."""

    daemon_threads = True

    def __init__(self, library: Library, serving: ServerConfig) -> None:
        self.serving = serving
        self.site = Site(library=library, pictures=PageImages(), token=token_urlsafe(24), read_only=serving.read_only)
        if ":" in serving.host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((serving.host, serving.port), ArchiveRequestHandler)
        except (OSError, OverflowError) as error:
            where = f"{serving.host}:{serving.port}"
            raise CapasError("cannot_listen", where=where, received=_reason(error)) from error

    def server_bind(self) -> None:
        """As TCPServer does; HTTPServer would ask the network for this computer's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.serving.host, int(self.server_address[1])

    @property
    def address(self) -> str:
        """Where a browser on this computer finds it."""
        host = self.serving.host
        named = (
            "127.0.0.1"
            if host in ("0.0.0.0", "")
            else "[::1]"
            if host == "::"
            else f"[{host}]"
            if ":" in host
            else host
        )
        return f"http://{named}:{self.server_port}/"

    def answers_to(self, host: str) -> bool:
        """Whether a request that was sent to this Host is for us: its port is ours, and it is named as we are. A server
        for the network also answers to any address in figures, which cannot be rebound."""
        name, _, port = host.rpartition(":") if host.rpartition(":")[2].isdecimal() else (host, "", "80")
        if port != str(self.server_port):
            return False
        ours = self.serving.host.strip("[]")
        if name.lower() in LOOPBACK | {ours.lower(), f"[{ours}]".lower()}:
            return True
        return not _is_local(ours) and (_is_number(name.strip("[]")) or name.lower() == socket.gethostname().lower())

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in the middle is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            traceback.print_exc()


def serve_archive(
    library: Library, serving: ServerConfig, *, ready: Callable[[str], None], open_page: bool = False
) -> None:
    """Serve until Ctrl-C; ``ready`` is told the address. Raises CapasError ``cannot_listen``."""
    with ArchiveServer(library, serving) as server:
        ready(server.address)
        if open_page:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


class ArchiveRequestHandler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Capas", ""
    timeout = WAIT_S
    server: ArchiveServer

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what people search for is theirs."""

    def _answer(self, method: str) -> None:
        host = self.headers.get("Host", "")
        if not self.server.answers_to(host):
            self._refuse(403, "foreign_host")
            return
        if self.headers.get("Origin", f"http://{host}") not in (f"http://{host}", self.server.serving.viewer):
            self._refuse(403, "foreign_origin")
            return
        if (body := self._body(method)) is None:
            return
        parts = urlsplit(self.path)
        params = dict(parse_qsl(parts.query, keep_blank_values=True)[:MOST_PARAMS])
        choose_language(self._language(params.get("lang", "")))
        asked = HttpRequest(method=method, path=unquote(parts.path), params=params, base=f"http://{host}", body=body,
                      token=self.headers.get("X-Capas-Token", ""))  # fmt: skip
        try:
            given = route(self.server.site, asked)
        except Exception:
            traceback.print_exc()
            given = json_response({"error": "failed"}, status=500)
        self._send(given)

    def _body(self, method: str) -> bytes | None:
        """What was sent along; None where it was refused."""
        if method == "GET":
            return b""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length[:12]) > MOST_BYTES:
            self._refuse(413 if length.isdecimal() else 411, "too_large")
            return None
        return self.rfile.read(int(length))

    def _language(self, wanted: str) -> str:
        """The page's, else the first of the browser's that there is, else English."""
        accepted = (
            part.split(";")[0].strip()[:2].lower() for part in self.headers.get("Accept-Language", "").split(",")
        )
        return next((one for one in (wanted, *accepted) if one in LANGUAGES), "en")

    def _refuse(self, status: int, error: str) -> None:
        self.close_connection = True
        self._send(json_response({"error": error}, status=status))

    def _send(self, given: HttpResponse) -> None:
        self.send_response(given.status)
        held = dict(given.headers)
        viewer = self.server.serving.viewer
        lets_in = bool(viewer) and self.path.startswith("/iiif/")
        for name, value in (
            ("Content-Type", given.media_type), ("Content-Length", str(len(given.body))), *SAFE,
            ("Cache-Control", held.pop("Cache-Control", "no-store")),
            ("Cross-Origin-Resource-Policy", "cross-origin" if lets_in else "same-origin"),
            *((("Access-Control-Allow-Origin", viewer), ("Vary", "Origin")) if lets_in else ()), *held.items(),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(given.body)


def _is_local(host: str) -> bool:
    return host == "localhost" or (_is_number(host) and ipaddress.ip_address(host).is_loopback)


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _reason(error: OSError | OverflowError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
