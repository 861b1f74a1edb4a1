"""Databases in other people's folders: the last transaction, never a torn page; and what is acknowledged is on disk."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from capas.core import databases
from capas.core.databases import connect, enable_wal
from capas.core.errors import CapasError


def owned(path: Path) -> sqlite3.Connection:
    """The owner's connection."""
    connection = connect(path, 1.0, autocommit=True)
    enable_wal(connection, path, durable=False)
    connection.execute("CREATE TABLE IF NOT EXISTS said (word TEXT)")
    return connection


def rows(path: Path) -> int:
    """What somebody sees who may not write there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(databases, "_may_write", lambda path: False)
        with closing(connect(path, 1.0)) as connection:
            return int(connection.execute("SELECT count(*) FROM said").fetchone()[0])


def test_a_reader_sees_what_stands_in_the_log_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(owned(path)) as owner:
        owner.execute("INSERT INTO said VALUES ('one')")
        size = path.stat().st_size
        assert rows(path) == 1 and path.stat().st_size == size  # nothing was moved into the file for it


def test_a_reader_sees_each_state_of_a_closed_file_and_copies_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "CLOCK_STEP_NS", 0)
    path, copies = tmp_path / "a.sqlite", list[Path]()
    copyfile = databases.shutil.copyfile
    monkeypatch.setattr(databases.shutil, "copyfile", lambda a, b: (copies.append(a), copyfile(a, b)))
    for count in (1, 2):
        with closing(owned(path)) as owner:
            owner.execute("INSERT INTO said VALUES ('one')")
        assert [rows(path), rows(path)] == [count, count]
    assert copies == [path, path]


def test_a_file_that_changes_while_it_is_copied_is_refused_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.sqlite"
    owned(path).close()
    copyfile = databases.shutil.copyfile

    def changing(source: Path, target: Path) -> None:
        copyfile(source, target)
        with open(source, "ab") as stream:
            stream.write(bytes(4096))

    monkeypatch.setattr(databases.shutil, "copyfile", changing)
    monkeypatch.setattr(databases, "_may_write", lambda path: False)
    with pytest.raises(CapasError) as caught:
        connect(path, 0.05)
    assert caught.value.key == "database_busy"


def test_a_log_that_is_taken_away_in_between_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner closed the file after it was seen and before it was mapped."""
    monkeypatch.setattr(databases, "CLOCK_STEP_NS", 0)
    path, real = tmp_path / "a.sqlite", databases._open
    with closing(owned(path)) as owner:
        owner.execute("INSERT INTO said VALUES ('one')")
    log = path.with_name("a.sqlite-wal")
    log.touch()

    def vanishing(name: str, wait_s: float, autocommit: bool) -> sqlite3.Connection:
        if name.endswith("?mode=ro"):
            log.unlink()
            raise sqlite3.OperationalError("unable to open database file")
        return real(name, wait_s, autocommit)

    monkeypatch.setattr(databases, "_open", vanishing)
    assert rows(path) == 1


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_what_people_say_is_synced_before_it_is_acknowledged(tmp_path: Path, durable: bool, level: int) -> None:
    with closing(connect(tmp_path / "a.sqlite", 1.0)) as connection:
        enable_wal(connection, tmp_path / "a.sqlite", durable=durable)
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == level


@pytest.mark.parametrize(
    "code",
    [
        "CREATE VIEW pages AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n",
        "CREATE TRIGGER undo AFTER INSERT ON said BEGIN DELETE FROM said; END",
    ],
)
def test_a_file_that_holds_code_is_refused(tmp_path: Path, code: str) -> None:
    path = tmp_path / "a.sqlite"
    owned(path).close()
    with closing(sqlite3.connect(path)) as stranger:
        stranger.execute(code)
        stranger.commit()
    with pytest.raises(sqlite3.DatabaseError, match="a view or a trigger"):
        connect(path, 1.0)
