"""The server keeps to what is the archive's and to whom it serves."""

import re
import socket
import subprocess
import sys
from contextlib import closing
from urllib.parse import quote

import pytest

from capas.archive.library.database import Library
from capas.archive.web.routes import ROUTES
from capas.archive.web.server import ArchiveServer, ServerConfig
from capas.core.errors import CapasError
from tests.archive.conftest import served
from tests.archive.web.conftest import ask, hits, say, search
from tests.harness import capas_here


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "127.0.0.1", "", "localhost.evil.example:{port}"]
)
def test_a_foreign_host_gets_nothing(server: ArchiveServer, host: str) -> None:
    for path in ("/", "/api/search?q=casa", "/iiif/image/1/info.json"):
        got = ask(server, path, headers={"Host": host.format(port=server.port)})
        assert (got.status, got.json) == (403, {"error": "foreign_host"})


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}"])
def test_this_computers_names_are_answered(server: ArchiveServer, host: str) -> None:
    assert ask(server, "/", headers={"Host": host.format(port=server.port)}).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_foreign_origin_gets_nothing(server: ArchiveServer, origin: str) -> None:
    content = {"page": 1, "line": "l0", "word": "sepan", "verdict": "right", "reviewer": "Ana"}
    headers = {"Origin": origin, "X-Capas-Token": server.token}
    assert ask(server, "/api/verdict", method="POST", body=content, headers=headers).status == 403
    got = ask(server, "/api/search?q=casa", headers={"Origin": origin})
    assert got.status == 403 and "Access-Control-Allow-Origin" not in got.headers


def test_a_viewer_that_was_let_in_reads_iiif_and_nothing_else(library: Library) -> None:
    with served(library, ServerConfig(port=0, viewer="https://viewer.example")) as server:
        headers = {"Origin": "https://viewer.example"}
        open_, closed = (ask(server, path, headers=headers) for path in ("/iiif/image/1/info.json", "/api/search?q=a"))
    assert open_.headers["Access-Control-Allow-Origin"] == "https://viewer.example"
    assert "Access-Control-Allow-Origin" not in closed.headers


@pytest.mark.parametrize(
    "path",
    [
        "/../archive.sqlite", "/%2e%2e/archive.sqlite", "/page.css/../../library.py", "/archive.sqlite", "/serve.py",
        "/iiif/image/../archive.sqlite", "/iiif/image/1/../../etc/passwd", "/iiif/image/1%2F..%2F2/info.json",
        "/iiif/unit/..%2f..%2fetc/manifest.json", "//etc/passwd", "/iiif/image/-1/info.json", "/page.js\x00.html",
        "/iiif/image/99999999999999999999/info.json", "/iiif/unit/0123456789abcdef/manifest.json/..",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_library(server: ArchiveServer, path: str) -> None:
    got = ask(server, quote(path, safe="/%:"))
    assert (got.status, got.json) == (404, {"error": "not_found"})


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_not_served(server: ArchiveServer, method: str) -> None:
    assert ask(server, "/", method=method).status == 501


def test_what_changes_something_answers_to_posts_alone(server: ArchiveServer) -> None:
    assert {path for method, path, _ in ROUTES if method != "GET"} == {"/api/verdict", "/api/correction"}
    assert ask(server, "/api/verdict").status == ask(server, "/", method="POST", body={}).status == 405


def test_sizes_are_capped(server: ArchiveServer) -> None:
    assert ask(server, "/api/search?q=" + "a" * 501).status == 400
    for more in ("limit=201", "limit=0", "limit=x", "least=nan", "least=1.1", "offset=-1", "within=all"):
        assert ask(server, f"/api/search?q=casa&{more}").json["error"] == "bad_request"
    assert say(server, "/api/verdict", server.token, word="a" * 70_000).status == 413
    assert say(server, "/api/verdict", server.token, word="casa", reviewer="x" * 60_000).status == 400


def test_every_answer_is_hardened(server: ArchiveServer) -> None:
    for path in ("/", "/page.js", "/api/search?q=casa", "/nothing", "/iiif/image/1/full/max/0/default.jpg"):
        headers = ask(server, path).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Python" not in headers["Server"]


def test_a_taken_port_is_the_users_mistake(server: ArchiveServer, library: Library) -> None:
    for serving in (ServerConfig(port=server.port), ServerConfig(host="203.0.113.7", port=0)):
        with pytest.raises(CapasError) as caught:
            ArchiveServer(library, serving)
        assert caught.value.key == "cannot_listen"


def test_a_connection_that_says_nothing_blocks_nobody(server: ArchiveServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)):
        assert ask(server, "/").status == 200


def test_a_server_for_the_network_answers_to_addresses_and_its_own_name_only(library: Library) -> None:
    with closing(ArchiveServer(library, ServerConfig(host="0.0.0.0", port=0))) as server:
        allows, port = server.guard.rules.allows_host, server.port
        assert allows(f"192.168.1.20:{port}") and allows(f"{socket.gethostname()}:{port}")
        assert not allows(f"evil.example:{port}") and not allows("192.168.1.20:1")


def test_a_page_whose_picture_vanished_is_not_found(server: ArchiveServer, library: Library) -> None:
    with library.changing() as connection:
        connection.execute("UPDATE pages SET source = '/gone/1.png' WHERE id = 1")
    got = ask(server, str(hits(search(server, q="sepan", least=0.5))[0]["image"]))
    assert (got.status, got.json["error"]) == (404, "page_unreadable") and b"/gone" not in got.body


def test_methods_that_are_not_served_are_told_so_as_json(server: ArchiveServer) -> None:
    assert ask(server, "/", method="PUT").json == {"error": "not_implemented"}


def test_every_route_takes_its_own_verb_alone(server: ArchiveServer) -> None:
    examples = {"page": "1", "unit": "0" * 16, "region": "full", "size": "max", "version": "2"}
    for verb, pattern, _ in ROUTES:
        path = re.sub(r"\{(\w+):\w+\}", lambda found: examples[found[1]], pattern)
        for other in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            status = ask(server, path, method=other).status
            if other == verb or (other, verb) == ("HEAD", "GET"):
                # Without a token a change is refused; a unit of this name there is not.
                assert status == {"POST": 403}.get(verb, 400 if "unit" in path or path.startswith("/api") else 200)
            else:
                assert status == (405 if other in ("GET", "HEAD", "POST") else 501), (other, path)


def test_a_head_is_the_answer_without_its_body(server: ArchiveServer) -> None:
    whole, head = (ask(server, "/page.js", method=method) for method in ("GET", "HEAD"))
    assert head.body == b"" and head.headers["Content-Length"] == str(len(whole.body))


def test_without_the_extra_serving_says_what_to_install(
    library: Library, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    got = capas_here(capsys, "archive", "serve", library.folder, "--port", "0")
    assert got.code == 2 and 'pip install "capas[archive]"' in got.err


@pytest.mark.parametrize("words", [["--help"], ["archive", "--help"], ["archive", "search", "{archive}", "casa"]])
def test_only_serving_imports_the_web_libraries(library: Library, words: list[str]) -> None:
    code = (
        "import sys; from capas.cli.main import main\n"
        f"sys.argv = ['capas', *{[word.format(archive=library.folder) for word in words]!r}]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'starlette', 'uvicorn', 'anyio', 'h11'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
