"""Written anew: what is gone makes room, what is damaged is left out and counted."""

import os
from pathlib import Path

import numpy as np
import pytest

from capas.core.errors import CapasError
from capas.representation.index import writer as writing
from capas.representation.index.rebuild import RebuiltIndex, rebuild_index
from capas.representation.index.snapshot import IndexSnapshot
from capas.representation.index.writer import IndexWriter
from tests.representation.index.made_index import DATA, index_of, item, random_rows


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six items in batches of two, of which the second is gone."""
    monkeypatch.setattr(writing, "BATCH_ROWS", 2)
    made = index_of(tmp_path, random_rows(6))
    with IndexWriter(made) as writer:
        writer.remove(np.array([1]))
    return made


def names(folder: Path) -> list[str]:
    snapshot = IndexSnapshot(folder)
    return [found.item.name for found in snapshot.items(np.flatnonzero(snapshot.alive))]


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_what_is_gone_makes_room(folder: Path) -> None:
    before = IndexSnapshot(folder)
    expected = before.vectors(np.array([0, 2, 3, 4, 5]))
    assert rebuild_index(folder) == RebuiltIndex(kept=5, lost=0, records_lost=0)
    assert names(folder) == [f"{number}.png" for number in (0, 2, 3, 4, 5)]
    np.testing.assert_array_equal(IndexSnapshot(folder).vectors(slice(None)), expected)
    files = [".lock", "00000002.items", "00000002.journal", "00000002.vectors", "index.json"]
    assert sorted(path.name for path in folder.iterdir()) == files
    assert before.items(np.array([5]))[0].item == item(5)  # a reader goes on with what it had opened
    with IndexWriter(folder) as writer:
        assert writer.add(DATA, [item(5)], random_rows(6)[5:]).unchanged == 1


@pytest.mark.parametrize("kind", ["vectors", "items"])
def test_a_damaged_batch_is_left_out(folder: Path, kind: str) -> None:
    path = folder / f"00000001.{kind}"
    flip(path, path.stat().st_size // 2)  # in the second batch
    assert rebuild_index(folder) == RebuiltIndex(kept=3, lost=2, records_lost=0)
    assert names(folder) == ["0.png", "4.png", "5.png"]


@pytest.mark.parametrize("kind", ["vectors", "items"])
def test_of_a_file_that_is_cut_the_beginning_is_kept(folder: Path, kind: str) -> None:
    path = folder / f"00000001.{kind}"
    os.truncate(path, path.stat().st_size - 1)
    assert rebuild_index(folder) == RebuiltIndex(kept=3, lost=2, records_lost=0)
    path = folder / f"00000002.{kind}"
    path.unlink()
    assert rebuild_index(folder) == RebuiltIndex(kept=0, lost=3, records_lost=0)
    assert len(IndexSnapshot(folder)) == 0


def test_a_damaged_record_costs_its_own_rows_only(folder: Path) -> None:
    journal = folder / "00000001.journal"
    places = [place for place in range(journal.stat().st_size) if journal.read_bytes().startswith(b"CAPASIJ1", place)]
    flip(journal, places[2] + 40)  # that of rows 2 and 3
    with pytest.raises(CapasError) as refused:
        IndexSnapshot(folder)
    assert refused.value.key == "index_damaged"
    assert rebuild_index(folder) == RebuiltIndex(kept=3, lost=2, records_lost=1)
    assert names(folder) == ["0.png", "4.png", "5.png"]


@pytest.mark.parametrize("content", [None, b"{"])
def test_the_journal_knows_what_index_json_said(folder: Path, content: bytes | None) -> None:
    (folder / "index.json").unlink() if content is None else (folder / "index.json").write_bytes(content)
    before = {path.name for path in folder.iterdir()}
    (folder / "00000002.journal").write_bytes(b"")  # of an attempt that was killed
    assert rebuild_index(folder).kept == 5
    assert before and IndexSnapshot(folder).manifest.encoder == "net"


def test_without_a_journal_nothing_is_known(folder: Path) -> None:
    (folder / "00000001.journal").unlink()
    with pytest.raises(CapasError) as refused:
        rebuild_index(folder)
    assert refused.value.key == "index_damaged"
    assert (folder / "00000001.vectors").stat().st_size


def test_no_index_is_not_rebuilt(tmp_path: Path) -> None:
    for where in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(CapasError) as refused:
            rebuild_index(where)
        assert refused.value.key == "no_such_index"
    assert list(tmp_path.iterdir()) == []
