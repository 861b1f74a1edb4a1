"""Are two examples of the same identity? The probability, and the decision of least expected cost.

The cosine of two embeddings becomes a likelihood ratio, and with a prior a probability (``metrics.pair_calibration``).
"The same" is said from the probability on from which it costs less on average; the error rates at that point are those
of the model's test, on identities that it never saw.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from capas.bundle.card import Card
from capas.core.errors import CapasError
from capas.data.naming import normalise_name
from capas.data.tabular.column_types import class_label
from capas.data.tabular.io import read_table
from capas.engine.predict import Model, load_model
from capas.engine.recipe import Item
from capas.engine.recipes.verification.predictor import VerificationPredictor
from capas.metrics.pair_calibration import least_probability
from capas.metrics.rate import Rate

CHUNK: Final = 64
MAX_FILES: Final = 5000  # all with all: 12.5 million pairs
COSTS: Final = (1e-12, 1e12)  # beyond, one of the two errors does not matter at all
PAIR_COLUMNS: Final = (("first", "second"), ("primero", "segundo"), ("a", "b"))

Words = Literal["almost_certain", "likely", "open", "unlikely", "almost_excluded"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatingPoint:
    """What is assumed before looking, and what errors cost.

    Attributes:
        prior: Probability that two examples are of the same identity, in (0, 1).
        cost_false_match: Of taking different ones for the same, in ``COSTS``.
        cost_false_non_match: Of taking the same for different ones, in ``COSTS``; only the ratio of the two matters.

    Raises:
        CapasError: ``same_number``.
    """

    prior: float = 0.5
    cost_false_match: float = 1.0
    cost_false_non_match: float = 1.0

    def __post_init__(self) -> None:
        bounds = {"prior": (1e-9, 1 - 1e-9), "cost_false_match": COSTS, "cost_false_non_match": COSTS}
        for name, (low, high) in bounds.items():
            value: float = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                known = f"{low:g} – {high:g}" if name != "prior" else "0 < prior < 1"
                raise CapasError("same_number", where=name.replace("_", "-"), received=value, known=known)

    @property
    def least_probability(self) -> float:
        """The probability from which on "the same" costs less on average."""
        return least_probability(self.cost_false_match, self.cost_false_non_match)


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedPair:
    """Two examples compared.

    Attributes:
        first: Name of the first.
        second: Name of the second.
        cosine: Similarity of their embeddings, in [-1, 1].
        probability: That they are of the same identity, in (0, 1).
        same: The decision of least expected cost.
    """

    first: str
    second: str
    cosine: float
    probability: float
    same: bool

    @property
    def words(self) -> Words:
        """The probability in words."""
        p = self.probability
        steps: tuple[tuple[float, Words], ...] = (
            (0.99, "almost_certain"), (0.8, "likely"), (0.2, "open"), (0.01, "unlikely"),
        )  # fmt: skip
        return next((word for least, word in steps if p >= least), "almost_excluded")

    def as_json(self) -> dict[str, object]:
        """Return it for ``--json``."""
        return {
            "first": self.first, "second": self.second, "same": self.same, "probability": round(self.probability, 6),
            "cosine": round(self.cosine, 6),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedPairs:
    """Pairs compared.

    Attributes:
        pairs: Those that could be compared; of ``compare_all`` those taken for the same, the most probable first.
        total: How many were to be compared.
        failed: Why a file could not be read, by its name.
    """

    pairs: Sequence[ComparedPair]
    total: int
    failed: dict[str, str]


class Verifier:
    """A trained verification model at an operating point.

    Attributes:
        card: The model's card.
        point: Prior and costs.
        threshold: The cosine from which on "the same" is said; infinite where always the same answer is given.
        false_match: Share of different ones taken for the same at that point, on the test pairs.
        false_non_match: Share of the same taken for different, on the test pairs.
        overconfident: Whether the probabilities were fitted to identities that were trained on.
    """

    def __init__(self, model: Model, predictor: VerificationPredictor, point: OperatingPoint) -> None:
        self.card: Card = model.card
        self.point = point
        self._model = model
        self._predictor = predictor
        answers = predictor.answers
        threshold = answers.calibration.threshold(point.least_probability, point.prior)
        # No cosine is beyond 1; a rounding error may be.
        self.threshold = threshold if abs(threshold) <= 1 else math.copysign(math.inf, threshold)
        rates: tuple[Rate, Rate] = answers.errors.at(self.threshold)
        self.false_match, self.false_non_match = rates
        self.overconfident = answers.calibrated_on.split == "train"

    def compare(self, first: object, second: object) -> ComparedPair:
        """Compare two paths, or arrays where the model takes pictures. Raises CapasError where one cannot be used."""
        items = [self._predictor.item(content, number) for number, content in enumerate((first, second))]
        vectors = self._embed([self._predictor.preprocess(item) for item in items])
        return self._compared(items[0].name, items[1].name, float(vectors[0] @ vectors[1]))

    def compare_pairs(
        self, pairs: Sequence[tuple[Path, Path]], progress: Progress = lambda d, t: None
    ) -> ComparedPairs:
        """Compare pairs of files; each file is read once."""
        files = list(dict.fromkeys(path for pair in pairs for path in pair))
        vectors, failed = self._vectors([Item(name=str(path), content=path) for path in files], progress)
        done = [
            self._compared(str(a), str(b), float(vectors[str(a)] @ vectors[str(b)]))
            for a, b in pairs if str(a) in vectors and str(b) in vectors
        ]  # fmt: skip
        return ComparedPairs(pairs=done, total=len(pairs), failed=failed)

    def compare_all(self, folder: str, progress: Progress = lambda d, t: None) -> ComparedPairs:
        """Compare all files of a folder with each other. Raises CapasError ``too_many_pairs`` or ``same_needs_two``."""
        items = list(self._predictor.items([folder], ()))
        if len(items) < 2:
            raise CapasError("same_needs_two", where=folder, received=len(items))
        if len(items) > MAX_FILES:
            raise CapasError("too_many_pairs", where=folder, received=len(items), known=MAX_FILES)
        vectors, failed = self._vectors(items, progress)
        found = [pair for pair in self._all_pairs(vectors) if pair.same]
        found.sort(key=lambda pair: (-pair.cosine, pair.first, pair.second))
        return ComparedPairs(pairs=found, total=len(vectors) * (len(vectors) - 1) // 2, failed=failed)

    def _all_pairs(self, vectors: dict[str, NDArray[np.float64]]) -> Iterator[ComparedPair]:
        """All pairs whose cosine may be enough; of the rest no object is made."""
        if len(vectors) < 2:
            return
        names, matrix = list(vectors), np.stack(list(vectors.values()))
        for row, name in enumerate(names[:-1]):
            cosines = matrix[row + 1 :] @ matrix[row]
            for column in np.flatnonzero(cosines >= self.threshold).tolist():
                yield self._compared(name, names[row + 1 + column], float(cosines[column]))

    def _vectors(
        self, items: Sequence[Item], progress: Progress
    ) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
        vectors, failed = dict[str, NDArray[np.float64]](), dict[str, str]()
        for start in range(0, len(items), CHUNK):
            ready, names = [], []
            for item in items[start : start + CHUNK]:
                try:
                    ready.append(self._predictor.preprocess(item))
                    names.append(item.name)
                except CapasError as error:
                    failed[item.name] = error.part("what")
            if ready:
                vectors.update(zip(names, self._embed(ready), strict=True))
            progress(min(start + CHUNK, len(items)), len(items))
        return vectors, failed

    def _embed(self, prepared: Sequence[object]) -> NDArray[np.float64]:
        unit: torch.Tensor = torch.nn.functional.normalize(self._predictor.embed(prepared).double(), dim=1)
        return unit.numpy()

    def _compared(self, first: str, second: str, cosine: float) -> ComparedPair:
        shares = self._predictor.answers.calibration.probability(np.array([cosine]), self.point.prior)
        return ComparedPair(
            first=first, second=second, cosine=cosine, probability=float(shares[0]), same=cosine >= self.threshold
        )


def open_verifier(where: str | Path, point: OperatingPoint | None = None, *, device: str = "cpu") -> Verifier:
    """Open the model of a run or bundle. Raises CapasError ``not_a_verifier`` and those of ``load_model``."""
    model = load_model(where, device=device)
    if not isinstance(model.predictor, VerificationPredictor):
        raise CapasError("not_a_verifier", where=where, received=f"{model.card.task} ({model.card.medium})")
    return Verifier(model, model.predictor, point or OperatingPoint())


def read_pairs(table: Path) -> list[tuple[Path, Path]]:
    """Return the pairs that the rows of a table name; paths are relative to the table.

    The columns are called first and second, or are the first two; rows without either are no pairs. Raises CapasError
    ``pairs_columns``, ``pairs_row`` where one of the two is missing, and those of ``read_table``.
    """
    columns = read_table(table).columns
    by_name = {normalise_name(name): name for name in columns}
    named = next(([by_name[a], by_name[b]] for a, b in PAIR_COLUMNS if a in by_name and b in by_name), None)
    chosen = named or list(columns)[:2]
    if len(chosen) < 2:
        raise CapasError("pairs_columns", where=table, received=", ".join(columns) or "–")
    cells = [[class_label(cell) or "" for cell in columns[name]] for name in chosen]
    pairs = []
    for row, (a, b) in enumerate(zip(*cells, strict=True), start=1):
        if bool(a) != bool(b):
            raise CapasError("pairs_row", where=table, received=row, known=a or b)
        if a:
            pairs.append((table.parent / a, table.parent / b))
    return pairs
