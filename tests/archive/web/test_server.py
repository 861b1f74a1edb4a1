"""The server: it searches, shows and keeps."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from capas.archive.library.database import Library
from capas.archive.review import reviews
from capas.archive.web.search_page import search_page_html
from capas.archive.web.server import ArchiveServer, ServerConfig
from tests.archive.conftest import HEIGHT, WIDTH, served
from tests.archive.web.conftest import ask, hits, say, search
from tests.html_pages import HOSTILE, assert_inert

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


def test_whatever_a_title_or_a_token_holds_is_text(tmp_path: Path) -> None:
    page = search_page_html(Library.create(tmp_path / "new", HOSTILE), token="</script>" + HOSTILE, read_only=False)
    # In title and heading; the two scripts are the page's own, and its facts are one JSON value.
    assert_inert(page, texts=2, scripts=2)
    (facts,) = re.findall(r'<script type="application/json" id="facts">(.*?)</script>', page)
    assert json.loads(facts)["token"] == "</script>" + HOSTILE


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
    token = server.token
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
        ({"word": None}, 400, "bad_request"),
        ({"word": ["sepan"]}, 400, "bad_request"),
        ({"reviewer": {}}, 400, "bad_request"),
        ({"page": True}, 400, "bad_request"),
        ({"word": "\ud800"}, 400, "text_not_utf8"),
        ({"line": "\ud800"}, 400, "text_not_utf8"),
        ({"reviewer": "\udfff"}, 400, "text_not_utf8"),
    ],
)
def test_what_cannot_be_kept_is_refused(
    server: ArchiveServer, library: Library, content: dict[str, object], status: int, error: str
) -> None:
    whole = {"page": 1, "line": "l0", "word": "sepan", "verdict": "right", "reviewer": "Ana", **content}
    got = say(server, "/api/verdict", server.token, **whole)
    assert (got.status, got.json["error"]) == (status, error) and reviews(library) == []


def test_a_long_line_is_refused(server: ArchiveServer) -> None:
    got = say(server, "/api/correction", server.token, page=1, line="l0", text="a" * 2001, seen="", reviewer="Ana")
    assert got.json["error"] == "line_too_long"


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_without_the_pages_token_nothing_is_kept(server: ArchiveServer, library: Library, token: str) -> None:
    content = {"page": 1, "line": "l0", "word": "sepan", "verdict": "right", "reviewer": "Ana"}
    got = say(server, "/api/verdict", token, **content)
    assert (got.status, got.json["error"]) == (403, "page_outdated") and reviews(library) == []


def test_read_only_keeps_nothing_and_gives_no_token(library: Library) -> None:
    with served(library, ServerConfig(port=0, read_only=True)) as server:
        content = {"page": 1, "line": "l0", "word": "sepan", "verdict": "right", "reviewer": "Ana"}
        got = say(server, "/api/verdict", server.token, **content)
        assert (got.status, got.json["error"]) == (403, "archive_read_only") and reviews(library) == []
        assert server.token.encode() not in ask(server, "/").body
