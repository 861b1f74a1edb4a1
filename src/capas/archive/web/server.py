"""The archive in the browser, for one computer or a small network, behind the guard of ``capas.web_server``.

Starlette and uvicorn are imported when a server is made: the other commands of the archive do without them.
"""

import webbrowser
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from secrets import token_urlsafe
from threading import Thread
from typing import TYPE_CHECKING, Final

from capas.archive.library.database import Library
from capas.archive.search.snippets import PageImages
from capas.web_server.requirements import require_web_libraries

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

VIEWER_PATHS: Final = ("/iiif/",)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerConfig:
    """How an archive is served.

    Attributes:
        host: The host to listen on.
        port: The port; 0 for one that is free.
        read_only: Whether no verdicts and corrections are taken.
        viewer: The origin of a IIIF viewer on another site that may read what is IIIF, or "".
    """

    host: str = "127.0.0.1"
    port: int = 8765
    read_only: bool = False
    viewer: str = ""


class ArchiveServer:
    """An archive on a port, which is bound when this is made.

    Raises:
        CapasError: ``extra_missing`` without Starlette or uvicorn; ``cannot_listen``.
    """

    def __init__(self, library: Library, config: ServerConfig) -> None:
        require_web_libraries("capas archive serve", "archive")
        from capas.archive.web.routes import STATUSES, Site, archive_router
        from capas.web_server.guard import Guard
        from capas.web_server.guard_rules import GuardRules
        from capas.web_server.server import WebServer

        self._server = WebServer(config.host, config.port)
        self.port = self._server.port
        self.token = token_urlsafe(24)
        site = Site(library=library, pictures=PageImages(), token=self.token, read_only=config.read_only)
        rules = GuardRules(
            host=config.host, port=self.port, token=self.token, viewer=config.viewer, viewer_paths=VIEWER_PATHS,
            read_only="archive_read_only" if config.read_only else "", statuses=STATUSES,
        )  # fmt: skip
        self.guard = Guard(archive_router(site), rules)

    def run(self, ready: Callable[[str], None]) -> None:
        """Serve until Ctrl-C; ``ready`` is called with the address."""
        self._server.run(self.guard, ready=ready)

    def running(self) -> "AbstractContextManager[str]":
        """Serve in a thread within the context."""
        return self._server.running(self.guard)

    def close(self) -> None:
        """Free the port."""
        self._server.close()


def serve_archive(
    library: Library, config: ServerConfig, *, ready: Callable[[str], None], open_page: bool = False
) -> None:
    """Serve an archive until Ctrl-C.

    Args:
        library: The archive.
        config: How it is served.
        ready: Called with the address once requests are answered.
        open_page: Whether to open the search page in the browser.

    Raises:
        CapasError: ``extra_missing`` or ``cannot_listen``.
    """

    def started(address: str) -> None:
        ready(address)
        if open_page:  # in a thread: a browser of the terminal returns only when it is closed
            Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    with closing(ArchiveServer(library, config)) as server:
        server.run(started)
