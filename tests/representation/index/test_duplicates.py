"""Groups of near duplicates against their definition, in blocks of any size."""

import numpy as np
import pytest
from numpy.typing import NDArray

from capas.representation.index import duplicates, exact_search
from capas.representation.index.duplicates import SimilarGroup, count_neighbours, group_similar
from capas.representation.vectors import unit_length


def quiet(done: int, total: int) -> None:
    """No progress."""


def groups_of(
    rows: NDArray[np.float32], least: float, looked_at: NDArray[np.int64] | None = None
) -> list[SimilarGroup]:
    chosen = np.arange(len(rows)) if looked_at is None else looked_at
    counts = count_neighbours(rows.__getitem__, chosen, least, quiet)
    return group_similar(rows.__getitem__, chosen, counts, least, quiet)


def by_definition(rows: NDArray[np.float32], least: float) -> tuple[list[int], set[frozenset[int]]]:
    """Numbers of neighbours, and the groups, one row after the other."""
    alike = rows @ rows.T >= least
    np.fill_diagonal(alike, False)
    counts = alike.sum(axis=1)
    free, groups = set(range(len(rows))), set()
    for row in sorted(free, key=lambda one: (-counts[one], one)):
        if row in free:
            members = {other for other in free if alike[row, other]} | {row}
            free -= members
            groups |= {frozenset(members)} if len(members) > 1 else set()
    return counts.tolist(), groups


@pytest.mark.parametrize("size", [3, 7, 1000])
def test_blocks_make_no_difference(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    rows = unit_length(rng.standard_normal((12, 3))[rng.integers(0, 12, 60)] + 0.1 * rng.standard_normal((60, 3)))
    monkeypatch.setattr(duplicates, "QUERY_ROWS", size)
    monkeypatch.setattr(duplicates, "BLOCK_ROWS", size + 1)
    monkeypatch.setattr(exact_search, "BLOCK_ROWS", size + 2)
    counts, groups = by_definition(rows, 0.98)
    assert len(groups) > 5
    assert count_neighbours(rows.__getitem__, np.arange(60), 0.98, quiet).tolist() == counts
    found = groups_of(rows, 0.98)
    assert {frozenset(group.rows) for group in found} == groups
    assert [len(group.rows) for group in found] == sorted((len(group) for group in groups), reverse=True)


def test_a_chain_is_not_one_group() -> None:
    angles = np.deg2rad(np.arange(0, 90, 10))
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = groups_of(rows, float(np.cos(np.deg2rad(10.5))))
    assert [sorted(group.rows) for group in found] == [[0, 1, 2], [3, 4], [5, 6], [7, 8]]
    assert [group.rows[0] for group in found] == [1, 3, 5, 7]
    np.testing.assert_allclose(found[0].similarities, [1, np.cos(np.deg2rad(10)), np.cos(np.deg2rad(10))], atol=1e-6)


def test_only_the_rows_that_are_looked_at_are_grouped() -> None:
    rows = np.ones((6, 2), np.float32) / np.float32(np.sqrt(2))
    assert [group.rows for group in groups_of(rows, 0.99, np.array([1, 3, 4]))] == [[1, 3, 4]]
    assert groups_of(rows, 0.99, np.array([2])) == [] and groups_of(rows, 0.99, np.array([], np.int64)) == []


def test_nothing_alike_is_no_group() -> None:
    assert groups_of(np.eye(4, dtype=np.float32), 0.97) == []
