"""TEI: written pages valid and the same when read back; what others point to is found."""

from dataclasses import replace
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.page_formats.page import Page, ParsedPage, scale_page
from capas.page_formats.tei import read_tei
from capas.page_formats.tei_write import to_tei
from tests.page_formats.drawn import MADE, PAGES, written_page
from tests.page_formats.schemas import faults

SCHEMA = "tei_all-4.3.0.rng.gz"
OTHER = """<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader/>
<facsimile><surface ulx="0" uly="0" lrx="500" lry="700"><graphic url="a.jpg"/>
 <zone xml:id="block" ulx="10" uly="10" lrx="490" lry="300" n="text">
  <zone xml:id="z2" points="10,100 490,100 490,150 10,150"/><zone xml:id="z1" ulx="10" uly="10" lrx="490" lry="60"/>
  <zone xml:id="z3" type="line"><path points="10,200 10,200"/></zone>
 </zone></surface></facsimile>
<text><body><p><pb n="1"/>before <lb facs="#z1"/>Yo, <hi>Pedro</hi> de
  Soto <lb facs="#z2"/><lb facs="#nowhere"/>lost</p></body></text></TEI>"""


def read(tmp_path: Path, content: str | bytes) -> ParsedPage:
    path = tmp_path / "page.xml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_tei(path)


def back(page: Page, tmp_path: Path) -> Page:
    found = read(tmp_path, to_tei(page, MADE))
    assert found.skipped == ()
    return found.page


@pytest.mark.slow  # the grammar has a million characters
def test_written_pages_are_valid() -> None:
    for page in PAGES:
        assert faults(to_tei(page, MADE), SCHEMA) == []
    assert faults(b'<TEI xmlns="http://www.tei-c.org/ns/1.0"/>', SCHEMA)


def test_a_written_page_reads_back_the_same(tmp_path: Path) -> None:
    assert back(written_page(), tmp_path) == written_page()


def test_fractions_of_pixels_and_any_order_are_kept(tmp_path: Path) -> None:
    page = scale_page(written_page(), 523, 701)
    mixed = replace(page, lines=tuple(replace(page.lines[i], order=n) for n, i in enumerate((2, 0, 3, 1))))
    assert back(mixed, tmp_path) == mixed


def test_a_page_without_anything_reads_back_the_same(tmp_path: Path) -> None:
    assert back(Page(width=10, height=20), tmp_path) == Page(width=10, height=20)


def test_what_made_it_is_written_down() -> None:
    text = to_tei(written_page(), MADE).decode()
    assert "model=0f3a; epsilon=0.01; temperature=1.2" in text


def test_zones_that_the_text_of_others_points_to(tmp_path: Path) -> None:
    found = read(tmp_path, OTHER)
    page = found.page
    assert [(region.id, region.kind) for region in page.regions] == [("block", "text")]
    assert [(one.id, one.text, one.region) for one in page.lines] == [("z1", "Yo, Pedro de Soto", "block"),
                                                                      ("z2", "", "block")]  # fmt: skip
    assert page.lines[0].baseline == (pytest.approx((10, 50)), pytest.approx((490, 50)))
    assert [(one.line, one.reason) for one in found.skipped] == [("z3", "no_length")]


def test_a_file_that_is_no_page_is_an_error(tmp_path: Path) -> None:
    for text, key in (("<TEI/>", "page_count"), ("<TEI><facsimile><surface/></facsimile></TEI>", "page_size"),
                      ("<teiCorpus/>", "xml_wrong_root")):  # fmt: skip
        with pytest.raises(CapasError) as caught:
            read(tmp_path, text)
        assert caught.value.key == key
