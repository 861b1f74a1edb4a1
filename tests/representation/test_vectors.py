"""Vectors on disk: written, killed and gone on with, read, damaged."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from capas.core.errors import CapasError
from capas.representation.vector_files import holds_vectors, open_vectors, write_vectors
from capas.representation.vector_folder import ITEMS, MANIFEST, VECTORS, VectorWriter
from capas.representation.vectors import Precision, VectorItem, Vectors, VectorsManifest, unit_length


def manifest(dimensions: int = 3, precision: Precision = "float32", encoder: str = "net") -> VectorsManifest:
    return VectorsManifest(
        encoder=encoder, fingerprint="f" * 32, data="/data", data_hash="", medium="image", dimensions=dimensions,
        precision=precision, examples=0,
    )  # fmt: skip


def item(i: int) -> VectorItem:
    return VectorItem(name=f"a/{i}.png", index=i, hash=f"{i:032x}", columns={"class": "ab"[i % 2]})


def rows(start: int, end: int) -> np.ndarray:
    return np.arange(3 * start, 3 * end, dtype=np.float32).reshape(-1, 3)


def made(count: int = 5, precision: Precision = "float32") -> Vectors:
    matrix = rows(0, count).astype(precision)
    return Vectors(matrix=matrix, items=[item(i) for i in range(count)], manifest=manifest(precision=precision))


@pytest.mark.parametrize("name", ["v", "v.parquet"])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str, precision: Precision) -> None:
    vectors = made(5, precision)
    write_vectors(tmp_path / name, vectors)
    found = open_vectors(tmp_path / name)
    assert found.matrix.dtype == precision
    np.testing.assert_array_equal(found.matrix, vectors.matrix)
    assert list(found.items) == list(vectors.items)
    assert found.manifest.encoder == "net" and found.manifest.fingerprint == "f" * 32
    assert found.label_column == "class" and found.column("class") == ["a", "b", "a", "b", "a"]
    assert holds_vectors(tmp_path / name)


def test_a_folder_is_mapped_not_read(tmp_path: Path) -> None:
    write_vectors(tmp_path / "v", made())
    found = open_vectors(tmp_path / "v").matrix
    with open(tmp_path / "v" / VECTORS, "r+b") as file:  # the map sees what is written later: nothing was copied
        file.seek(-4, os.SEEK_END)
        file.write(np.float32(99).tobytes())
    assert found[-1, -1] == 99


def test_an_interrupted_attempt_goes_on_behind_its_last_whole_row(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    with VectorWriter(folder, manifest(), "names") as writer:
        writer.append([item(0), (1, "a/1.png", "broken"), item(2)], rows(0, 2))
        writer.append([item(3)], rows(2, 3))
    with open(folder / "rows.part", "ab") as file:
        file.write(b"half")  # killed in the middle of a row
    with open(folder / "items.part", "a") as file:
        file.write('{"name": "a/4.p')
    assert holds_vectors(folder)  # so that index and map say that they are unfinished
    with pytest.raises(CapasError) as stopped:
        open_vectors(folder)
    assert stopped.value.key == "vectors_unfinished"
    with VectorWriter(folder, manifest(), "names") as writer:
        assert (writer.done, writer.written, writer.failed) == (4, 3, {"a/1.png": "broken"})
        writer.append([item(4)], rows(3, 4))
        writer.finish()
    found = open_vectors(folder)
    np.testing.assert_array_equal(found.matrix, rows(0, 4))
    assert [one.index for one in found.items] == [0, 2, 3, 4]
    assert found.manifest.examples == 5 and found.manifest.failed == {"a/1.png": "broken"}
    assert sorted(path.name for path in folder.iterdir()) == [ITEMS, MANIFEST, VECTORS]


def test_rows_without_lines_and_lines_without_rows_are_cut(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    with VectorWriter(folder, manifest(), "names") as writer:
        writer.append([item(0), item(1)], rows(0, 2))
    os.truncate(folder / "rows.part", 256 + 12)
    with VectorWriter(folder, manifest(), "names") as writer:
        assert (writer.done, writer.written) == (1, 1)


@pytest.mark.parametrize(("encoder", "names", "done"), [("net", "other names", 0), ("runs/../net", "names", 1)])
def test_other_names_start_afresh_and_another_path_of_the_network_goes_on(
    tmp_path: Path, encoder: str, names: str, done: int
) -> None:
    with VectorWriter(tmp_path / "v", manifest(), "names") as writer:
        writer.append([item(0)], rows(0, 1))
    with VectorWriter(tmp_path / "v", manifest(encoder=encoder), names) as writer:
        assert writer.done == done


@pytest.mark.parametrize("change", [{"fingerprint": "g"}, {"data": "/other"}, {"precision": "float16"}])
def test_unfinished_vectors_of_others_are_left_alone(tmp_path: Path, change: dict[str, str]) -> None:
    with VectorWriter(tmp_path / "v", manifest(), "names") as writer:
        writer.append([item(0)], rows(0, 1))
    other = manifest().model_copy(update=change)
    with pytest.raises(CapasError) as refused, VectorWriter(tmp_path / "v", other, "names"):
        pass
    assert refused.value.key == "vectors_exist"
    assert refused.value.received == "unfinished vectors of /data by net, float32"
    with VectorWriter(tmp_path / "v", manifest(), "names") as writer:
        assert writer.done == 1


def test_finished_vectors_are_not_replaced(tmp_path: Path) -> None:
    write_vectors(tmp_path / "v", made())
    with pytest.raises(CapasError) as refused:
        write_vectors(tmp_path / "v", made(3))
    assert (refused.value.key, refused.value.received) == ("vectors_exist", "vectors of /data by net, float32")
    assert len(open_vectors(tmp_path / "v")) == 5
    (tmp_path / "v" / MANIFEST).unlink()
    with pytest.raises(CapasError) as refused:
        write_vectors(tmp_path / "v", made(3))
    assert (refused.value.key, refused.value.received) == ("vectors_exist", ITEMS)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CapasError) as refused:
        write_vectors(tmp_path / "notes.txt", made())
    assert refused.value.key == "file_exists"


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(CapasError) as refused, VectorWriter(tmp_path, manifest(), "names"):
        pass
    assert refused.value.key == "vectors_exist"
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_nothing_embedded_is_an_error_that_names_the_first_reason(tmp_path: Path) -> None:
    with VectorWriter(tmp_path / "v", manifest(), "names") as writer:
        writer.append([(0, "a/0.png", "broken")], rows(0, 0))
        with pytest.raises(CapasError) as refused:
            writer.finish()
    assert (refused.value.key, refused.value.where, refused.value.received) == ("nothing_embedded", "a/0.png", "broken")


@pytest.mark.parametrize("name", ["v", "v.parquet"])
def test_values_that_are_no_numbers_are_refused_with_their_row(tmp_path: Path, name: str) -> None:
    vectors = made()
    vectors.matrix[3, 1] = np.nan
    write_vectors(tmp_path / name, vectors)
    with pytest.raises(CapasError) as refused:
        open_vectors(tmp_path / name)
    assert refused.value.key == "vectors_not_finite" and refused.value.received == "a/3.png"
    assert refused.value.values["row"] == 4


@pytest.mark.parametrize("spoilt", [0.0, 1e30])
def test_vectors_without_direction_are_refused_with_their_row(tmp_path: Path, spoilt: float) -> None:
    vectors = made()
    vectors.matrix[2:4] = spoilt
    write_vectors(tmp_path / "v", vectors)
    with pytest.raises(CapasError) as refused:
        open_vectors(tmp_path / "v")
    assert refused.value.key == "vectors_without_direction" and refused.value.received == "a/2.png"
    assert (refused.value.values["row"], refused.value.values["count"]) == (3, 2)


@pytest.mark.parametrize("damage", ["cut", "header", "items", "manifest"])
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    write_vectors(tmp_path / "v", made())
    if damage == "cut":
        os.truncate(tmp_path / "v" / VECTORS, 270)
    elif damage == "header":
        with open(tmp_path / "v" / VECTORS, "r+b") as file:
            file.write(b"\xff" * 8)
    elif damage == "items":
        lines = (tmp_path / "v" / ITEMS).read_text().splitlines(keepends=True)
        (tmp_path / "v" / ITEMS).write_text("".join(lines[:-1]))
    else:
        tree = json.loads((tmp_path / "v" / MANIFEST).read_text()) | {"surprise": 1}
        (tmp_path / "v" / MANIFEST).write_text(json.dumps(tree))
    with pytest.raises(CapasError) as refused:
        open_vectors(tmp_path / "v")
    assert refused.value.key == "vectors_unreadable"


def test_a_parquet_file_of_others_is_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"id": ["x", "y"], "topic": ["p", None], "embedding": [[1.0, 2.0], [3.0, 4.0]]})
    parquet.write_table(table, tmp_path / "foreign.parquet")
    found = open_vectors(tmp_path / "foreign.parquet")
    np.testing.assert_array_equal(found.matrix, [[1, 2], [3, 4]])
    assert [(one.name, one.columns) for one in found.items] == [
        ("x", {"id": "x", "topic": "p"}), ("y", {"id": "y", "topic": ""}),
    ]  # fmt: skip
    assert found.manifest.fingerprint == ""
    parquet.write_table(pyarrow.table({"embedding": [[1.0, 2.0], [3.0]]}), tmp_path / "ragged.parquet")
    with pytest.raises(CapasError) as refused:
        open_vectors(tmp_path / "ragged.parquet")
    assert refused.value.key == "vectors_unreadable"


def test_a_parquet_file_of_capas_that_was_changed_is_not_of_unknown_origin(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    write_vectors(tmp_path / "v.parquet", made())
    table = parquet.read_table(tmp_path / "v.parquet")
    for changed in (b"{}", made().manifest.model_copy(update={"dimensions": 7}).model_dump_json().encode()):
        parquet.write_table(table.replace_schema_metadata({b"capas": changed}), tmp_path / "other.parquet")
        with pytest.raises(CapasError) as refused:
            open_vectors(tmp_path / "other.parquet")
        assert refused.value.key == "vectors_unreadable"


def test_unit_length_leaves_zeros() -> None:
    np.testing.assert_allclose(unit_length(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0.0, 0.0]])
