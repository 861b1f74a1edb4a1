"""PAGE XML: versions and habits of programs read, written pages valid and the same when read back."""

from dataclasses import replace
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.page_formats.page import Page, ParsedPage
from capas.page_formats.pagexml import read_pagexml
from capas.page_formats.pagexml_write import to_pagexml
from tests.page_formats.drawn import MADE, PAGES, line, written_page
from tests.page_formats.schemas import faults

SCHEMA = "page-2019.xsd"
TRANSKRIBUS = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<pc:PcGts xmlns:pc="http://schema.primaresearch.org/PAGE/gts/pagecontent/2013-07-15">
 <pc:Page imageFilename="0001.jpg" imageWidth="1000" imageHeight="800">
  <pc:ReadingOrder><pc:OrderedGroup id="ro"><pc:RegionRefIndexed index="1" regionRef="first"/>
   <pc:OrderedGroupIndexed id="g" index="0"><pc:RegionRefIndexed index="0" regionRef="second"/>
   </pc:OrderedGroupIndexed></pc:OrderedGroup></pc:ReadingOrder>
  <pc:TextRegion id="first" custom="readingOrder {index:1;} structure {type:heading;}">
   <pc:Coords points="10,10 900,10 900,300 10,300"/>
   <pc:TextLine id="a" custom="readingOrder {index:1;}"><pc:Coords points="10,50 500,50 500,90 10,90"/>
    <pc:Baseline points="10,80 500,80"/>
    <pc:TextEquiv index="1"><pc:Unicode>worse</pc:Unicode></pc:TextEquiv>
    <pc:TextEquiv index="0" conf="0.9"><pc:Unicode>better</pc:Unicode></pc:TextEquiv></pc:TextLine>
   <pc:TextLine id="b" custom="readingOrder {index:0;}"><pc:Coords points="10,10 500,10 500,50 10,50"/>
    <pc:Word id="w1"><pc:Coords points="10,10 100,10 100,50 10,50"/>
     <pc:TextEquiv><pc:Unicode>Yo</pc:Unicode></pc:TextEquiv></pc:Word>
    <pc:Word id="w2"><pc:Coords points="120,10 300,10 300,50 120,50"/>
     <pc:TextEquiv><pc:Unicode>el</pc:Unicode></pc:TextEquiv></pc:Word></pc:TextLine>
   <pc:TextRegion id="inner" type="drop-capital"><pc:Coords points="10,10 40,10 40,40 10,40"/></pc:TextRegion>
  </pc:TextRegion>
  <pc:TextRegion id="second" type="marginalia"><pc:Coords points="10,400 900,400 900,700 10,700"/>
   <pc:TextLine id="c"><pc:Coords points="10,400 500,400 500,450 10,450"/><pc:Baseline points="10,440 500,440"/>
   </pc:TextLine></pc:TextRegion>
  <pc:GraphicRegion id="seal"><pc:Coords points="1,1 2,2 3,1"/></pc:GraphicRegion>
 </pc:Page>
</pc:PcGts>"""


def read(tmp_path: Path, content: str | bytes) -> ParsedPage:
    path = tmp_path / "page.xml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_pagexml(path)


def back(page: Page, tmp_path: Path) -> Page:
    found = read(tmp_path, to_pagexml(page, MADE))
    assert found.skipped == ()
    return found.page


@pytest.mark.parametrize("page", PAGES)
def test_written_pages_are_valid(page: Page) -> None:
    assert faults(to_pagexml(page, MADE), SCHEMA) == []


def test_what_is_not_valid_is_found(tmp_path: Path) -> None:
    assert faults(to_pagexml(written_page(), MADE).replace(b"TextLine", b"Line"), SCHEMA)


def test_a_written_page_reads_back_the_same(tmp_path: Path) -> None:
    assert back(written_page(), tmp_path) == written_page()


def test_the_order_of_the_regions_is_kept(tmp_path: Path) -> None:
    page = written_page()
    lines = tuple(replace(page.lines[i], order=n) for n, i in enumerate((3, 2, 0, 1)))
    mixed = replace(page, lines=lines)
    assert back(mixed, tmp_path) == mixed


def test_a_line_without_an_outline_stays_without(tmp_path: Path) -> None:
    page = Page(width=10, height=10, lines=(line(((0, 5), (4, 6), (9, 5)), name="a"),))
    assert back(page, tmp_path).lines[0].polygon == ()


def test_coordinates_are_rounded_to_pixels_of_the_page(tmp_path: Path) -> None:
    page = Page(width=10, height=10, lines=(line(((-0.4, 5.4), (9.6, 5.6)), name="a"),))
    assert back(page, tmp_path).lines[0].baseline == ((0, 5), (10, 6))


def test_a_page_without_anything_reads_back_the_same(tmp_path: Path) -> None:
    empty = Page(width=10, height=20)
    assert back(empty, tmp_path) == empty


def test_what_made_it_is_written_down() -> None:
    text = to_pagexml(written_page(), MADE).decode()
    assert '<Label type="model" value="0f3a"' in text
    assert "<Creator>Capas</Creator>" in text


def test_transkribus_habits(tmp_path: Path) -> None:
    page = read(tmp_path, TRANSKRIBUS).page
    assert [(region.id, region.kind) for region in page.regions] == [
        ("first", "heading"), ("inner", "drop-capital"), ("second", "marginalia"),
    ]  # fmt: skip
    assert [(one.id, one.text) for one in page.lines] == [("c", ""), ("b", "Yo el"), ("a", "better")]
    assert page.lines[2].confidence == 0.9
    assert [word.id for word in page.lines[1].words] == ["w1", "w2"]
    assert page.image == "0001.jpg"


def test_a_line_without_a_baseline_gets_one_from_its_outline(tmp_path: Path) -> None:
    level = read(tmp_path, TRANSKRIBUS).page.lines[1]
    (x0, y0), (x1, y1) = level.baseline
    assert (x0, x1) == (10, 500)
    assert y0 == pytest.approx(42) == pytest.approx(y1)
    skewed = TRANSKRIBUS.replace("10,10 500,10 500,50 10,50", "10,10 500,59 500,99 10,50")
    (_, y0), (_, y1) = read(tmp_path, skewed).page.lines[1].baseline
    assert (y0, y1) == (pytest.approx(42), pytest.approx(91))


def test_points_as_elements(tmp_path: Path) -> None:
    """PAGE before 2013."""
    old = TRANSKRIBUS.replace(
        '<pc:Baseline points="10,440 500,440"/>',
        '<pc:Baseline><pc:Point x="10" y="440"/><pc:Point x="500" y="441"/></pc:Baseline>',
    )
    assert read(tmp_path, old).page.lines[0].baseline == ((10, 440), (500, 441))


@pytest.mark.parametrize(
    "baseline, reason",
    (("", "no_points"), ("10,10", "one_point"), ("10,10 10,10", "no_length"),
     ("10,10 10.4,10.3", "no_length"), ("-5,10 -1,10", "no_length"), ("10,10 9999,10", "off_page"),
     ("10,10 20", "bad_number")),
)  # fmt: skip
def test_a_degenerate_line_is_told_and_skipped(tmp_path: Path, baseline: str, reason: str) -> None:
    bad = f'<pc:TextLine id="bad"><pc:Coords points="1,1"/><pc:Baseline points="{baseline}"/></pc:TextLine>'
    found = read(tmp_path, TRANSKRIBUS.replace('<pc:TextLine id="c"', f'{bad}<pc:TextLine id="c"'))
    assert [(one.line, one.reason) for one in found.skipped] == [("bad", reason)]
    assert len(found.page.lines) == 3


def test_two_pages_in_a_file_or_no_size_are_errors(tmp_path: Path) -> None:
    for text, key in (("<PcGts/>", "page_count"), ('<PcGts><Page imageWidth="5"/></PcGts>', "page_size")):
        with pytest.raises(CapasError) as caught:
            read(tmp_path, text)
        assert caught.value.key == key


def test_lines_of_tables_and_of_no_region_are_read(tmp_path: Path) -> None:
    def one(name: str, y: int) -> str:
        return f'<TextLine id="{name}"><Baseline points="10,{y} 90,{y}"/></TextLine>'

    page = read(
        tmp_path,
        '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2013-07-15">'
        '<Page imageFilename="p.png" imageWidth="100" imageHeight="200">'
        f'<TableRegion id="t"><Coords points="0,0 100,0 100,99 0,99"/><TableCell id="c1">{one("l1", 20)}{one("l2", 40)}'
        f'</TableCell><TableCell id="c2">{one("l3", 60)}</TableCell></TableRegion>'
        f'<TextRegion id="r">{one("l4", 120)}</TextRegion><UnknownRegion id="u">{one("l5", 150)}</UnknownRegion>'
        "</Page></PcGts>",
    ).page
    assert [(line.id, line.region) for line in page.lines] == [
        ("l1", "c1"), ("l2", "c1"), ("l3", "c2"), ("l4", "r"), ("l5", ""),
    ]  # fmt: skip
