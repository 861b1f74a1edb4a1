"""The server with real connections: it says when it is ready, nobody blocks anybody, and it ends cleanly."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, Router

from capas.core.errors import CapasError
from capas.web_server.connection_timeouts import TimedConnection
from capas.web_server.guard import Guard
from capas.web_server.guard_rules import GuardRules
from capas.web_server.requirements import require_web_libraries
from capas.web_server.server import WebServer

TOKEN = "t0ken"


class Meeting:
    """Answers only when two requests are there at once."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2)

    def page(self, request: Request) -> Response:
        self.barrier.wait(timeout=5)
        return PlainTextResponse("met")


def _page(request: Request) -> Response:
    return PlainTextResponse("here")


def _large(request: Request) -> Response:
    return StreamingResponse(b"x" * 100_000 for _ in range(500))


async def _change(request: Request) -> Response:
    return PlainTextResponse(await request.body())


@contextmanager
def running(body_timeout_s: float = 30.0) -> Iterator[WebServer]:
    with closing(WebServer("127.0.0.1", 0)) as server:
        rules = GuardRules(host="127.0.0.1", port=server.port, token=TOKEN, body_timeout_s=body_timeout_s)
        routes = [Route("/", _page), Route("/meet", Meeting().page), Route("/large", _large),
                  Route("/change", _change, methods=["POST"])]  # fmt: skip
        with server.running(Guard(Router(routes), rules)):
            yield server


def get(server: WebServer, path: str = "/") -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def head_of(server: WebServer, *, length: str) -> bytes:
    return (
        f"POST /change HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nX-Capas-Token: {TOKEN}\r\n{length}\r\n\r\n"
    ).encode()


def received(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    parts = list[bytes]()
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with running() as one:
        yield one


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """With time-outs of a moment."""
    monkeypatch.setattr(TimedConnection, "timeout_s", 0.3)
    with running(body_timeout_s=0.3) as one:
        yield one


def test_two_requests_at_once_are_answered_at_once(server: WebServer) -> None:
    found = list[tuple[int, bytes]]()
    threads = [threading.Thread(target=lambda: found.append(get(server, "/meet"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(200, b"met")] * 2


def test_a_body_that_drips_is_cut_off(impatient: WebServer) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=10) as connection:
        connection.sendall(head_of(impatient, length="Content-Length: 1000") + b"x")
        began = time.monotonic()
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        answer = received(connection)
        stop.set()
        dripping.join()
    assert answer.startswith(b"HTTP/1.1 408 ") and b'{"error": "too_slow"}' in answer
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost: ", b"\x16\x03\x01"])
def test_a_head_that_does_not_come_is_cut_off(impatient: WebServer, start: bytes) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=10) as connection:
        connection.sendall(start)
        began = time.monotonic()
        with suppress(ConnectionResetError):
            received(connection)
        assert time.monotonic() - began < 3
        assert get(impatient) == (200, b"here")


def test_a_response_that_nobody_reads_is_given_up(impatient: WebServer) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=10) as connection:
        connection.sendall(f"GET /large HTTP/1.1\r\nHost: 127.0.0.1:{impatient.port}\r\n\r\n".encode())
        time.sleep(1.5)
        assert len(received(connection)) < 50_000_000


def test_a_kept_connection_serves_several_requests(impatient: WebServer) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", impatient.port, timeout=10)) as connection:
        for _ in range(3):
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"here"
            time.sleep(0.15)


def test_a_chunked_body_is_refused_unread(server: WebServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head_of(server, length="Transfer-Encoding: chunked"))
        for _ in range(20):
            connection.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.1 411 ")


def test_a_chunked_body_beyond_its_declared_length_is_refused(server: WebServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head_of(server, length="Content-Length: 5\r\nTransfer-Encoding: chunked"))
        for _ in range(20):
            connection.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert received(connection).split(b" ")[1] in (b"400", b"413")


def test_who_waits_to_be_asked_for_a_large_body_is_refused_at_once(server: WebServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head_of(server, length="Content-Length: 999999\r\nExpect: 100-continue"))
        assert received(connection).startswith(b"HTTP/1.1 413 ")


def test_no_header_tells_versions(server: WebServer) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request("GET", "/")
        assert connection.getresponse().getheader("Server") == "Capas"


def test_a_taken_port_and_a_foreign_address_cannot_be_listened_on(server: WebServer) -> None:
    for host, port in (("127.0.0.1", server.port), ("203.0.113.7", 0), ("127.0.0.1", 70_000), ("a" * 70, 0)):
        with pytest.raises(CapasError) as caught:
            WebServer(host, port)
        assert caught.value.key == "cannot_listen"


def test_the_port_is_free_afterwards() -> None:
    with running() as server:
        assert get(server)[0] == 200
        port = server.port
    WebServer("127.0.0.1", port).close()


@pytest.mark.parametrize("library", ["starlette", "uvicorn"])
def test_without_the_extra_it_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(CapasError) as caught:
        require_web_libraries("capas archive serve", "archive")
    assert caught.value.key == "extra_missing" and library in str(caught.value)
    assert 'pip install "capas[archive]"' in str(caught.value)


FOREGROUND = """
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router
from capas.web_server.guard import Guard
from capas.web_server.guard_rules import GuardRules
from capas.web_server.server import WebServer
server = WebServer("127.0.0.1", 0)
rules = GuardRules(host="127.0.0.1", port=server.port, token="t")
app = Guard(Router([Route("/", lambda request: PlainTextResponse("here"))]), rules)
server.run(app, ready=lambda address: print(address, flush=True))
print("ended")
"""


def test_it_says_when_it_answers_and_ends_at_ctrl_c() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FOREGROUND], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        port = int(address.rstrip("/").rpartition(":")[2])
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as kept:
            kept.request("GET", "/")
            assert kept.getresponse().read() == b"here"
            os.kill(process.pid, signal.SIGINT)  # with a connection that is kept open
            said, wrong = process.communicate(timeout=10)
    assert (process.returncode, said, wrong) == (0, "ended\n", "")


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """asyncio turns Nagle's algorithm off for sockets whose protocol is named; 40 ms an answer otherwise."""
    with closing(WebServer("127.0.0.1", 0)) as server:
        assert server._socket.proto == socket.IPPROTO_TCP
