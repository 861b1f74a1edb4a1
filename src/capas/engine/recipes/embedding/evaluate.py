"""How good an encoder is that learnt without labels: does it know an example again, and does it tell examples apart?

``view_recall``: each test example is varied as in training, and its view is looked for among all test examples by
cosine. An encoder that keeps what matters finds the example itself; one that collapsed finds any.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from capas.core.errors import CapasError
from capas.engine.recipe import TestResult
from capas.metrics.rate import rate
from capas.metrics.representation import collapse

MAX_EXAMPLES: Final = 2000
CHUNK: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewSearch:
    """Views searched for among their originals.

    Attributes:
        nearest: Index of the original most similar to each view, int64 (N,).
        similarity: Its cosine, (N,).
        twins: Index of the original that is most similar to each original, itself left out, (N,).
        twin_similarity: Its cosine, (N,).
    """

    nearest: Tensor
    similarity: Tensor
    twins: Tensor
    twin_similarity: Tensor

    @property
    def found(self) -> int:
        """How many views find their own original."""
        return int((self.nearest == torch.arange(len(self.nearest))).sum())


def search_views(originals: Float[Tensor, "N D"], views: Float[Tensor, "N D"]) -> ViewSearch:
    """Look for each view among the originals; row i of both is the same example."""
    known = F.normalize(originals, dim=1)
    columns: tuple[list[Tensor], ...] = ([], [], [], [])
    for start in range(0, len(known), CHUNK):
        part = slice(start, start + CHUNK)
        seen = F.normalize(views[part], dim=1) @ known.T
        among = known[part] @ known.T
        among[torch.arange(len(among)), torch.arange(start, start + len(among))] = -2.0
        for column, (value, index) in ((0, seen.max(1)), (2, among.max(1))):
            columns[column].append(index)
            columns[column + 1].append(value)
    nearest, similarity, twins, twin_similarity = map(torch.cat, columns)
    return ViewSearch(nearest=nearest, similarity=similarity, twins=twins, twin_similarity=twin_similarity)


def check_enough_examples(count: int, where: str) -> None:
    """Raise CapasError ``too_few_to_compare`` where there are fewer than two examples to look for among."""
    if count < 2:
        raise CapasError("too_few_to_compare", where=where, received=count)


def evaluate_embeddings(
    names: Sequence[str],
    embed: Callable[[], tuple[Tensor, Tensor]],
    baselines: Mapping[str, Callable[[], tuple[Tensor, Tensor]]],
) -> TestResult:
    """Return the result on test examples.

    Args:
        names: Names of the examples, two or more.
        embed: Gives the vectors of the examples and of a view of each, (N, D) both.
        baselines: The same for what it is compared with, by name.
    """
    originals, views = embed()
    search, n = search_views(originals, views), len(names)
    rows: list[list[str]] = [["input", "nearest", "similarity", "view_found"]]
    for i, name in enumerate(names):
        found = str(int(search.nearest[i]) == i).lower()
        rows.append([name, names[int(search.twins[i])], f"{float(search.twin_similarity[i]):.4f}", found])
    others = {
        name: {"view_recall": rate(search_views(*features()).found, n).as_json()}
        for name, features in baselines.items()
    }
    return TestResult(
        n=n, metrics={"view_recall": rate(search.found, n).as_json()}, baseline=others, rows=rows,
        further={"collapse": collapse(originals).as_json()},
    )  # fmt: skip
