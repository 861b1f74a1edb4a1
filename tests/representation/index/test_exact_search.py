"""The exact search against sorting everything."""

import numpy as np
import pytest
from numpy.typing import NDArray

from capas.representation.index import exact_search
from capas.representation.index.exact_search import SimilaritiesOf, exact_nearest, row_blocks
from capas.representation.vectors import unit_length
from tests.representation.index.made_index import random_rows


def cosines_of(vectors: NDArray[np.float32]) -> SimilaritiesOf:
    return lambda queries, rows: queries @ vectors[rows].T


@pytest.mark.parametrize("size", [4, 9, 1000])
@pytest.mark.parametrize("k", [1, 5, 50])
def test_blocks_find_what_sorting_everything_finds(size: int, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_search, "BLOCK_ROWS", size)
    vectors, queries = unit_length(random_rows(40)), unit_length(random_rows(3, seed=1))
    rows = np.flatnonzero(np.arange(40) % 3)
    found, similar = exact_nearest(cosines_of(vectors), queries, k, rows)
    every = queries @ vectors[rows].T
    expected = rows[np.argsort(-every, axis=1)[:, :k]]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(similar, np.sort(every, axis=1)[:, ::-1][:, :k], rtol=1e-5)


@pytest.mark.parametrize("size", [3, 1000])
def test_of_equal_rows_the_first_come_first(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_search, "BLOCK_ROWS", size)
    same = np.tile(np.float32([[0.6, 0.8]]), (10, 1))
    found, similar = exact_nearest(cosines_of(same), same[:1], 4, np.arange(1, 10))
    assert found.tolist() == [[1, 2, 3, 4]]
    np.testing.assert_allclose(similar, 1, atol=1e-6)


def test_no_rows_and_no_queries_find_nothing() -> None:
    vectors = unit_length(random_rows(3))
    assert exact_nearest(cosines_of(vectors), vectors, 5, np.array([], np.int64))[0].shape == (3, 0)
    assert exact_nearest(cosines_of(vectors), vectors[:0], 5, np.arange(3))[0].shape == (0, 3)


def test_rows_without_gaps_are_slices() -> None:
    blocks = list(row_blocks(np.array([4, 5, 6])))
    assert blocks == [slice(4, 7)]
    assert isinstance(next(iter(row_blocks(np.array([4, 6])))), np.ndarray)
