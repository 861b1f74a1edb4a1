"""Adding and removing; torn tails, damage, and two at once."""

import os
from pathlib import Path

import numpy as np
import pytest

from capas.core.errors import CapasError
from capas.representation.index import writer as writing
from capas.representation.index.journal import MAGIC, read_journal
from capas.representation.index.manifest import IndexManifest, holds_index
from capas.representation.index.snapshot import IndexSnapshot
from capas.representation.index.writer import AddedItems, IndexWriter, create_index
from capas.representation.vectors import Precision, VectorItem
from tests.representation.index.made_index import DATA, index_of, item, random_rows


def names(folder: Path) -> list[str]:
    snapshot = IndexSnapshot(folder)
    return [found.item.name for found in snapshot.items(np.flatnonzero(snapshot.alive))]


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_what_is_added_is_read_again(tmp_path: Path, precision: Precision) -> None:
    folder = index_of(tmp_path, rows := random_rows(5), precision=precision)
    snapshot = IndexSnapshot(folder)
    assert len(snapshot) == 5 and snapshot.matrix.dtype == precision
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(snapshot.vectors(slice(None)), expected, atol=1e-6 if precision == "float32" else 1e-3)
    found = snapshot.items(np.array([3, 0]))
    assert [(one.row, one.item, one.data) for one in found] == [(3, item(3), DATA), (0, item(0), DATA)]


def test_equal_items_stay_and_changed_ones_are_replaced(tmp_path: Path) -> None:
    rows = random_rows(4)
    folder = index_of(tmp_path, rows)
    changed = rows.copy()
    changed[1] += 1
    items = [item(0), item(1), VectorItem(name="2.png", index=2, hash="other"), item(3), item(4)]
    with IndexWriter(folder) as writer:
        done = writer.add(DATA, items, np.concatenate([changed, random_rows(1, seed=9)]))
    assert done == AddedItems(added=1, replaced=2, unchanged=2)
    assert names(folder) == ["0.png", "3.png", "1.png", "2.png", "4.png"]


def test_one_name_in_two_data_sources_is_two_items(tmp_path: Path) -> None:
    folder = index_of(tmp_path, random_rows(2))
    with IndexWriter(folder) as writer:
        assert writer.add("/other", [item(0)], random_rows(1)).added == 1
    snapshot = IndexSnapshot(folder)
    assert [one.data for one in snapshot.items(np.arange(3))] == [DATA, DATA, "/other"]


def test_repeated_names_of_one_table_are_all_kept(tmp_path: Path) -> None:
    folder = index_of(tmp_path, rows := random_rows(3), [VectorItem(name="x", index=i) for i in range(3)])
    assert len(IndexSnapshot(folder)) == 3
    with IndexWriter(folder) as writer:
        again = writer.add(DATA, [VectorItem(name="x", index=i) for i in range(3)], rows)
    assert again == AddedItems(unchanged=3)


def test_removed_rows_are_gone_and_can_come_back(tmp_path: Path) -> None:
    folder = index_of(tmp_path, rows := random_rows(3))
    with IndexWriter(folder) as writer:
        writer.remove(np.array([1]))
    assert names(folder) == ["0.png", "2.png"]
    with IndexWriter(folder) as writer:
        assert writer.add(DATA, [item(1)], rows[1:2]).added == 1
    assert names(folder) == ["0.png", "2.png", "1.png"]


def test_a_reader_keeps_what_it_opened(tmp_path: Path) -> None:
    folder = index_of(tmp_path, random_rows(3))
    before = IndexSnapshot(folder)
    with IndexWriter(folder) as writer:
        writer.remove(np.array([0]))
        writer.add(DATA, [item(7)], random_rows(1))
        assert names(folder) == ["1.png", "2.png", "7.png"]  # while somebody writes
    assert len(before) == 3 and before.items(np.array([0]))[0].item == item(0)


def test_the_second_writer_is_refused(tmp_path: Path) -> None:
    folder = index_of(tmp_path, random_rows(2))
    with IndexWriter(folder), pytest.raises(CapasError) as refused, IndexWriter(folder):
        pass
    assert refused.value.key == "run_is_busy"


@pytest.mark.parametrize("kind", ["journal", "vectors", "items"])
def test_what_was_never_acknowledged_is_cut(tmp_path: Path, kind: str) -> None:
    folder = index_of(tmp_path, rows := random_rows(3))
    with open(folder / f"00000001.{kind}", "ab") as file:
        file.write(MAGIC + b"half of it")
    assert len(IndexSnapshot(folder)) == 3
    with IndexWriter(folder) as writer:
        writer.add(DATA, [item(5)], rows[:1])
    assert names(folder) == ["0.png", "1.png", "2.png", "5.png"]


def test_a_record_cut_anywhere_is_as_if_it_had_never_begun(tmp_path: Path) -> None:
    folder = index_of(tmp_path, random_rows(2))
    journal = folder / "00000001.journal"
    length = journal.stat().st_size
    with IndexWriter(folder) as writer:
        writer.add(DATA, [item(5)], random_rows(1))
    whole = journal.read_bytes()
    for end in range(length, len(whole), 9):
        journal.write_bytes(whole[:end])
        content = read_journal(journal)
        assert (len(content.records), content.length, content.cut) == (2, length, end - length)
    journal.write_bytes(whole[:length] + bytes(len(whole) - length))  # after a power cut
    assert len(IndexSnapshot(folder)) == 2


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    folder = index_of(tmp_path, random_rows(2))
    for kind in ("journal", "vectors", "items"):
        path = folder / f"00000001.{kind}"
        whole = path.read_bytes()
        for place in range(0, len(whole), 11):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(CapasError) as refused:
                IndexSnapshot(folder)
            assert refused.value.key == "index_damaged", (kind, place)
        path.write_bytes(whole)
    assert len(IndexSnapshot(folder)) == 2


@pytest.mark.parametrize("kind", ["vectors", "items"])
def test_files_that_are_cut_or_gone_are_damage(tmp_path: Path, kind: str) -> None:
    folder = index_of(tmp_path, random_rows(3))
    path = folder / f"00000001.{kind}"
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(CapasError) as refused:
        IndexSnapshot(folder)
    assert refused.value.key == "index_damaged" and path.name in refused.value.received
    path.unlink()
    with pytest.raises(CapasError) as gone:
        IndexSnapshot(folder)
    assert gone.value.key == "index_damaged" and path.name in gone.value.received


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": "capas-index", "surprise": 1}', b"[" * 100_000], ids=len
)
def test_an_unreadable_manifest_is_damage(tmp_path: Path, content: bytes) -> None:
    folder = index_of(tmp_path, random_rows(2))
    (folder / "index.json").write_bytes(content)
    with pytest.raises(CapasError) as refused:
        IndexSnapshot(folder)
    assert refused.value.key == "index_damaged"


def test_a_creation_that_was_interrupted_is_begun_anew(tmp_path: Path) -> None:
    folder = index_of(tmp_path, random_rows(0))
    (folder / "index.json").unlink()
    assert not holds_index(folder)
    create_index(folder, MANIFEST)
    assert len(IndexSnapshot(folder)) == 0


MANIFEST = IndexManifest(encoder="net", fingerprint="f", medium="image", dimensions=4, precision="float32")


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(CapasError) as refused:
        create_index(tmp_path, MANIFEST)
    assert refused.value.key == "not_an_index" and refused.value.received == "photo.jpg"
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]
    with pytest.raises(CapasError) as file:
        create_index(tmp_path / "photo.jpg", MANIFEST)
    assert file.value.key == "not_an_index"


@pytest.mark.parametrize("where", ["", "nothing", "nothing/at/all", "a\0b", "x" * 300])
def test_no_index_is_an_error_that_says_so(tmp_path: Path, where: str) -> None:
    with pytest.raises(CapasError) as refused:
        IndexSnapshot(tmp_path / where)
    assert refused.value.key == "no_such_index"
    with pytest.raises(CapasError) as refused, IndexWriter(tmp_path / where):
        pass
    assert refused.value.key == "no_such_index"


def test_values_that_are_no_numbers_and_other_lengths_are_refused(tmp_path: Path) -> None:
    folder = index_of(tmp_path, random_rows(2))
    spoilt = random_rows(2)
    spoilt[1, 2] = np.nan
    with IndexWriter(folder) as writer:
        nothing = random_rows(2) * [[1], [0]]
        for rows, key in (
            (spoilt, "vectors_not_finite"),
            (nothing, "vectors_without_direction"),
            (random_rows(2)[:, :3], "vectors_of_other_encoder"),
        ):
            with pytest.raises(CapasError) as refused:
                writer.add(DATA, [item(7), item(8)], rows)
            assert refused.value.key == key
    assert names(folder) == ["0.png", "1.png"]


def test_batches_are_acknowledged_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "BATCH_ROWS", 2)
    folder = index_of(tmp_path, random_rows(5))
    assert [record.count for record in IndexSnapshot(folder).records] == [0, 2, 2, 1]
