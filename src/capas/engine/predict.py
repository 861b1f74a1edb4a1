"""Inference with a trained model. An invalid input costs one refusal, not the whole job."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capas.bundle.card import Card
from capas.bundle.export import ExportedModel, export_onnx
from capas.bundle.read import Bundle, read_bundle
from capas.bundle.shipped import model_folder
from capas.bundle.size_bound import bounded_by
from capas.core.device import choose_device
from capas.core.errors import CapasError
from capas.engine.recipe import ChoosesDirection, Item, Prediction, Predictor
from capas.engine.recipes import named_recipe, recipe_for
from capas.engine.recipes.example_vectors import example_vectors
from capas.engine.recipes.shared.table_items import PredictorInputs
from capas.engine.run import find_finished_run

PredictionGate = Callable[[Sequence[Item], Sequence[object], Sequence[Prediction]], Sequence[Prediction]]
"""From inputs, the same prepared, and their predictions to what may be said of them; ``trust.ood.selective_prediction``
has one that refuses."""


class Model:
    """A trained model, ready to predict.

    Attributes:
        bundle: The files that it was loaded from.
        gate: Filter of its predictions, such as the refusal of out-of-distribution inputs; None for none.
        device: Where it computes.
        predictor: The recipe's pre- and postprocessing, with the network.
    """

    def __init__(self, bundle: Bundle, *, device: str = "cpu") -> None:
        self.bundle = bundle
        self.gate: PredictionGate | None = None
        self.device = choose_device(device)
        with bounded_by(bundle.tensors, where=bundle.folder):
            card = bundle.card
            recipe = recipe_for(card.spec) if card.spec.unpaired else named_recipe(card.task, card.medium)
            self.predictor: Predictor = recipe.reopen(bundle)
        self.predictor.network.to(self.device)

    @property
    def card(self) -> Card:
        """The model card."""
        return self.bundle.card

    @property
    def classes(self) -> list[str]:
        """Names of the classes or tags, in the order of the network's outputs; empty for other tasks."""
        return self.card.classes

    def turn(self, toward: str) -> None:
        """Turn a model of two collections without pairs towards one of them: its inputs become pictures of that.

        Raises CapasError ``collection_unknown``, and ``no_direction`` for any other model.
        """
        if not isinstance(self.predictor, ChoosesDirection):
            card = self.card
            raise CapasError("no_direction", where="--to", received=toward, network=card.network.name, task=card.task)
        self.predictor = self.predictor.toward(toward)

    def predict(self, inputs: Iterable[object], *, batch_size: int = 64) -> list[Prediction]:
        """Return the predictions, in the order of ``inputs``.

        Args:
            inputs: Whatever the model was trained on: paths of images or audio files, uint8 arrays H×W or H×W×C, texts,
                rows of a table as mappings.
            batch_size: Inputs per forward pass.
        """
        items = (self.predictor.item(content, number) for number, content in enumerate(inputs))
        return list(self.stream(items, batch_size=batch_size))

    def items(self, words: Sequence[str], lines: Iterable[str], *, sheet: str | None = None) -> Iterator[Item]:
        """Return the inputs that ``words`` name, as on the command line; "-" stands for ``lines``.

        A table gives an input a row: the row, its text, or the file that it names; of a workbook its ``sheet``, chosen
        if None.

        Raises:
            CapasError: Those of ``PredictorInputs.items``.
        """
        return PredictorInputs(card=self.card, read_items=self.predictor.items, sheet=sheet).items(words, lines)

    def stream(self, items: Iterable[Item], *, batch_size: int = 64) -> Iterator[Prediction]:
        """Yield the predictions of ``items`` in order, holding no more than a batch in memory."""
        source = iter(items)
        while batch := list(islice(source, batch_size)):
            yield from self._answer(batch)

    def _answer(self, batch: Sequence[Item]) -> Iterator[Prediction]:
        prepared: list[object] = []
        for item in batch:
            try:
                prepared.append(self.predictor.preprocess(item))
            except CapasError as error:
                prepared.append(error)
        good = [(item, p) for item, p in zip(batch, prepared, strict=True) if not isinstance(p, CapasError)]
        predictions = iter(self._allowed([item for item, _ in good], [p for _, p in good]) if good else ())
        for item, outcome in zip(batch, prepared, strict=True):
            if isinstance(outcome, CapasError):
                yield Prediction(input=item.name, refused=outcome.part("what"))
            else:
                yield next(predictions)

    def _allowed(self, items: Sequence[Item], prepared: Sequence[object]) -> Sequence[Prediction]:
        predictions = [
            one if _is_finite((one.prediction, one.probability, one.probabilities, one.facts))
            else Prediction(input=one.input, refused=CapasError("answer_not_finite", where=one.input).part("what"))
            for one in self.predictor.predict([item.name for item in items], prepared)
        ]  # fmt: skip
        return predictions if self.gate is None else self.gate(items, prepared, predictions)

    def embed(self, inputs: Iterable[object], *, batch_size: int = 64) -> NDArray[np.float32]:
        """Return the vectors (N, D) of inputs as ``predict`` takes them, in their order.

        A vector is the input of the last linear layer; of a model trained to embed, its output.

        Raises CapasError ``encoder_no_vectors`` where the model gives none for a whole input, and for an input that
        cannot be read.
        """
        items = [self.predictor.item(content, number) for number, content in enumerate(inputs)]
        rows = [
            example_vectors(self.predictor, [self.predictor.preprocess(item) for item in items[at : at + batch_size]])
            for at in range(0, len(items), batch_size)
        ]
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def export(self, path: str | Path, inputs: Iterable[object] = ()) -> ExportedModel:
        """Write the model as ONNX and compare it with torch on ``inputs``, by default on random ones.

        Raises CapasError ``export_not_possible`` for a model that has no such form.
        """
        prepared = [self.predictor.preprocess(self.predictor.item(one, i)) for i, one in enumerate(inputs)]
        self.predictor.network.cpu()
        try:
            return export_onnx(self.predictor.exportable(prepared), Path(path))
        finally:
            self.predictor.network.to(self.device)


def _is_finite(value: object) -> bool:
    """Whether no number in a value of JSON is NaN or infinite, as where a network's numbers overflow."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_is_finite, value.values()))
    return not isinstance(value, list | tuple) or all(map(_is_finite, value))


def load_model(where: str | Path, *, device: str = "cpu") -> Model:
    """Load the model of a run, of a bundle folder, or a shipped one by name (``capas.bundle.shipped``).

    Raises CapasError where there is none, where the run is unfinished, or on a pickle.
    """
    folder = model_folder(where)
    if str(where) == "latest" or (folder / "config.toml").is_file():
        folder = find_finished_run(where).bundle
    return Model(read_bundle(folder), device=device)
