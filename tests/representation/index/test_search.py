"""Searching: exactly, through the cells, with conditions; what is missing or damaged is told or done without."""

import builtins
import json
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.representation.index import cell_building, search
from capas.representation.index import cells as cell_module
from capas.representation.index.cell_building import update_cells
from capas.representation.index.cells import CellIndex, open_cells
from capas.representation.index.closeness import RandomPairs
from capas.representation.index.column_filter import parse_conditions
from capas.representation.index.duplicates import near_duplicate_groups
from capas.representation.index.indexing import remove_items
from capas.representation.index.search import SimilarItems, SimilarityIndex
from capas.representation.index.writer import IndexWriter
from capas.representation.vectors import VectorItem, unit_length
from tests.representation.index.made_index import DATA, index_of, item, random_rows

COUNT = 400


def quiet(done: int, total: int) -> None:
    """No progress."""


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cells for a hundred items."""
    for module in (search, cell_building):
        monkeypatch.setattr(module, "EXACT_ROWS", 100)
    monkeypatch.setattr(search, "MIN_FETCHED", 16)
    monkeypatch.setattr(cell_module, "ADDED_ROWS", 64)


@pytest.fixture
def rows() -> NDArray[np.float32]:
    return random_rows(COUNT, 8)


@pytest.fixture
def folder(tmp_path: Path, rows: NDArray[np.float32]) -> Path:
    return index_of(tmp_path, rows)


def found_rows(results: SimilarItems) -> list[int]:
    return [hit.found.row for hit in results.items[0]]


def nearest(rows: NDArray[np.float32], query: NDArray[np.float32], k: int) -> list[int]:
    order = np.argsort(-(unit_length(rows) @ unit_length(query[None])[0]), kind="stable")
    return order[:k].tolist()


def test_a_small_index_is_searched_exactly(folder: Path, rows: NDArray[np.float32]) -> None:
    query = random_rows(1, 8, seed=3)[0]
    results = SimilarityIndex(folder).search(query, 5)
    assert found_rows(results) == nearest(rows, query, 5)
    assert (results.exact, results.searched, results.recall, results.reason) == (True, COUNT, None, None)
    assert results.items[0][0].similarity == pytest.approx(float(unit_length(rows)[found_rows(results)[0]] @
                                                                unit_length(query[None])[0]), abs=1e-6)  # fmt: skip


def test_more_than_there_are_is_all_there_are(tmp_path: Path) -> None:
    folder = index_of(tmp_path, random_rows(3))
    assert len(SimilarityIndex(folder).search(random_rows(1), 50).items[0]) == 3
    remove_items(folder, ["*"])
    assert SimilarityIndex(folder).search(random_rows(1), 5).items == [[]]


def test_conditions_leave_the_others_out(folder: Path) -> None:
    index = SimilarityIndex(folder)
    conditions = parse_conditions(["class=cat", "class=owl", "year=1901"])
    results = index.search(random_rows(1, 8)[0], COUNT, conditions)
    expected = [row for row in range(COUNT) if row % 3 != 1 and row % 2]
    assert sorted(found_rows(results)) == expected and results.searched == len(expected)
    assert index.search(random_rows(1, 8)[0], 5, parse_conditions(["class=fox"])).items == [[]]
    with pytest.raises(CapasError) as refused:
        index.search(random_rows(1, 8)[0], 5, parse_conditions(["colour=red"]))
    assert refused.value.key == "index_no_such_column" and refused.value.received == "class, year"


@pytest.mark.parametrize("word", ["class", "=cat", " =x", ""])
def test_malformed_conditions_are_refused(word: str) -> None:
    with pytest.raises(CapasError) as refused:
        parse_conditions([word])
    assert refused.value.key == "where_malformed"


def test_a_condition_is_not_deceived_by_names_and_values(tmp_path: Path) -> None:
    items = [
        VectorItem(name="cat", index=0, columns={"name": "dog", "class": 'a": "b'}),
        VectorItem(name="dog", index=1, columns={"name": "cat", "class": '"class": "b"'}),
        VectorItem(name="x", index=2, columns={"class": "b", "ñ\nb": "“é”\ud800"}),
    ]
    index = SimilarityIndex(index_of(tmp_path, random_rows(3), items))
    for condition, expected in (("name=cat", [1]), ("class=b", [2]), ('class=a": "b', [0]), ("ñ\nb=“é”\ud800", [2])):
        assert found_rows(index.search(random_rows(1)[0], 5, parse_conditions([condition]))) == expected


@pytest.mark.usefixtures("small_limits")
def test_a_large_index_is_searched_through_its_cells(folder: Path, rows: NDArray[np.float32]) -> None:
    facts = update_cells(folder, quiet)
    assert facts is not None and facts.rows == COUNT and facts.recall is not None
    assert facts.recall["n"] == 200 and float(str(facts.recall["value"])) > 0.95
    index = SimilarityIndex(folder)
    query = random_rows(1, 8, seed=3)[0]
    results = index.search(query, 5)
    assert (results.exact, results.recall) == (False, facts.recall)
    assert found_rows(results) == nearest(rows, query, 5)
    conditions = parse_conditions(["class=cat", "class=dog"])
    among = [row for row in nearest(rows, query, COUNT) if row % 3 != 2]
    filtered = index.search(query, 5, conditions)
    assert not filtered.exact and found_rows(filtered) == among[:5]
    assert index.search(query, 5, parse_conditions(["class=cat", "year=1900"])).exact  # so few are all compared


@pytest.mark.usefixtures("small_limits")
def test_items_that_came_or_went_after_the_cells(folder: Path, rows: NDArray[np.float32]) -> None:
    update_cells(folder, quiet)
    query = random_rows(1, 8, seed=3)[0]
    first = nearest(rows, query, 3)
    remove_items(folder, [f"{first[0]}.png"])
    with IndexWriter(folder) as writer:
        writer.add(DATA, [item(COUNT)], query[None])
    results = SimilarityIndex(folder).search(query, 3)
    assert not results.exact and found_rows(results) == [COUNT, *first[1:]]
    again = SimilarityIndex(folder).search(query, 3, without=[COUNT])
    assert found_rows(again)[:2] == first[1:]
    facts = update_cells(folder, quiet)
    assert facts is not None and facts.rows == COUNT  # one row more is not worth writing it again
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cell_building, "MAX_NEWER_ROWS", 0)
        facts = update_cells(folder, quiet)
    assert facts is not None and facts.rows == COUNT + 1
    assert found_rows(SimilarityIndex(folder).search(query, 3)) == [COUNT, *first[1:]]


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("damage", ["cells cut", "cells flipped", "cells gone", "facts", "facts gone", "other cells"])
def test_without_a_whole_cells_the_search_is_exact_and_says_so(
    folder: Path, rows: NDArray[np.float32], damage: str
) -> None:
    update_cells(folder, quiet)
    cells, facts = folder / "00000001.cells", folder / "00000001.cells.json"
    if damage == "cells cut":
        os.truncate(cells, cells.stat().st_size - 1)
    elif damage == "cells flipped":
        content = bytearray(cells.read_bytes())
        content[len(content) // 2] ^= 255
        cells.write_bytes(content)
    elif damage == "facts":
        facts.write_text("[" * 100_000)
    elif damage == "other cells":
        facts.write_text(json.dumps(json.loads(facts.read_text()) | {"rows": COUNT + 1}))
    else:
        (cells if damage == "cells gone" else facts).unlink()
    query = random_rows(1, 8, seed=3)[0]
    results = SimilarityIndex(folder).search(query, 5)
    assert (results.exact, results.reason, results.recall) == (True, "no_cells", None)
    assert found_rows(results) == nearest(rows, query, 5)
    update_cells(folder, quiet)
    assert not SimilarityIndex(folder).search(query, 5).exact


@pytest.mark.usefixtures("small_limits")
def test_without_faiss_the_search_is_exact_and_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update_cells(folder, quiet)
    imported = builtins.__import__

    def without(name: str, *others: object) -> object:
        if name == "faiss":
            raise ImportError(name)
        return imported(name, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    results = SimilarityIndex(folder).search(random_rows(1, 8)[0], 5)
    assert (results.exact, results.reason) == (True, "no_extra")
    (folder / "00000001.cells").unlink()
    with pytest.raises(CapasError) as refused:
        update_cells(folder, quiet)
    assert (refused.value.key, refused.value.values["extra"]) == ("extra_missing", "search")


@pytest.mark.usefixtures("small_limits")
def test_recall_is_measured_with_what_the_search_finds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_near(self: CellIndex, queries: NDArray[np.float32], count: int, *others: object) -> object:
        return np.tile(np.arange(count), (len(queries), 1))

    monkeypatch.setattr(CellIndex, "candidates", nothing_near)
    facts = update_cells(folder, quiet)
    assert facts is not None and facts.recall is not None and float(str(facts.recall["value"])) < 0.2
    assert facts.probes == cell_building.PROBES[-1]


@pytest.mark.usefixtures("small_limits")
def test_a_cells_of_identical_vectors(tmp_path: Path) -> None:
    folder = index_of(tmp_path, np.ones((150, 8), np.float32))
    facts = update_cells(folder, quiet)
    assert facts is not None and facts.recall is not None and facts.recall["value"] == 1.0
    results = SimilarityIndex(folder).search(np.ones(8, np.float32), 5)
    assert not results.exact and [hit.similarity for hit in results.items[0]] == pytest.approx([1] * 5)
    groups = near_duplicate_groups(SimilarityIndex(folder), 0.97).groups
    assert [len(group.rows) for group in groups] == [150]


@pytest.mark.usefixtures("small_limits")
def test_groups_through_the_cells_are_those_of_every_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    centres = random_rows(60, 8)
    rows = np.concatenate([centres, centres[:20], centres[:20] + 0.01 * random_rows(20, 8, seed=2)])
    folder = index_of(tmp_path, np.concatenate([rows, random_rows(50, 8, seed=5)]))
    update_cells(folder, quiet)
    through = near_duplicate_groups(SimilarityIndex(folder), 0.999)
    monkeypatch.setattr("capas.representation.index.duplicates.EXACT_ROWS", 1000)
    exact = near_duplicate_groups(SimilarityIndex(folder), 0.999)
    assert exact.exact and len(exact.groups) >= 20
    monkeypatch.setattr("capas.representation.index.duplicates.EXACT_ROWS", 100)
    through = near_duplicate_groups(SimilarityIndex(folder), 0.999)
    assert not through.exact and through.groups == exact.groups


def test_a_single_item(tmp_path: Path) -> None:
    index = SimilarityIndex(index_of(tmp_path, np.ones((1, 4), np.float32)))
    [hit] = index.search(np.ones(4), 3).items[0]
    assert hit.similarity == pytest.approx(1)
    assert near_duplicate_groups(index, 0.9).groups == []
    assert RandomPairs(index.snapshot).closeness(0.5) is None
    assert index.search(np.ones(4), 3, without=[0]).items == [[]]


@pytest.mark.parametrize(
    ("query", "key"),
    [
        (np.ones(3), "vectors_of_other_encoder"),
        *[
            (np.array(row), "query_without_direction")
            for row in ([1, np.nan, 0, 0], [0.0, 0.0, 0.0, 0.0], [1e30, 0.0, 0.0, 0.0])
        ],
    ],
)
def test_queries_that_are_none(tmp_path: Path, query: NDArray[np.float64], key: str) -> None:
    with pytest.raises(CapasError) as refused:
        SimilarityIndex(index_of(tmp_path, random_rows(2))).search(query)
    assert refused.value.key == key


@pytest.mark.parametrize("k", [0, -1])
def test_a_number_of_neighbours_that_is_none(tmp_path: Path, k: int) -> None:
    with pytest.raises(CapasError) as refused:
        SimilarityIndex(index_of(tmp_path, random_rows(2))).search(np.ones(4), k)
    assert refused.value.key == "search_k"


def test_float16_of_equal_items_is_similarity_one(tmp_path: Path) -> None:
    rows = np.repeat(random_rows(5, 16), 2, axis=0)
    index = SimilarityIndex(index_of(tmp_path, rows, precision="float16"))
    assert [hit.similarity for hit in index.search(rows[0], 2).items[0]] == pytest.approx([1, 1], abs=1e-6)
    assert len(near_duplicate_groups(index, 1.0).groups) == 5


def test_closeness_is_measured_against_random_pairs(tmp_path: Path) -> None:
    index = SimilarityIndex(index_of(tmp_path, random_rows(COUNT, 8)))
    pairs = RandomPairs(index.snapshot)
    unit = index.snapshot.vectors(slice(None))
    every = (unit @ unit.T)[np.triu_indices(COUNT, 1)]
    for least, name in ((0.998, "very_close"), (0.97, "close"), (0.85, "somewhat"), (0.4, "chance")):
        similarity = float(np.quantile(every, least))
        assert pairs.share_below(similarity) == pytest.approx(least, abs=0.03)
        assert pairs.closeness(similarity) == name
    assert pairs.closeness(0.9999) == "equal"


def test_a_cells_of_a_smaller_collection_is_made_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (search, cell_building):
        monkeypatch.setattr(module, "EXACT_ROWS", 100)
    update_cells(folder, quiet)
    opened = open_cells(SimilarityIndex(folder).snapshot)
    assert opened is not None and opened.rows == COUNT
