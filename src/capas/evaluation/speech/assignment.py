"""The one-to-one assignment of greatest total value (Kuhn 1955; shortest augmenting paths with potentials, Jonker &
Volgenant, "A Shortest Augmenting Path Algorithm for Dense and Sparse Linear Assignment Problems", Computing 38, 1987).
"""

from collections.abc import Sequence
from math import inf


def max_value_assignment(values: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Pairs (row, column) of the assignment with the greatest sum of ``values`` (R rows of C ≥ 0), exact, O(n³).

    Pairs of no value are left out.

    >>> max_value_assignment([[3, 5], [2, 5]])
    [(0, 0), (1, 1)]
    """
    if not values or not values[0]:
        return []
    if len(values) > len(values[0]):
        turned = [[row[j] for row in values] for j in range(len(values[0]))]
        return sorted((i, j) for j, i in max_value_assignment(turned))
    row_of = _matched(values)
    pairs = [(i, j) for j, i in enumerate(row_of) if i is not None]
    return sorted((i, j) for i, j in pairs if values[i][j] > 0)


def _matched(values: Sequence[Sequence[float]]) -> list[int | None]:
    """For each column the row that takes it; rows are no more than columns."""
    columns = len(values[0])
    row_price, column_price = [0.0] * len(values), [0.0] * (columns + 1)
    row_of: list[int | None] = [None] * (columns + 1)
    start = columns  # a column of no one, from which each row sets out
    for row in range(len(values)):
        row_of[start] = row
        slack, came_from, used = [inf] * columns, [start] * columns, [False] * (columns + 1)
        here = start
        while (own := row_of[here]) is not None:
            used[here] = True
            for j in range(columns):
                if not used[j]:
                    cost = -values[own][j] - row_price[own] - column_price[j]
                    if cost < slack[j]:
                        slack[j], came_from[j] = cost, here
            nearest = min((j for j in range(columns) if not used[j]), key=slack.__getitem__)
            step = slack[nearest]
            for j in range(columns + 1):
                taken = row_of[j]
                if used[j] and taken is not None:
                    row_price[taken] += step
                    column_price[j] -= step
                elif j < columns:
                    slack[j] -= step
            here = nearest
        while here != start:
            row_of[here], here = row_of[came_from[here]], came_from[here]
    return row_of[:columns]
