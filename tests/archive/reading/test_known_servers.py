"""No server is contacted because an archive names it."""

import json
from pathlib import Path

import pytest

from capas.archive.library.database import Library
from capas.archive.reading import index_stores
from capas.archive.reading.index_stores import IndexLocation, read_location, stored_location, write_location
from capas.archive.reading.known_servers import (
    MISLEADING,
    check_plain,
    known_servers,
    known_servers_file,
    remember_server,
)
from capas.core.errors import CapasError
from tests.harness import capas_here

ADDRESS = "postgresql://thief@pg.example/db"


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """An archive from somebody else whose index is on a server; whoever contacts one fails."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def contacted(*arguments: object, **more: object) -> None:
        raise AssertionError("a server was contacted")

    monkeypatch.setattr(index_stores, "PostgresSpots", contacted)
    library = Library.create(tmp_path / "a", "")
    library.set_fact("index", json.dumps({"kind": "server", "address": ADDRESS, "schema": "capas_x"}))
    return library


def test_a_server_that_only_the_archive_names_is_refused(strange: Library) -> None:
    with pytest.raises(CapasError) as caught:
        read_location(strange)
    assert caught.value.key == "server_unknown" and ADDRESS in caught.value.part("what")
    assert stored_location(strange).address == ADDRESS


def test_a_server_that_the_user_named_is_used(strange: Library) -> None:
    write_location(strange, IndexLocation(kind="server", address=ADDRESS, schema="capas_y"))
    assert read_location(strange).schema == "capas_y" and known_servers() == {ADDRESS}
    remember_server("postgresql://me@other/db")
    assert len(known_servers()) == 2


@pytest.mark.parametrize("content", ["", "{}", "[1]", "\ud800", "[" * 9000])
def test_a_damaged_list_knows_no_server(strange: Library, content: str) -> None:
    known_servers_file().parent.mkdir(parents=True)
    known_servers_file().write_bytes(content.encode("utf-8", "surrogatepass"))
    assert known_servers() == frozenset()


@pytest.mark.parametrize("part", MISLEADING)
def test_parts_that_lead_elsewhere_are_not_confirmed(part: str, tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="the extra archive is not installed")
    check_plain(f"{ADDRESS}?sslmode=verify-full&port=5433", where=tmp_path)
    with pytest.raises(CapasError) as caught:
        check_plain(f"{ADDRESS}?{part}=x", where=tmp_path)
    assert caught.value.key == "server_misleading" and part in caught.value.part("what")


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="the extra archive is not installed")
    with pytest.raises(CapasError) as caught:
        check_plain(f"{ADDRESS}?nonsense=1", where=tmp_path)
    assert caught.value.key == "spots_server"


def test_connect_asks_and_remembers(strange: Library, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("psycopg", reason="the extra archive is not installed")
    folder = str(strange.folder)
    refused = capas_here(capsys, "archive", "connect", folder)
    assert refused.code == 2 and ADDRESS in refused.err and not known_servers()
    assert capas_here(capsys, "archive", "connect", folder, "--yes").code == 0 and known_servers() == {ADDRESS}
    again = capas_here(capsys, "archive", "connect", folder, "--json").json
    assert again == {"kind": "server", "address": ADDRESS, "new": False}
