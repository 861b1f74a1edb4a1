"""hOCR: what other programs write is read; written pages read back the same."""

from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.page_formats.hocr import read_hocr
from capas.page_formats.hocr_write import to_hocr
from capas.page_formats.page import Page, ParsedPage
from tests.page_formats.drawn import MADE, written_page

TESSERACT = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head><title></title><meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
  <meta name='ocr-system' content='tesseract 5.3.0' /></head>
 <body>
  <div class='ocr_page' id='page_1' title='image "scans/a;b.png"; bbox 0 0 640 480; ppageno 0; scan_res 70 70'>
   <div class='ocr_carea' id='block_1_1' title="bbox 36 92 582 269">
    <p class='ocr_par' id='par_1_1' lang='spa' title="bbox 36 92 582 269">
     <span class='ocr_line' id='line_1_1' title="bbox 36 92 580 122; baseline 0.05 -3; x_size 30; x_ascenders 6">
      <span class='ocrx_word' id='word_1_1' title='bbox 36 92 96 116; x_wconf 95'>A&ntilde;o</span>
      <span class='ocrx_word' id='word_1_2' title='bbox 109 92 173 122; x_wconf 85'><strong>d&amp;e</strong></span>
      <span class='ocrx_word' id='word_1_3' title='bbox 200 92 210 122; x_wconf 0'> </span>
     </span>
     <span class='ocr_header' id='line_1_2' title="bbox 36 126 36 126">x<br>y
    </p>
   </div>
  </div>
 </body>
</html>"""


def read(tmp_path: Path, content: str | bytes) -> ParsedPage:
    path = tmp_path / "page.hocr"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_hocr(path)


def test_a_written_page_reads_back_the_same(tmp_path: Path) -> None:
    found = read(tmp_path, to_hocr(written_page(), MADE))
    assert (found.page, found.skipped) == (written_page(), ())


def test_a_page_without_anything_reads_back_the_same(tmp_path: Path) -> None:
    empty = Page(width=10, height=20)
    assert read(tmp_path, to_hocr(empty, MADE)).page == empty


def test_a_baseline_for_other_programs_is_straight(tmp_path: Path) -> None:
    text = to_hocr(written_page(), MADE).decode()
    assert "baseline 0.0118 -14.00;" in text
    without = text.replace("data-baseline", "data-other")
    (x0, y0), (x1, y1) = read(tmp_path, without).page.lines[0].baseline
    assert (x0, x1) == (20, 190)
    assert (y0, y1) == (pytest.approx(50, abs=0.1), pytest.approx(52, abs=0.1))


def test_what_made_it_is_written_down() -> None:
    text = to_hocr(written_page(), MADE).decode()
    assert '<meta name="x-model" content="0f3a"' in text


def test_tesseract(tmp_path: Path) -> None:
    found = read(tmp_path, TESSERACT)
    page = found.page
    assert (page.width, page.height, page.image) == (640, 480, "scans/a;b.png")
    line = page.lines[0]
    assert line.text == "Año d&e"
    assert [(word.text, word.confidence) for word in line.words] == [("Año", 0.95), ("d&e", 0.85)]
    assert line.baseline == ((36, pytest.approx(119)), (580, pytest.approx(119 + 0.05 * 544)))
    assert line.region == page.regions[0].id == "block_1_1"
    assert [(one.line, one.reason) for one in found.skipped] == [("line_1_2", "no_points")]


@pytest.mark.parametrize(
    "content, key",
    (
        ("", "page_count"),
        ("<html><p>text</p></html>", "page_count"),
        (TESSERACT.replace("bbox 0 0 640 480", "bbox 0 0 640"), "page_size"),
        (TESSERACT.encode("utf-16"), "xml_encoding"),
        ("<div class='ocr_page' title='bbox 0 0 9 9'></div>" * 2, "page_count"),
    ),
)
def test_a_file_that_is_no_page_is_an_error(tmp_path: Path, content: str | bytes, key: str) -> None:
    with pytest.raises(CapasError) as caught:
        read(tmp_path, content)
    assert caught.value.key == key
