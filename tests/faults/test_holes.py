"""What the plan of faults found, each with a test of its own."""

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from capas.archive.library.database import FILE, Library
from capas.archive.reading.index_stores import SHARDS, SPOTS
from capas.bundle.read import read_bundle
from capas.bundle.write import add_file
from capas.core import files
from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.engine.run import Run, remove_pieces
from capas.evaluation.challenge import challenge as challenge_module
from capas.evaluation.challenge.challenge import Challenge, new_challenge
from capas.keyword_index.sqlite_store import SqliteSpots
from capas.leaderboard.store import Board
from tests.faults import subjects
from tests.faults.injector import Faults, injected, reaches_sqlite

needs_sqlite_calls = pytest.mark.skipif(not reaches_sqlite(), reason="this SQLite does not show its system calls")


class Killed(BaseException):
    """Ends a function where a kill would."""


def no_room(*arguments: object, **options: object) -> object:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def killed(*arguments: object, **options: object) -> object:
    raise Killed


def key_of(work: object) -> str:
    with pytest.raises(CapasError) as caught:
        work()  # type: ignore[operator]
    return caught.value.key


def test_no_piece_of_a_file_is_left_where_memory_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(descriptor: int) -> None:
        raise MemoryError

    monkeypatch.setattr(files.os, "fsync", no_memory)
    with pytest.raises(MemoryError):
        write_atomic(tmp_path / "a.json", "[]")
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_whose_file_was_being_replaced_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subjects.bundle_with_extra(tmp_path)
    written: list[Path] = []

    def write(path: Path, content: bytes) -> None:
        written.append(path)
        write_atomic(path, content)
        raise Killed

    monkeypatch.setattr("capas.bundle.write.write_atomic", write)
    with pytest.raises(Killed):
        add_file(tmp_path / "bundle", "detector.safetensors", b"new")
    assert written and "detector.safetensors" not in read_bundle(tmp_path / "bundle").card.files


def test_a_database_that_was_only_begun_counts_as_none(tmp_path: Path) -> None:
    for name in (FILE, "spots.sqlite", "board.sqlite"):
        (tmp_path / name).touch()
    assert key_of(lambda: Library.open(tmp_path)) == "no_archive"
    assert key_of(lambda: SqliteSpots(tmp_path / "spots.sqlite")) == "spots_missing"
    assert Board(tmp_path / "board.sqlite").entries() == []


def test_another_program_s_database_is_still_refused(tmp_path: Path) -> None:
    for name in (FILE, "spots.sqlite", "board.sqlite"):
        with sqlite3.connect(tmp_path / name) as connection:
            connection.execute("CREATE TABLE theirs (a)")
        connection.close()
    assert key_of(lambda: Library.open(tmp_path)) == "archive_version"
    assert key_of(lambda: SqliteSpots(tmp_path / "spots.sqlite")) == "spots_unreadable"
    assert key_of(Board(tmp_path / "board.sqlite").entries) == "board_unreadable"


@pytest.mark.parametrize("kind", ["file", "fonds"])
def test_an_index_killed_while_it_is_replaced_is_the_old_or_the_new(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects.make_read_archive(tmp_path, subjects.IndexLocation(kind=kind))  # type: ignore[arg-type]
    before = subjects.index_state(tmp_path)
    name = {"file": SPOTS, "fonds": SHARDS}[kind]
    real = Path.rename if kind == "fonds" else Path.replace

    def dies(path: Path, target: Path) -> Path:
        if path.name == f".{name}.new":  # the last step: until then the old one stands, or lies aside
            raise Killed
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename" if kind == "fonds" else "replace", dies)
        patch.setattr("capas.archive.reading.pages.remove_store", lambda *arguments, **options: None)
        with pytest.raises(Killed):
            subjects.reindex_with(tmp_path, kind, 0.2)
    assert (tmp_path / "archive" / f".{name}.new").exists()
    found = subjects.index_state(tmp_path)
    subjects.reindex_with(tmp_path, kind, 0.2)
    assert found in (before, subjects.index_state(tmp_path))
    assert sorted(path.name for path in (tmp_path / "archive").iterdir()) == [FILE, name]


def test_an_index_that_could_not_be_finished_gives_its_room_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects.make_read_archive(tmp_path)
    monkeypatch.setattr(SqliteSpots, "compact", killed)
    with pytest.raises(Killed):
        subjects.reindex_with(tmp_path, "file", 0.2)
    assert sorted(path.name for path in (tmp_path / "archive").iterdir()) == [FILE, SPOTS]


@needs_sqlite_calls
def test_a_full_disk_is_called_one_by_the_board_and_the_challenge(tmp_path: Path) -> None:
    subjects.references_and_challenge(tmp_path)
    Board(tmp_path / "board.sqlite").add([subjects.entry(1)])
    with injected(Faults(effect="full", at=0)):
        board = key_of(lambda: Board(tmp_path / "board.sqlite").add([subjects.entry(2)]))
        check = key_of(lambda: Challenge(tmp_path / "c").submissions.close(subjects.NOON))
    assert (board, check) == ("disk_full", "disk_full")


@pytest.mark.parametrize("call", ["mkdtemp", "rename"])
def test_a_submission_on_a_full_disk_is_an_error_of_the_user(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects.references_and_challenge(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(*((challenge_module.tempfile, "mkdtemp") if call == "mkdtemp" else (Path, "rename")), no_room)
        assert key_of(lambda: subjects.submit(tmp_path)) == "disk_full"
    assert Challenge(tmp_path / "c").submissions.all() == []
    subjects.submit(tmp_path)
    assert len(Challenge(tmp_path / "c").submissions.all()) == 1


def test_a_challenge_that_was_begun_can_be_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subjects.make_references(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(challenge_module, "write_json", killed)  # of the rules, which come last
        with pytest.raises(Killed):
            subjects.make_challenge(tmp_path)
    assert (tmp_path / "c" / "private" / "reference").is_dir()
    subjects.make_challenge(tmp_path)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [".gitignore", "private", "public"]


def test_a_challenge_is_made_in_no_folder_of_somebody_else(tmp_path: Path) -> None:
    """Also not in one with folders of these names, or a lock and a file of their own."""
    subjects.make_references(tmp_path)
    for number, names in enumerate((("private",), ("public", "mine.txt"), (".lock", "private", "mine.txt"))):
        folder = tmp_path / str(number)
        for name in names:
            (folder / name).mkdir(parents=True)
        again = {"task": "classification", "reference": tmp_path / "references.csv", "now": subjects.NOON}
        assert key_of(lambda: new_challenge(folder, **again)) == "challenge_exists"  # type: ignore[arg-type] # noqa: B023
        assert sorted(path.name for path in folder.iterdir()) == sorted(names)


def test_pieces_of_what_a_killed_run_was_writing_go_away(tmp_path: Path) -> None:
    run = Run(folder=tmp_path)
    run.bundle.mkdir()
    keep = [tmp_path / "metrics.json", tmp_path / ".lock", tmp_path / ".mine.abcdefgh", run.bundle / "card.json"]
    gone = [tmp_path / ".metrics.json.ab_9defg", run.bundle / ".model.safetensors.12345678"]
    for path in (*keep, *gone):
        path.touch()
    remove_pieces(run)
    assert all(path.exists() for path in keep) and not any(path.exists() for path in gone)
