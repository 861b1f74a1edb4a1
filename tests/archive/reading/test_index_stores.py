"""An index may be in one file, in one for each fonds or on a server; it is moved, and answers the same everywhere."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from capas.archive.library.database import Library
from capas.archive.reading.index_provenance import read_index_provenance
from capas.archive.reading.index_stores import (
    SHARDS,
    SPOTS,
    IndexLocation,
    open_store,
    parse_location,
    read_location,
)
from capas.archive.reading.pages import reindex
from capas.archive.search.search import ArchiveSearcher, SearchRequest, SearchResults
from capas.core.errors import CapasError
from capas.engine.recipes.transcription.line_reader import LineReader
from tests.archive.bars import library_of, lines_on, reader_run
from tests.harness import capas_here
from tests.keyword_index.servers import server, why_no_server


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    if why := why_no_server():
        pytest.skip(why)
    with server() as address:
        yield address


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reader_run(tmp_path_factory.mktemp("reader"))


def answers(library: Library) -> list[SearchResults]:
    finder = ArchiveSearcher(library)
    try:
        return [finder.search(SearchRequest(query=query, min_probability=0.02, unit=unit))
                for query in ("c*", "ciudad", "casa OR casas", '"de la"')
                for unit in ("", "notaries/1607")]  # fmt: skip
    finally:
        finder.store.close()


def move(library: Library, place: IndexLocation) -> None:
    making = read_index_provenance(library)
    reindex(library, making.alphabet, making.origin, lambda done, of: None, place)


def test_to_files_for_each_fonds_and_back(library: Library) -> None:
    before = answers(library)
    move(library, parse_location("fonds"))
    assert read_location(library).kind == "fonds" and not (library.folder / SPOTS).exists()
    assert (library.folder / SHARDS / "0001.sqlite").is_file() and answers(library) == before
    move(library, parse_location("file"))
    assert not (library.folder / SHARDS).exists() and answers(library) == before


def test_to_a_server_and_back_and_two_archives_do_not_mix(library: Library, postgres: str) -> None:
    import psycopg

    before = answers(library)
    for _ in range(2):  # from a file to the server, then within the server
        move(library, parse_location(postgres))
        assert read_location(library).address == postgres and answers(library) == before
    other = Library.create(library.folder.parent / "other", "")
    with open_store(other, parse_location(postgres), read_index_provenance(library).origin) as store:
        assert store.pages() == []
        store.add(["1"], [])
    assert answers(library) == before
    move(library, parse_location("file"))
    assert answers(library) == before
    with psycopg.connect(postgres) as connection:
        asked = "SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE 'capas%'"
        assert connection.execute(asked).fetchone() == (1,)  # the other archive's


@pytest.mark.parametrize("place", ["file", "fonds", "server"])
def test_from_the_command_line_the_answers_are_the_same(
    place: str, run: Path, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    address = request.getfixturevalue("postgres") if place == "server" else place
    reader = LineReader.open(run)
    scans = library_of(tmp_path / "made", reader, pages=4).folder.parent / "scans"
    for page in scans.iterdir():  # two fonds
        unit = scans / "ab"[int(page.stem) % 2]
        unit.mkdir(exist_ok=True)
        page.rename(unit / page.name)
    archive = tmp_path / "archive"

    def asked(verb: str, *words: str) -> object:
        got = capas_here(capsys, "archive", verb, archive, *words)
        assert got.code == 0, got.err
        return got.out

    asked("new", "--store", address)
    asked("add", str(scans))
    for row in (library := Library.open(archive)).pages():
        library.set_lines(row.id, lines_on(row.width, 3), origin="found")
    asked("read", "--model", str(run), "--min-probability", "0.05")
    searches = [("a*", "--count-all"), ("a*", "--unit", "b"), ("a* NOT o*",), ("*o", "--exact", "--limit", "50")]
    said = [asked("search", *words, "--json") for words in searches]
    asked("export", "--format", "text", "--out", str(tmp_path / "out"))
    texts = sorted((path.name, path.read_text("utf-8")) for path in (tmp_path / "out").rglob("*.txt"))
    asked("index", "--store", "file")
    assert [asked("search", *words, "--json") for words in searches] == said
    assert len(texts) == 4 and all(json.loads(str(one))["hits"] for one in said)


def test_a_server_that_does_not_answer_costs_nothing(library: Library) -> None:
    before = answers(library)
    with pytest.raises(CapasError) as error:
        move(library, parse_location("postgresql:///nothing?host=/nowhere"))
    assert error.value.key == "spots_server" and answers(library) == before


@pytest.mark.parametrize("address", ["postgresql://me:secret@host/name", "postgresql://me@host/name?password=secret"])
def test_no_password_is_written_into_an_archive(address: str) -> None:
    pytest.importorskip("psycopg", reason="the extra archive is not installed")
    with pytest.raises(CapasError) as error:
        parse_location(address)
    assert error.value.key == "store_password" and "secret" not in str(error.value)


def test_another_place_is_told() -> None:
    with pytest.raises(CapasError) as error:
        parse_location("mysql://host")
    assert error.value.key == "store_unknown"
