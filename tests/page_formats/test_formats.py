"""Which standard a file is in."""

from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.page_formats.formats import READERS, WRITERS, is_page_file, read_page, root_element_name
from tests.page_formats.drawn import MADE, written_page


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_in_any_standard_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_bytes(WRITERS[name](written_page(), MADE))
    assert read_page(path).page == written_page()
    assert is_page_file(path) == (name in ("alto", "page"))


@pytest.mark.parametrize(
    "content, root",
    (
        (b"<?xml version='1.0'?><!-- <alto> --><x:PcGts xmlns:x='u'/>", "PcGts"),
        ("<?xml version='1.0' encoding='utf-16'?><alto/>".encode("utf-16"), "alto"),
        (b"\xef\xbb\xbf<TEI>", "TEI"),
        (b"<!DOCTYPE html PUBLIC 'a'><html>", "html"),
        (b"<!-- never closed <alto>", ""),
        (b"plain", ""),
        (b"", ""),
    ),
)
def test_the_first_element_tells_it(content: bytes, root: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert root_element_name(path) == root
    assert is_page_file(path) == (root in ("alto", "PcGts"))


def test_another_root_or_no_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<mets/>", encoding="utf-8")
    for where, received in ((path, "mets"), (tmp_path / "none.xml", "none.xml")):
        with pytest.raises(CapasError) as caught:
            read_page(where)
        assert (caught.value.key, caught.value.received) == ("xml_wrong_root", received)
        assert set(caught.value.values["roots"].split(", ")) == set(READERS)
