"""Rows of a table that agree with a row of the training in all columns but one.

Copies that were edited, numbered or sampled with replacement agree in everything else. By the pigeonhole principle two
rows that differ in one of D ≥ 2 columns agree in all of the first or in all of the second half of them: candidates are
the rows that share a half, and are then compared cell by cell.

Rows of a few categories agree by chance. A pair counts only where its agreement is surprising: by the frequencies pₖ of
its values in training

    Σ −log pₖ ≥ 2 log N + ``MIN_SURPRISE``     over the columns that agree, of N training rows,

each column counted as if it were independent of the others; ``rate_by_chance`` shows how many rows agree as well once
every column is shuffled.

Shapes: N training and M test rows, D columns; values as codes, which are equal where the cells are.
"""

import math
from collections import defaultdict
from typing import Final

import numpy as np
from jaxtyping import Int

from capas.metrics.rate import Rate, rate
from capas.trust.leakage.train_test_overlap import Leak

MIN_SURPRISE: Final = 10.0  # nats
MIN_COLUMNS: Final = 3
_CANDIDATES: Final = 50


def near_duplicate_rows(
    train: Int[np.ndarray, "N D"], test: Int[np.ndarray, "M D"], *, max_different: int = 1
) -> tuple[Leak, ...]:
    """Return for each test row the training row that it is most like, if at most ``max_different`` columns differ.

    A column of which no value occurs twice numbers the rows, and does not count.
    """
    both = np.concatenate([train, test])
    counted = [k for k in range(both.shape[1]) if len(np.unique(both[:, k])) < len(both)]
    n, columns = len(train), len(counted)
    if columns < MIN_COLUMNS or not n or not len(test):
        return ()
    held, asked = train[:, counted], test[:, counted]
    surprise = _surprise(held, asked)
    halves = [list(range(columns // 2)), list(range(columns // 2, columns))]
    buckets = [_buckets(held[:, half]) for half in halves]
    found = []
    for j, row in enumerate(asked):
        near = {i for half, held_by in zip(halves, buckets, strict=True)
                for i in held_by.get(row[half].tobytes(), ())[:_CANDIDATES]}  # fmt: skip
        candidates = np.array(sorted(near), dtype=np.int64)
        if not len(candidates):
            continue
        same = held[candidates] == row
        enough = (same @ surprise[j] >= 2 * math.log(n) + MIN_SURPRISE) & ((~same).sum(1) <= max_different)
        if enough.any():
            agreeing = np.where(enough, same.sum(1), -1)
            best = int(agreeing.argmax())
            found.append(Leak(test=j, train=int(candidates[best]), similarity=float(agreeing[best]) / columns,
                              mirrored=False))  # fmt: skip
    return tuple(found)


def rate_by_chance(train: Int[np.ndarray, "N D"], test: Int[np.ndarray, "M D"], rng: np.random.Generator) -> Rate:
    """Return how many test rows are like a training row once every column of them is shuffled."""
    mixed = np.stack([rng.permutation(column) for column in test.T], 1) if test.size else test
    return rate(len(near_duplicate_rows(train, mixed)), len(test))


def _buckets(rows: Int[np.ndarray, "N H"]) -> dict[bytes, list[int]]:
    found: dict[bytes, list[int]] = defaultdict(list)
    for i, row in enumerate(np.ascontiguousarray(rows)):
        found[row.tobytes()].append(i)
    return found


def _surprise(held: Int[np.ndarray, "N D"], asked: Int[np.ndarray, "M D"]) -> np.ndarray:
    """−log of the share that each value of each test row has among the training rows, (M, D)."""
    found = np.empty(asked.shape)
    for k, (known, values) in enumerate(zip(held.T, asked.T, strict=True)):
        codes, counts = np.unique(known, return_counts=True)
        places = np.searchsorted(codes, values).clip(max=len(codes) - 1)
        own = np.where(codes[places] == values, counts[places], 1)
        found[:, k] = -np.log(own / len(known))
    return found
