"""Hostile inputs written by hand: what mutations would hardly find."""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from capas.data.audio.io import read_audio
from capas.data.image.io import decode_image, read_image_info
from capas.data.sources.source import open_source
from capas.data.tabular.io import read_table
from capas.keyword_index.query import parse_query
from capas.page_formats.formats import read_page
from capas.page_formats.normalise import load_rules
from tests.fuzz.formats import FORMATS, Files, ods, picture, plain_wave, read_scans, xlsx
from tests.fuzz.worker import Case, put

SPARSE_BYTES: Final = 3_000_000_000
DEEP: Final = 100_000


# --- something else in place of a file --------------------------------------------------------------------------------


def empty(path: Path) -> None:
    path.write_bytes(b"")


def sparse(path: Path) -> None:
    os.truncate(path, SPARSE_BYTES)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def gone(path: Path) -> None:
    path.unlink()


IN_PLACE: Final = (empty, sparse, pipe, folder, link_to_itself, device, gone)


def replaced_cases() -> list[Case]:
    """For every format, its file replaced by each kind of thing."""
    return [(f"{change.__name__} for {name}", _replaced(name, change)) for name in FORMATS for change in IN_PLACE]


def _replaced(name: str, change: Callable[[Path], None]) -> Callable[[Path], object]:
    def read(place: Path) -> None:
        found = FORMATS[name]
        put(place, found.seed())
        found.beside(place)
        change(place / found.target)
        found.read(place)

    return read


# --- contents ---------------------------------------------------------------------------------------------------------


def png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def png_text_bomb() -> bytes:
    """A compressed comment of 100 MB."""
    content = b"a\0\0" + zlib.compress(bytes(100_000_000), 9)
    chunk = struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))
    small = picture("PNG")
    return small[:33] + chunk + small[33:]


def with_sheet(book: bytes, member: str, content: bytes, claimed: int | None = None) -> bytes:
    """A workbook of which a member is ``content``, its size said to be ``claimed``."""
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as source, zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, content if name == member else source.read(name))
        size = target.getinfo(member).file_size
    found = held.getvalue()
    return found if claimed is None else found.replace(struct.pack("<I", size), struct.pack("<I", claimed))


SHEET: Final = "xl/worksheets/sheet1.xml"
LAUGHS: Final = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a0 "ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 12))
    + b"]>"
)
OUTSIDE: Final = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


def xml(root: bytes, body: bytes, start: bytes = b"") -> bytes:
    return start + b"<" + root + b">" + body + b"</" + root + b">"


def wave_that_claims(size: int) -> bytes:
    found = bytearray(plain_wave())
    found[40:44] = struct.pack("<I", size)
    found[4:8] = struct.pack("<I", size)
    return bytes(found)


Reader = Callable[[Path], object]


def _rules(path: Path) -> object:
    return load_rules(str(path))


def _query(path: Path) -> object:
    return parse_query(path.read_text())


def _shown(path: Path) -> None:
    read_image_info(path)
    decode_image(path)


CONTENTS: Final[Mapping[str, tuple[str, Callable[[], bytes], Reader]]] = {
    "png of 100,000 × 100,000": ("a.png", lambda: png(100_000, 100_000), _shown),
    "png of 2 billion × 1": ("a.png", lambda: png(2_000_000_000, 1), _shown),
    "png without width": ("a.png", lambda: png(0, 5), _shown),
    "png with a comment of 100 MB": ("a.png", png_text_bomb, _shown),
    "scan of 100,000 × 100,000": ("a.png", lambda: png(100_000, 100_000), read_scans),
    "pgm of 100,000 × 100,000": ("a.pgm", lambda: b"P5 100000 100000 255\n" + bytes(100), _shown),
    "pgm with a size of 10,000 digits": ("a.pgm", lambda: b"P5 " + b"9" * 10_000 + b" 1 255\n", _shown),
    "bmp of 100,000 × 100,000": (
        "a.bmp", lambda: picture("BMP")[:18] + struct.pack("<ii", 100_000, 100_000) + picture("BMP")[26:], _shown),
    "gif of 65,535 × 65,535": ("a.gif", lambda: b"GIF89a\xff\xff\xff\xff" + picture("GIF", "P")[10:], _shown),
    "xlsx that unpacks to 100 MB": ("t.xlsx", lambda: with_sheet(xlsx(), SHEET, bytes(100_000_000)), read_table),
    "xlsx that claims 4 GB": ("t.xlsx", lambda: with_sheet(xlsx(), SHEET, b"<a/>" * 1000, 4_000_000_000), read_table),
    "xlsx that claims little": ("t.xlsx", lambda: with_sheet(xlsx(), SHEET, bytes(50_000_000), 9), read_table),
    "xlsx that laughs": ("t.xlsx", lambda: with_sheet(xlsx(), SHEET, xml(b"worksheet", b"&a9;", LAUGHS)), read_table),
    "xlsx with a cell far away": ("t.xlsx", lambda: with_sheet(xlsx(), SHEET, xml(
        b"worksheet", b'<sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v>'
        b"</c></row></sheetData>")), read_table),
    "ods that unpacks to 100 MB": ("t.ods", lambda: with_sheet(ods(), "content.xml", bytes(100_000_000)), read_table),
    "ods that laughs": ("t.ods", lambda: with_sheet(ods(), "content.xml", xml(b"a", b"&a9;", LAUGHS)), read_table),
    "ods with a row repeated 4 billion times": (
        "t.ods", lambda: ods_with(b"<table:table-row", b' table:number-rows-repeated="4000000000"'), read_table),
    "ods with a cell repeated 4 billion times": (
        "t.ods", lambda: ods_with(b"<table:table-cell", b' table:number-columns-repeated="4000000000"'), read_table),
    "csv with a cell of 10 MB": ("t.csv", lambda: b"a,b\n1," + b"x" * 10_000_000 + b"\n2,y\n", read_table),
    "csv with a number of 1 MB": ("t.csv", lambda: b"a,b\n1," + b"9" * 1_000_000 + b"\n2,3\n", read_table),
    "csv with a quote that never ends": ("t.csv", lambda: b'a,b\n1,"' + b"x,y\n" * 100_000, read_table),
    "csv with 5,000 columns": (
        "t.csv", lambda: b",".join(b"c%d" % i for i in range(5000)) + b"\n" + b",".join([b"1"] * 5000), read_table),
    "csv of quotes": ("t.csv", lambda: b"a,b\n" + b'"' * 200_000, read_table),
    "csv of signs": ("t.csv", lambda: b"a,b\n" + b"\n".join(b"1" + sign * 20_000 + b",2" for sign in (
        b".", b",", b" ", b"-", b":", b"/", b"'", b"e", b"%", b"1 ", b"1.", b"1/")), read_table),
    "json nested 100,000 deep": ("t.jsonl", lambda: b'{"a":' * DEEP + b"\n" + b"[" * DEEP, read_table),
    "json with a number of 100,000 digits": ("t.jsonl", lambda: b'{"a": ' + b"9" * 100_000 + b"}\n", read_table),
    "toml nested 100,000 deep": ("r.toml", lambda: b"replace = " + b"[" * DEEP, _rules),
    **{f"{root.decode()} nested 100,000 deep": ("a.xml", lambda root=root: b"<%s>" % root + b"<a>" * DEEP, read_page)
       for root in (b"alto", b"PcGts", b"TEI", b"html")},
    **{f"{root.decode()} that laughs": ("a.xml", lambda root=root: xml(root, b"&a11;", LAUGHS), read_page)
       for root in (b"alto", b"PcGts", b"TEI", b"html")},
    **{f"{root.decode()} that reads a file": ("a.xml", lambda root=root: xml(root, b"&a;", OUTSIDE), read_page)
       for root in (b"alto", b"PcGts", b"TEI", b"html")},
    "xml with an attribute of 5 MB": ("a.xml", lambda: b'<PcGts a="' + b" 1,1" * 1_200_000 + b'"/>', read_page),
    "xml of comments that do not end": ("a.xml", lambda: b"<!--" * 100_000, read_page),
    "html of open elements": ("a.xml", lambda: b"<html>" + b"<i>x" * DEEP, read_page),
    "hocr with a title of blanks": ("a.html", lambda: xml(b"html", b'<p class="ocr_line" title="bbox' + b" " * 200_000
                                                          + b'x">a</p>'), read_page),
    "page with points without end": ("a.xml", lambda: xml(b"PcGts", b'<Page imageWidth="9" imageHeight="9"><TextRegion>'
        b'<TextLine><Baseline points="' + b"1,1 " * 300_000 + b'"/></TextLine></TextRegion></Page>'), read_page),
    "query of 20,000 brackets": ("q.txt", lambda: b"(" * 20_000, _query),
    "query of 20,000 words": ("q.txt", lambda: b"a OR " * 20_000 + b"a", _query),
    "query of blanks": ("q.txt", lambda: b" " * DEEP + b'"', _query),
    "wave that claims 4 GB": ("a.wav", lambda: wave_that_claims(0xFFFFFFF0), read_audio),
    "textgrid of blanks": ("a.TextGrid", lambda: b"File type" + b" " * 200_000 + b"= x", FORMATS["textgrid"].read),
}  # fmt: skip


def ods_with(tag: bytes, attribute: bytes) -> bytes:
    """A workbook of which the first two elements of a kind have another attribute."""
    with zipfile.ZipFile(io.BytesIO(ods())) as book:
        content = book.read("content.xml")
    return with_sheet(ods(), "content.xml", content.replace(tag, tag + attribute, 2))


def content_cases() -> list[Case]:
    """Every content, in a file of its own."""
    return [(name, _content(*held)) for name, held in CONTENTS.items()]


def _content(file: str, make: Callable[[], bytes], reader: Reader) -> Callable[[Path], object]:
    def read(place: Path) -> None:
        (place / file).write_bytes(make())
        reader(place / file)

    return read


# --- folders ----------------------------------------------------------------------------------------------------------


def folder_cases() -> list[Case]:
    """Folders of examples with links that go round, and with pipes and devices among the files."""
    files: Files = FORMATS["class folders"].seed()
    return [
        (f"class folders with {name}, links followed: {follow}", _folder(files, spoil, follow=follow))
        for name, spoil in SPOILED.items()
        for follow in (False, True)
    ]


SPOILED: Final[Mapping[str, Callable[[Path], object]]] = {
    "a link to the folder above": lambda place: (place / "cats" / "again").symlink_to(".."),
    "a link to itself": lambda place: (place / "cats" / "3.png").symlink_to("3.png"),
    "a pipe": lambda place: os.mkfifo(place / "cats" / "3.png"),
    "a link to a device": lambda place: (place / "cats" / "3.png").symlink_to("/dev/zero"),
    "a file of 3 GB": lambda place: sparse(place / "cats" / "1.png"),
    "a name that is not in UTF-8": lambda place: (place / "cats" / os.fsdecode(b"\xff\xfe.png")).write_bytes(b"x"),
    "a name of blanks and line breaks": lambda place: (place / "cats" / " \n .png").write_bytes(b"x"),
    "a table that is a pipe": lambda place: os.mkfifo(place / "labels.csv"),
    "a class map that is a pipe": lambda place: os.mkfifo(place / "classes.txt"),
    "a text that is a pipe": lambda place: os.mkfifo(place / "README.txt"),
    "a page that is a pipe": lambda place: os.mkfifo(place / "cats" / "1.xml"),
    "boxes that are a pipe": lambda place: os.mkfifo(place / "boxes.json"),
}


def _folder(files: Files, spoil: Callable[[Path], object], *, follow: bool) -> Callable[[Path], object]:
    def read(place: Path) -> None:
        put(place / "data", files)
        spoil(place / "data")
        found = open_source(place / "data", follow_links=follow)
        for index in range(len(found.files)):
            found.files.content_hash(index)

    return read
