"""The page of hits: whole without a network, with every word marked, and nothing from the pages taken for markup."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from PIL import Image

from capas.archive.library.database import Library
from capas.archive.review import record_verdict
from capas.archive.search.hits_page import write_hits_page
from capas.archive.search.search import SearchRequest
from capas.core.i18n import choose_language
from tests.archive.search.test_search import find
from tests.html_pages import HOSTILE, assert_inert


def written(library: Library, path: Path, wanted: SearchRequest) -> str:
    write_hits_page(path, library, wanted, find(library, wanted))
    content = path.read_text(encoding="utf-8")
    HTMLParser().feed(content)
    return content


def test_the_hits_stand_there_with_their_pictures(library: Library, tmp_path: Path) -> None:
    record_verdict(library, 1, "l0", "sepan", "right", "ana")
    content = written(library, tmp_path / "hits.html", SearchRequest(query="sepan", min_probability=0.5))
    (data,) = re.findall(r'href="data:image/jpeg;base64,([^"]+)"', content)
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.width > 2 * picture.height and picture.convert("L").getextrema()[0] < 100  # ink
    left, top, width, height = map(int, re.findall(r'viewBox="([^"]+)"', content)[0].split())
    (points,) = re.findall(r'polygon points="([^"]+)"', content)
    for x, y in (map(float, point.split(",")) for point in points.split()):
        assert left <= x <= left + width and top <= y <= top + height
    assert "Notaries &lt;of&gt; Seville" in content and "1 of 1" in content
    assert "notaries/1606" in content and "sepan cuantos esta carta vieren" in content


def test_it_needs_nothing_from_elsewhere_and_speaks_the_language_in_force(library: Library, tmp_path: Path) -> None:
    choose_language("es")
    content = written(library, tmp_path / "hits.html", SearchRequest(query="c*", min_probability=0.02))
    assert not re.search(r"https?://|<script|src=", content)
    assert '<html lang="es">' in content and "precisión esperada" in content
    assert content.count('role="img" aria-label="«') == content.count('<li class="hit">') == 5


def test_a_reading_is_text_whatever_it_holds(library: Library, tmp_path: Path) -> None:
    content = written(library, tmp_path / "hits.html", SearchRequest(query="çiudad", min_probability=0.02))
    assert "&lt;b&gt;casas" in content and "<b>" not in content


def test_a_page_without_its_picture_is_listed_all_the_same(library: Library, tmp_path: Path) -> None:
    with library.changing() as connection:
        connection.execute("UPDATE pages SET source = '/gone/1.png' WHERE id = 1")
    content = written(library, tmp_path / "hits.html", SearchRequest(query="sepan", min_probability=0.5))
    assert "no longer where it was" in content and "data:image" not in content


def test_nothing_found_is_said(library: Library, tmp_path: Path) -> None:
    assert "Nothing found" in written(library, tmp_path / "hits.html", SearchRequest(query="kilo"))


def test_whatever_a_query_or_a_line_holds_is_text(library: Library, tmp_path: Path) -> None:
    wanted = SearchRequest(query="sepan", min_probability=0.5)
    findings = find(library, wanted)
    odd = replace(
        findings, hits=tuple(replace(hit, row=replace(hit.row, text=HOSTILE, target=None)) for hit in findings.hits)
    )
    write_hits_page(tmp_path / "hits.html", library, replace(wanted, query=HOSTILE, unit=HOSTILE), odd)
    # The query in title and heading, the unit, the reading; which is also what the picture's description says.
    assert_inert((tmp_path / "hits.html").read_text(encoding="utf-8"), texts=4, attributes=1)
