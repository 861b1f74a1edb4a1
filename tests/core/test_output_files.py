"""What may be replaced by an output, and what is left alone."""

from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.core.output_files import check_output, marked_output
from capas.data.tabular.write import CsvFormat, OutputColumn, table_output, write_table

PAGE = marked_output((".html", ".htm"), "made by us")
TABLE = table_output(("rank", "name"), ("puesto", "nombre"))


def refused(path: Path) -> str | None:
    try:
        check_output(path, PAGE if path.suffix == ".html" else TABLE, "-o")
    except CapasError as error:
        return error.key
    return None


def test_a_free_place_is_taken_and_nothing_is_left_there(tmp_path: Path) -> None:
    assert refused(tmp_path / "new" / "page.html") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a" * 249 + ".html", f"{'b' * 260}/page.html", "file/page.html", "folder.html"])
def test_a_place_that_cannot_be_written_is_found_before(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.html").mkdir()
    assert refused(tmp_path / name) == "cannot_write"


def test_only_a_page_of_ours_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    for content, key in (("<html>made by us</html>", None), ("<html/>", "output_not_ours"), ("", "output_not_ours")):
        path.write_text(content)
        assert refused(path) == key
    path.unlink()
    path.symlink_to(tmp_path / "gone")
    assert refused(path) == "output_not_ours"


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.xlsx"])
@pytest.mark.parametrize("form", ["standard", "excel-es"])
@pytest.mark.parametrize("rows", [0, 2])
def test_a_table_is_known_by_its_head_in_every_form(tmp_path: Path, name: str, form: CsvFormat, rows: int) -> None:
    for columns, key in ((("puesto", "nombre", "más"), None), (("name", "rank"), "output_not_ours")):
        cells = [OutputColumn(name=column, cells=["x"] * rows) for column in columns]
        write_table(tmp_path / name, cells, form)
        assert refused(tmp_path / name) == key


@pytest.mark.parametrize("name", ["t", "t.txt", "t.foo"])
def test_an_ending_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    assert refused(tmp_path / name) == "output_suffix"
