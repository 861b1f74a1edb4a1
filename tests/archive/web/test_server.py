"""The server: it searches, shows and keeps; and it keeps to what is the archive's and to whom it serves."""

import csv
import http.client
import io
import json
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from PIL import Image

from capas.archive.library.database import Library
from capas.archive.review import reviews
from capas.archive.web.routes import ROUTES
from capas.archive.web.search_page import search_page_html
from capas.archive.web.server import ArchiveServer, ServerConfig
from capas.core.errors import CapasError
from tests.archive.conftest import HEIGHT, WIDTH, served


@dataclass(frozen=True, kw_only=True, slots=True)
class Got:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


def ask(
    server: ArchiveServer,
    path: str,
    *,
    method: str = "GET",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Got:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    content = None if body is None else json.dumps(body).encode()
    connection.request(method, path, content, dict(headers or {}))
    answer = connection.getresponse()
    got = Got(status=answer.status, headers=dict(answer.getheaders()), body=answer.read())
    connection.close()
    return got


def search(server: ArchiveServer, **params: object) -> dict[str, object]:
    got = ask(server, f"/api/search?{urlencode(params)}")
    assert got.status == 200, got.body
    return got.json


def hits(answer: Mapping[str, object]) -> list[dict[str, object]]:
    found = answer["found"]
    assert isinstance(found, list)
    return found


@pytest.fixture
def server(library: Library) -> Iterator[ArchiveServer]:
    with served(library, ServerConfig(port=0)) as one:
        yield one


def say(server: ArchiveServer, path: str, token: str, **content: object) -> Got:
    return ask(server, path, method="POST", body=content, headers={"X-Capas-Token": token})


# Searching


def test_hits_come_with_their_place_and_picture(server: ArchiveServer) -> None:
    answer = search(server, q="sepan", least=0.5)
    (hit,) = hits(answer)
    assert (hit["page"], hit["line"], hit["unit"], answer["hits"]) == (1, "l0", "notaries/1606", 1)
    assert [one["name"] for one in answer["figures"]] == ["hit", "right, expected", "precision, expected"]  # type: ignore[attr-defined]
    picture = ask(server, str(hit["image"]))
    image = Image.open(io.BytesIO(picture.body))
    left, top, width, height = hit["box"]  # type: ignore[misc]
    assert picture.headers["Content-Type"] == "image/jpeg" and image.size == (width, height)
    assert left >= 0 and left + width <= WIDTH and top >= 0 and top + height <= HEIGHT


def test_pages_of_hits_join_up_and_facets_stay(server: ArchiveServer) -> None:
    everything = search(server, q="c*", least=0.02, limit=200)
    first, second = (search(server, q="c*", least=0.02, limit=3, offset=offset) for offset in (0, 3))
    assert hits(first) + hits(second) == hits(everything)[:6]
    one_unit = search(server, q="c*", least=0.02, unit="notaries/1607")
    assert one_unit["units"] == everything["units"] and one_unit["hits"] < everything["hits"]  # type: ignore[operator]


def test_it_speaks_the_language_asked_for_else_the_browsers(server: ArchiveServer) -> None:
    spanish = {"Accept-Language": "fr;q=0.9, es-MX, en;q=0.5"}
    assert b'<html lang="es">' in ask(server, "/", headers=spanish).body
    assert b'<html lang="en">' in ask(server, "/?lang=en", headers=spanish).body
    assert b'<html lang="en">' in ask(server, "/").body
    error = ask(server, "/api/search?q=(casa&lang=es")
    assert error.status == 400 and error.json["error"] == "query_wrong" and "par" in str(error.json["what"])


def test_the_page_holds_a_title_as_text(server: ArchiveServer) -> None:
    body = ask(server, "/").body.decode()
    assert "Notaries &lt;of&gt; Seville" in body and "{{" not in body and "<of>" not in body


def test_the_page_of_an_archive_without_anything_to_search_says_what_to_do(library: Library, tmp_path: Path) -> None:
    shown = {"read": search_page_html(library, token="", read_only=False)}
    shown["empty"] = search_page_html(Library.create(tmp_path / "new", "New"), token="", read_only=False)
    notes = {name: re.findall(r'<p class="hint-note" (hidden|)>(.*?)</p>', html) for name, html in shown.items()}
    assert notes["read"][0][0] == "hidden" and notes["empty"][0][0] == ""
    assert "capas archive add" in notes["empty"][0][1]


def test_all_hits_are_a_table_that_does_not_say_where_files_lie(server: ArchiveServer, library: Library) -> None:
    got = ask(server, "/api/hits.csv?q=c*&least=0.02&limit=1")
    rows = list(csv.DictReader(io.StringIO(got.body.decode("utf-8-sig"))))
    assert len(rows) == search(server, q="c*", least=0.02)["hits"]
    assert {row["file"] for row in rows} == {"fol_1.png", "fol_2.png"}
    assert str(Path(library.page(1).source).parent).encode() not in got.body + ask(server, "/api/search?q=casa").body


# Reviewing


def test_verdicts_and_corrections_are_kept_with_the_name(server: ArchiveServer, library: Library) -> None:
    token = server.site.token
    assert (
        say(server, "/api/verdict", token, page=1, line="l0", word="sepan", verdict="right", reviewer="Ana").status
        == 200
    )
    (hit,) = hits(search(server, q="sepan", least=0.5))
    assert hit["verdict"] == "right" and [one.reviewer for one in reviews(library)] == ["Ana"]
    seen = str(hit["text"])
    kept = say(server, "/api/correction", token, page=1, line="l0", text=" Sepan  quantos ", seen=seen, reviewer="Ana")
    assert kept.json == {"text": "Sepan quantos"} and library.lines(1)[0].target == "Sepan quantos"
    late = say(server, "/api/correction", token, page=1, line="l0", text="otra", seen=seen, reviewer="Eva")
    assert late.status == 409 and "Sepan quantos" in str(late.json["what"])
    assert library.lines(1)[0].target == "Sepan quantos"


@pytest.mark.parametrize(
    ("content", "status", "error"),
    [
        ({"reviewer": ""}, 400, "no_reviewer"),
        ({"verdict": "maybe"}, 400, "wrong_verdict"),
        ({"page": "1; DROP TABLE"}, 400, "bad_request"),
        ({"page": 99}, 404, "no_such_line"),
        ({"line": "l9"}, 404, "no_such_line"),
    ],
)
def test_what_cannot_be_kept_is_refused(
    server: ArchiveServer, library: Library, content: dict[str, object], status: int, error: str
) -> None:
    whole = {"page": 1, "line": "l0", "word": "sepan", "verdict": "right", "reviewer": "Ana", **content}
    got = say(server, "/api/verdict", server.site.token, **whole)
    assert (got.status, got.json["error"]) == (status, error) and reviews(library) == []


def test_a_long_line_is_refused(server: ArchiveServer) -> None:
    got = say(server, "/api/correction", server.site.token, page=1, line="l0", text="a" * 2001, seen="", reviewer="Ana")
    assert got.json["error"] == "line_too_long"


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_without_the_pages_token_nothing_is_kept(server: ArchiveServer, library: Library, token: str) -> None:
    content = {"page": 1, "line": "l0", "word": "sepan", "verdict": "right", "reviewer": "Ana"}
    got = say(server, "/api/verdict", token, **content)
    assert (got.status, got.json["error"]) == (403, "page_outdated") and reviews(library) == []


def test_read_only_keeps_nothing_and_gives_no_token(library: Library) -> None:
    with served(library, ServerConfig(port=0, read_only=True)) as server:
        content = {"page": 1, "line": "l0", "word": "sepan", "verdict": "right", "reviewer": "Ana"}
        got = say(server, "/api/verdict", server.site.token, **content)
        assert (got.status, got.json["error"]) == (403, "archive_read_only") and reviews(library) == []
        assert server.site.token.encode() not in ask(server, "/").body


# Safety


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "127.0.0.1", "", "localhost.evil.example:{port}"]
)
def test_a_foreign_host_gets_nothing(server: ArchiveServer, host: str) -> None:
    for path in ("/", "/api/search?q=casa", "/iiif/image/1/info.json"):
        got = ask(server, path, headers={"Host": host.format(port=server.server_port)})
        assert (got.status, got.json) == (403, {"error": "foreign_host"})


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}"])
def test_this_computers_names_are_answered(server: ArchiveServer, host: str) -> None:
    assert ask(server, "/", headers={"Host": host.format(port=server.server_port)}).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_foreign_origin_gets_nothing(server: ArchiveServer, origin: str) -> None:
    content = {"page": 1, "line": "l0", "word": "sepan", "verdict": "right", "reviewer": "Ana"}
    headers = {"Origin": origin, "X-Capas-Token": server.site.token}
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
    assert {pattern.pattern for method, pattern, _ in ROUTES if method != "GET"} == {"/api/verdict", "/api/correction"}
    assert ask(server, "/api/verdict").status == ask(server, "/", method="POST", body={}).status == 405


def test_sizes_are_capped(server: ArchiveServer) -> None:
    assert ask(server, "/api/search?q=" + "a" * 501).status == 400
    for more in ("limit=201", "limit=0", "limit=x", "least=nan", "least=1.1", "offset=-1", "within=all"):
        assert ask(server, f"/api/search?q=casa&{more}").json["error"] == "bad_request"
    assert say(server, "/api/verdict", server.site.token, word="a" * 70_000).status == 413
    assert say(server, "/api/verdict", server.site.token, word="casa", reviewer="x" * 60_000).status == 400


def test_every_answer_is_hardened(server: ArchiveServer) -> None:
    for path in ("/", "/page.js", "/api/search?q=casa", "/nothing", "/iiif/image/1/full/max/0/default.jpg"):
        headers = ask(server, path).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Python" not in headers["Server"]


def test_a_taken_port_is_the_users_mistake(server: ArchiveServer, library: Library) -> None:
    for serving in (ServerConfig(port=server.server_port), ServerConfig(host="203.0.113.7", port=0)):
        with pytest.raises(CapasError) as caught:
            ArchiveServer(library, serving)
        assert caught.value.key == "cannot_listen"


def test_a_connection_that_says_nothing_blocks_nobody(server: ArchiveServer) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port)):
        assert ask(server, "/").status == 200


def test_a_server_for_the_network_answers_to_addresses_and_its_own_name_only(library: Library) -> None:
    with ArchiveServer(library, ServerConfig(host="0.0.0.0", port=0)) as server:
        port = server.server_port
        assert server.answers_to(f"192.168.1.20:{port}") and server.answers_to(f"{socket.gethostname()}:{port}")
        assert not server.answers_to(f"evil.example:{port}") and not server.answers_to("192.168.1.20:1")


def test_a_page_whose_picture_vanished_is_not_found(server: ArchiveServer, library: Library) -> None:
    with library.changing() as connection:
        connection.execute("UPDATE pages SET source = '/gone/1.png' WHERE id = 1")
    got = ask(server, str(hits(search(server, q="sepan", least=0.5))[0]["image"]))
    assert (got.status, got.json["error"]) == (404, "page_unreadable") and b"/gone" not in got.body
