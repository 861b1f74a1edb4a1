"""ALTO: versions and habits of programs read, written pages valid and the same when read back."""

from dataclasses import replace
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.page_formats.alto import read_alto
from capas.page_formats.alto_write import to_alto
from capas.page_formats.page import Page, ParsedPage, Region, scale_page
from tests.page_formats.drawn import MADE, PAGES, line, written_page
from tests.page_formats.schemas import faults

SCHEMA = "alto-4-3.xsd"
V2 = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v2#">
 <Description><MeasurementUnit>mm10</MeasurementUnit></Description>
 <Layout><Page ID="P1" PHYSICAL_IMG_NR="1" HEIGHT="2000" WIDTH="1000"><PrintSpace>
  <ComposedBlock ID="C1">
   <TextBlock ID="B1" HPOS="100" VPOS="100" WIDTH="800" HEIGHT="300">
    <TextLine HPOS="100" VPOS="100" WIDTH="700" HEIGHT="50" BASELINE="140">
     <String ID="S1" CONTENT="Diario" HPOS="100" VPOS="100" WIDTH="300" HEIGHT="50" WC="0.9"/><SP/>
     <String ID="S2" CONTENT="Mercan" HPOS="420" VPOS="100" WIDTH="380" HEIGHT="50" WC="0.7"/><HYP CONTENT="-"/>
    </TextLine>
    <TextLine HPOS="100" VPOS="200" WIDTH="600" HEIGHT="50">
     <String CONTENT="til" HPOS="100" VPOS="200" WIDTH="90" HEIGHT="50"/>
     <String CONTENT="de" HPOS="210" VPOS="200" WIDTH="50" HEIGHT="50"/>
    </TextLine>
   </TextBlock>
  </ComposedBlock>
 </PrintSpace></Page></Layout>
</alto>"""


def read(tmp_path: Path, content: str | bytes) -> ParsedPage:
    path = tmp_path / "page.xml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_alto(path)


def with_lines(*lines: str, size: str = 'WIDTH="100" HEIGHT="100"') -> str:
    return (
        f'<alto><Layout><Page {size}><PrintSpace><TextBlock ID="b">{"".join(lines)}</TextBlock></PrintSpace></Page>'
        "</Layout></alto>"
    )


def back(page: Page, tmp_path: Path) -> Page:
    found = read(tmp_path, to_alto(page, MADE))
    assert found.skipped == ()
    return found.page


@pytest.mark.parametrize("page", PAGES)
def test_written_pages_are_valid(page: Page) -> None:
    assert faults(to_alto(page, MADE), SCHEMA) == []


def test_what_is_not_valid_is_found(tmp_path: Path) -> None:
    assert faults(to_alto(written_page(), MADE).replace(b"TextLine", b"Line"), SCHEMA)


def test_a_written_page_reads_back_the_same(tmp_path: Path) -> None:
    assert back(written_page(), tmp_path) == written_page()


def test_fractions_of_pixels_are_kept(tmp_path: Path) -> None:
    page = scale_page(written_page(), 523, 701)
    assert back(page, tmp_path) == page


def test_lines_that_alternate_between_regions_keep_their_order(tmp_path: Path) -> None:
    page = written_page()
    mixed = tuple(replace(page.lines[i], order=n) for n, i in enumerate((2, 0, 3, 1)))
    mixed_page = replace(page, lines=mixed)
    assert back(mixed_page, tmp_path) == mixed_page


def test_a_page_without_anything_reads_back_the_same(tmp_path: Path) -> None:
    empty = Page(width=10, height=20)
    assert back(empty, tmp_path) == empty


def test_names_that_xml_forbids_are_written_as_others(tmp_path: Path) -> None:
    lines = (line(((1, 5), (9, 5)), name="12 a"), line(((1, 8), (9, 8)), name="same", text="x\x00y\ud800"))
    page = Page(width=10, height=10, regions=(Region(id="same"),), lines=lines)
    found = back(page, tmp_path)
    assert [one.id for one in found.lines] == ["_12_a", "same_2"]
    assert found.lines[1].text == "xy"


def test_what_made_it_is_written_down() -> None:
    text = to_alto(written_page(), MADE).decode()
    assert "model=0f3a; epsilon=0.01; temperature=1.2" in text
    assert "<softwareName>Capas</softwareName>" in text


def test_version_2_with_words_and_heights_of_baselines(tmp_path: Path) -> None:
    found = read(tmp_path, V2)
    first, second = found.page.lines
    assert first.baseline == ((100, 140), (800, 140))
    assert first.text == "Diario Mercan-"
    assert [word.text for word in first.words] == ["Diario", "Mercan"]
    assert first.confidence == pytest.approx(0.8)
    assert second.text == "til de"
    assert second.baseline == (pytest.approx((100, 240)), pytest.approx((700, 240)))
    assert (first.order, second.order, found.page.regions[0].id) == (0, 1, "B1")


def test_a_page_in_tenths_of_millimetres_fits_its_picture(tmp_path: Path) -> None:
    page = scale_page(read(tmp_path, V2).page, 500, 1000)
    assert page.lines[0].baseline == ((50, 70), (400, 70))
    assert page.lines[0].words[1].box.left == 210


@pytest.mark.parametrize(
    "attributes, reason",
    (
        ("", "no_points"),
        ('BASELINE="10 10"', "one_point"),
        ('BASELINE="10 10 10 10"', "no_length"),
        ('BASELINE="10 10 900 10"', "off_page"),
        ('BASELINE="10 10 1e300 10"', "off_page"),
        ('BASELINE="10 10 nan 10"', "bad_number"),
        ('BASELINE="10 10 40"', "bad_number"),
        ('BASELINE="ten"', "bad_number"),
        ('BASELINE="10"', "one_point"),
        ('HPOS="5" VPOS="5" WIDTH="0" HEIGHT="10"', "no_points"),
    ),
)
def test_a_degenerate_line_is_told_and_skipped(tmp_path: Path, attributes: str, reason: str) -> None:
    good = '<TextLine ID="good" BASELINE="10 50 90 50"/>'
    found = read(tmp_path, with_lines(f'<TextLine ID="bad" {attributes}/>', good))
    assert [(one.line, one.reason) for one in found.skipped] == [("bad", reason)]
    assert "bad" in found.skipped[0].sentence()
    assert [one.id for one in found.page.lines] == ["good"]


def test_points_a_little_off_the_page_are_moved_onto_it(tmp_path: Path) -> None:
    shape = '<Shape><Polygon POINTS="-3,40 101,40 101,55 -3,55"/></Shape>'
    one = read(tmp_path, with_lines(f'<TextLine BASELINE="-1,50 101,50">{shape}</TextLine>')).page.lines[0]
    assert one.baseline == ((0, 50), (100, 50))
    assert one.polygon == ((0, 40), (100, 40), (100, 55), (0, 55))
    assert one.id == "line_1"


def test_two_lines_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    same = '<TextLine ID="a" BASELINE="10 50 90 50"/>'
    assert [one.id for one in read(tmp_path, with_lines(same, same)).page.lines] == ["a", "a_2"]


def test_lines_that_no_block_holds(tmp_path: Path) -> None:
    text = with_lines('<TextLine ID="a" BASELINE="10 50 90 50"/>').replace('"b"', '"eSc_dummyblock_"')
    page = read(tmp_path, text).page
    assert page.regions == ()
    assert page.lines[0].region == ""


def test_the_size_may_be_that_of_the_print_space(tmp_path: Path) -> None:
    text = with_lines(size="").replace("<PrintSpace>", '<PrintSpace HPOS="10" VPOS="20" WIDTH="80" HEIGHT="60">')
    page = read(tmp_path, text).page
    assert (page.width, page.height) == (90, 80)


@pytest.mark.parametrize(
    "content, key",
    (
        (b"<alto><Layout>", "xml_broken"),
        (b"", "xml_broken"),
        (b"plain text", "xml_broken"),
        ("<alto>año</alto>".encode("latin-1"), "xml_encoding"),
        (b'<?xml version="1.0" encoding="klingon"?><alto/>', "xml_encoding"),
        (b'<!DOCTYPE alto [<!ENTITY a "aaa">]><alto>&a;</alto>', "xml_doctype"),
        (b"<html/>", "xml_wrong_root"),
        (b"<alto/>", "page_count"),
        (b"<alto><Page/><Page/></alto>", "page_count"),
        (b"<alto><Page/></alto>", "page_size"),
        (b'<alto><Page WIDTH="many" HEIGHT="10"/></alto>', "page_size"),
        (b'<alto><Page WIDTH="0" HEIGHT="10"/></alto>', "page_size"),
        (b'<alto><Page WIDTH="1e9" HEIGHT="10"/></alto>', "page_size"),
        (b"<a>" * 500 + b"</a>" * 500, "xml_broken"),
    ),
)
def test_a_file_that_is_no_page_is_an_error(tmp_path: Path, content: bytes, key: str) -> None:
    with pytest.raises(CapasError) as caught:
        read(tmp_path, content)
    assert caught.value.key == key
    assert caught.value.where.endswith("page.xml")


def test_latin_1_that_says_so_is_read(tmp_path: Path) -> None:
    text = with_lines('<TextLine BASELINE="1 5 9 5"><String CONTENT="año"/></TextLine>')
    found = read(tmp_path, b'<?xml version="1.0" encoding="ISO-8859-1"?>' + text.encode("latin-1"))
    assert found.page.text == "año"


def test_a_file_that_is_missing_or_huge_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CapasError) as caught:
        read_alto(tmp_path / "none.xml")
    assert caught.value.key == "unreadable"
    monkeypatch.setattr("capas.page_formats.xml.MAX_BYTES", 10)
    with pytest.raises(CapasError) as caught:
        read(tmp_path, V2)
    assert caught.value.key == "xml_too_large"


def test_a_text_has_single_blanks(tmp_path: Path) -> None:
    one = '<TextLine BASELINE="1 5 9 5"><String CONTENT="  Yo  el&#9;rey "/></TextLine>'
    assert read(tmp_path, with_lines(one)).page.lines[0].text == "Yo el rey"
