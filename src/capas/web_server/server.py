"""uvicorn on a socket that is bound before anything is said: in the foreground until Ctrl-C, or in a thread."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from capas.core.errors import CapasError
from capas.web_server.connection_timeouts import TimedConnection
from capas.web_server.host_rule import browser_address

# Ctrl-C lets requests that are being answered end, but not for ever.
SHUTDOWN_S: Final = 3


class WebServer:
    """A listening socket; applications are run on it.

    Args:
        host: The host to listen on; "" or ``0.0.0.0`` for all.
        port: The port; 0 for one that is free.

    Raises:
        CapasError: ``cannot_listen``.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self._socket = _listening_socket(host, port)
        self.port = int(self._socket.getsockname()[1])

    @property
    def address(self) -> str:
        """Where a browser on this computer finds it."""
        return browser_address(self.host, self.port)

    def run(self, app: ASGIApp, *, ready: Callable[[str], None]) -> None:
        """Serve until Ctrl-C; ``ready`` is called with the address once requests are answered."""
        try:
            self._server(app, lambda: ready(self.address)).run(sockets=[self._socket])
        except KeyboardInterrupt:  # before uvicorn took the signal over, or again after it had ended
            return

    @contextmanager
    def running(self, app: ASGIApp) -> Iterator[str]:
        """Serve in a thread within the context; its value is the address."""
        started = Event()
        server = self._server(app, started.set)
        thread = Thread(target=server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        thread.start()
        started.wait()
        try:
            yield self.address
        finally:
            server.should_exit = True
            thread.join()

    def close(self) -> None:
        """Free the port."""
        self._socket.close()

    def _server(self, app: ASGIApp, ready: Callable[[], None]) -> "_ReadyServer":
        # What people search for is theirs: no access log. The level hides notes about malformed requests, not errors.
        config = uvicorn.Config(
            app, http=TimedConnection, ws="none", lifespan="off", interface="asgi3", loop="asyncio", log_config=None,
            log_level="error", access_log=False, proxy_headers=False,
            headers=[("Server", "Capas")], timeout_graceful_shutdown=SHUTDOWN_S,
        )  # fmt: skip
        return _ReadyServer(config, ready)


class _ReadyServer(uvicorn.Server):
    """uvicorn's server, which says when it has started."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _listening_socket(host: str, port: int) -> socket.socket:
    # With the protocol named asyncio turns Nagle's delay off, which costs 40 ms an answer (``_set_nodelay``).
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # After a restart the port is free at once, although connections of the last start are still closing.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(1024)  # a class that opens the page at once; the kernel caps it (net.core.somaxconn)
    except (OSError, OverflowError, UnicodeError) as error:
        made.close()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CapasError("cannot_listen", where=f"{host}:{port}", received=reason) from error
    return made
