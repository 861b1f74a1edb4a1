"""What a user does wrong, or a disk, or a colleague: said in a line each, and nothing that was kept is lost."""

import shutil
import sqlite3
import struct
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from capas.archive.library.adding import AddedPages, add_pages_from
from capas.archive.library.database import FILE, Library
from capas.archive.library.scans import MAX_PIXELS, decode_page
from capas.archive.search.snippets import Crop, PageImages
from capas.core.databases import database_error
from capas.core.errors import CapasError
from tests.archive.conftest import draw
from tests.harness import capas_here

ALTO = (
    '<alto><Layout><Page WIDTH="{width}" HEIGHT="420"><PrintSpace><TextBlock ID="b"><TextLine ID="l" '
    'BASELINE="60 150 840 150"><String CONTENT="casa"/></TextLine></TextBlock></PrintSpace></Page></Layout></alto>'
)
BOMB = '<!DOCTYPE x [<!ENTITY a "ha">]><alto>&a;</alto>'


@pytest.fixture
def empty(tmp_path: Path) -> Library:
    return Library.create(tmp_path / "archive", "")


def added(library: Library, *paths: Path) -> AddedPages:
    return add_pages_from(library, paths, "", fetch=False, progress=lambda done, of: None)


def huge_png(path: Path) -> None:
    """A PNG whose header promises 50,000 × 50,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_each_bad_picture_is_listed_with_its_reason(empty: Library, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    draw(folder / "good.png", ("casa",))
    huge_png(folder / "huge.png")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.tif").write_text("no picture")
    result = added(empty, folder)
    reasons = {Path(file).name: what for file, what in result.bad}
    assert result.new == 1 and reasons.keys() == {"huge.png", "empty.jpg", "text.tif"}
    assert "2500000000 pixels" in reasons["huge.png"] and "is empty" in reasons["empty.jpg"]
    assert "not a picture or PDF" in reasons["text.tif"]


def test_a_picture_as_large_as_allowed_is_not_refused_by_pillow() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None and MAX_PIXELS < 2 * Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    ("xml", "reason"),
    [(ALTO.format(width=900)[:80], "not well-formed"), (BOMB, "document type"), (ALTO.format(width=1800), "shape")],
)
def test_a_page_with_a_useless_transcript_is_a_page_without(
    empty: Library, tmp_path: Path, xml: str, reason: str
) -> None:
    draw(tmp_path / "in" / "f.png", ("casa",))
    (tmp_path / "in" / "f.xml").write_text(xml)
    result = added(empty, tmp_path / "in")
    assert (result.new, result.transcripts, len(result.bad)) == (1, 0, 1) and reason in result.bad[0][1]
    (tmp_path / "in" / "f.xml").write_text(ALTO.format(width=900))
    assert added(empty, tmp_path / "in").transcripts == 1


def test_a_picture_that_was_replaced_is_not_shown_as_the_former(library: Library, tmp_path: Path) -> None:
    page = library.pages()[0]
    draw(tmp_path / "other.png", ("otra",))
    assert decode_page(Path(page.source), page.frame, hash=page.hash).size
    with pytest.raises(CapasError) as caught:
        decode_page(tmp_path / "other.png", 0, hash=page.hash)
    assert caught.value.key == "page_replaced"
    with library.changing() as connection:
        connection.execute("UPDATE pages SET source = ? WHERE id = ?", (str(tmp_path / "other.png"), page.id))
    with pytest.raises(CapasError) as caught:
        PageImages().jpeg(library.page(page.id), Crop(left=0, top=0, width=10, height=10), 10, 10)
    assert caught.value.key == "page_replaced"


def test_nothing_usable_ends_with_a_mistake(empty: Library, capsys: pytest.CaptureFixture[str]) -> None:
    (empty.folder.parent / "notes.txt").write_text("no picture")
    got = capas_here(capsys, "archive", "add", empty.folder, empty.folder.parent / "notes.txt")
    assert got.code == 2 and "not a picture or PDF" in got.err


@pytest.mark.parametrize("verb", ["search", "export", "review"])
def test_a_unit_that_is_not_there_is_named_with_those_that_are(
    library: Library, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    more = {"search": ("sepan",), "export": ("--format", "alto", "--out", "out"), "review": ("--lines",)}[verb]
    got = capas_here(capsys, "archive", verb, library.folder, *more, "--unit", "notaries/1608", "--json")
    assert (got.code, got.json["error"]) == (2, "no_such_unit")  # type: ignore[index]
    assert "notaries/1607" in got.json["expected"]  # type: ignore[index]


def test_every_verb_says_whether_pages_are_missing_or_their_reading(
    empty: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verbs = {"index": (), "search": ("rey",), "export": ("--format", "alto", "--out", "out"), "review": (),
             "learn": (), "read": ()}  # fmt: skip
    for missing in ("archive_empty", "archive_unread"):
        for verb, more in verbs.items():
            got = capas_here(capsys, "archive", verb, empty.folder, *more, "--json")
            assert (got.code, got.json["error"]) == (2, missing), verb  # type: ignore[index]
        status = capas_here(capsys, "archive", "status", empty.folder)
        assert f"capas archive {'add' if missing == 'archive_empty' else 'read'} " in status.err
        draw(tmp_path / "in" / "f.png", ("casa",))
        added(empty, tmp_path / "in")


def test_an_archive_of_another_version_says_so(library: Library) -> None:
    with closing(sqlite3.connect(library.folder / FILE)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(CapasError) as caught:
        Library.open(library.folder)
    assert (caught.value.key, caught.value.received) == ("archive_version", "99")


def test_an_archive_where_nothing_may_be_written_is_read(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert len(Library.open(library.folder).pages()) == 2
    with pytest.raises(CapasError) as caught:
        library.set_fact("title", "another")
    assert caught.value.key == "database_shut"


@pytest.mark.parametrize(
    ("code", "key"),
    [
        (sqlite3.SQLITE_FULL, "disk_full"),
        (sqlite3.SQLITE_IOERR_WRITE, "disk_full"),
        (sqlite3.SQLITE_BUSY, "database_busy"),
        (sqlite3.SQLITE_CANTOPEN, "database_shut"),
        (sqlite3.SQLITE_CORRUPT, "damaged"),
    ],
)
def test_a_failed_database_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, key: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    assert database_error(tmp_path / "x.sqlite", error, "damaged").key == key


def test_beyond_a_quota_nothing_is_damaged(tmp_path: Path) -> None:
    """SQLite says "disk I/O error" there, though the disk has room for others."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    assert database_error(tmp_path / "x.sqlite", error, "damaged").key == "cannot_write"
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
    assert database_error(tmp_path / "x.sqlite", error, "damaged").key == "damaged"


def test_ctrl_c_while_adding_says_what_is_kept(
    empty: Library, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(empty.folder.parent / "in" / "f1.png", ("casa",))

    def interrupted(*_: object, **__: object) -> Iterator[object]:
        raise KeyboardInterrupt

    monkeypatch.setattr("capas.cli.archive.verbs.add_pages_from", interrupted)
    got = capas_here(capsys, "archive", "add", empty.folder, empty.folder.parent / "in")
    assert got.code == 130 and "Stopped." in got.err


def test_a_viewer_is_a_site(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    got = capas_here(capsys, "archive", "serve", library.folder, "--viewer", "somewhere")
    assert got.code == 2 and "“somewhere” is not the address of a site" in got.err
