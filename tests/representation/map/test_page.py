"""The page of a map: what it holds, that nothing of a stranger's acts in it, and that it asks for nothing."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from capas.core.errors import CapasError
from capas.core.i18n import choose_language
from capas.representation.map import page as page_module
from capas.representation.map.make_map import RepresentationMap, check_page_path, make_map, write_map_page
from capas.representation.map.page import PAGE_WORDS
from tests.html_pages import HOSTILE, parsed
from tests.representation.map.made_vectors import grouped, vectors_of

HERE = Path(page_module.__file__).parent
COUNT = 12
COLUMNS = {"class": [HOSTILE, "b"] * 6, "age": [f"{i}.5" for i in range(COUNT)], HOSTILE: ["x"] * COUNT}
NAMES = [HOSTILE, "\udcff.png", *(f"{i}.png" for i in range(2, COUNT))]
VECTORS = vectors_of(grouped(COUNT), COLUMNS, names=NAMES)


@pytest.fixture(scope="module")
def found() -> RepresentationMap:
    return make_map(VECTORS, method="pca")


@pytest.fixture
def html(found: RepresentationMap, tmp_path: Path) -> str:
    write_map_page(tmp_path / "map.html", found)
    return (tmp_path / "map.html").read_text(encoding="utf-8")


def block(html: str, name: str) -> bytes:
    match = re.search(rf'<script type="text/plain" id="block-{name}">([^<]*)</script>', html)
    assert match is not None
    return gzip.decompress(base64.b64decode(match[1]))


def test_positions_names_and_columns_are_in_it(html: str, found: RepresentationMap) -> None:
    positions = np.frombuffer(block(html, "positions"), "<f4").reshape(-1, 2)
    np.testing.assert_array_equal(positions, found.positions)
    items = json.loads(block(html, "items"))
    assert items["names"] == [item.name for item in VECTORS.items]
    classes, age, other = items["columns"]
    codes = np.frombuffer(block(html, "column-0"), "<u2")
    assert [classes["categories"][code] for code in codes] == VECTORS.column("class")
    np.testing.assert_array_equal(np.frombuffer(block(html, "column-1"), "<f4"), np.arange(COUNT) + 0.5)
    assert (age["kind"], other["name"]) == ("number", HOSTILE)


def test_nothing_of_a_stranger_acts_in_it(html: str) -> None:
    page = parsed(html)
    assert "alert(1)" not in html.replace(HOSTILE, "")
    kinds = [value for name, value in page.attributes if name == "type" and value != "button"]
    assert page.tags.count("script") == 1 + kinds.count("text/plain") + kinds.count("application/json")
    assert not {name for name, _ in page.attributes if name.startswith("on")}
    # The script writes names as text, never as HTML.
    script = (HERE / "page.js").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function", script)


def test_its_policy_allows_its_own_script_and_style_alone(html: str) -> None:
    [policy] = [value for name, value in parsed(html).attributes if name == "content" and "default-src" in value]
    assert (
        "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy and "connect" not in policy
    )
    for tag in ("style", "script"):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        hashed = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{hashed}'" in policy
    assert not {name for name, value in parsed(html).attributes if name in ("src", "href", "srcset")}


def test_its_words_are_those_that_it_uses_in_both_languages(html: str) -> None:
    script, template = ((HERE / name).read_text(encoding="utf-8") for name in ("page.js", "page.html"))
    said = set(re.findall(r'say\("(\w+)"', script)) | set(
        re.findall(r'data-(?:word|label|placeholder)="(\w+)"', template)
    )
    said |= {word for word in PAGE_WORDS if f'"{word}"' in script}
    said = {word for word in said if word != "points_"} | {word for word in PAGE_WORDS if word.startswith("points_")}
    assert said - {"cells"} == set(PAGE_WORDS)
    [facts] = re.findall(r'id="facts">(.*?)</script>', html, re.DOTALL)
    words = json.loads(facts)["words"]
    assert words["es"]["hits"] == "{n} encontrados" and words["en"]["hits"] == "{n} found"


def test_it_opens_in_the_language_in_force(found: RepresentationMap, tmp_path: Path) -> None:
    choose_language("es")
    write_map_page(tmp_path / "mapa.html", found)
    assert '<html lang="es">' in (tmp_path / "mapa.html").read_text(encoding="utf-8")


def test_the_same_seed_writes_the_same_page(html: str, tmp_path: Path) -> None:
    write_map_page(tmp_path / "again.html", make_map(VECTORS, method="pca"))
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == html


def test_only_an_earlier_map_is_replaced(found: RepresentationMap, tmp_path: Path) -> None:
    earlier, photo = tmp_path / "map.html", tmp_path / "photo.html"
    write_map_page(earlier, found)
    photo.write_text("<html>mine</html>")
    check_page_path(earlier)
    check_page_path(tmp_path / "new" / "map.html")
    for path, key in ((photo, "output_not_ours"), (tmp_path, "cannot_write")):
        with pytest.raises(CapasError) as refused:
            check_page_path(path)
        assert refused.value.key == key


def test_vectors_that_are_no_numbers_are_refused() -> None:
    matrix = grouped(COUNT)
    matrix[3, 0] = np.nan
    with pytest.raises(CapasError) as refused:
        make_map(vectors_of(matrix), method="pca")
    assert refused.value.key == "vectors_not_finite"


def test_beside_another_method_pca_is_measured_too() -> None:
    found = make_map(vectors_of(grouped(30)), method="tsne")
    tree = found.as_json()
    assert tree["method"] == "tsne" and tree["pca"] is not None and tree["colour"] == "class"
    assert make_map(vectors_of(grouped(30)), method="pca").as_json()["pca"] is None
