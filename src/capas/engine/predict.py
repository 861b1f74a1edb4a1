"""A model in use: inputs in, answers out; a bad input costs one refusal, not the job."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from capas.bundle.card import Card
from capas.bundle.export import ExportedModel, export_onnx
from capas.bundle.read import Bundle, read_bundle
from capas.bundle.shipped import model_folder
from capas.core.device import choose_device
from capas.core.errors import CapasError
from capas.engine.recipe import Item, Prediction, Predictor
from capas.engine.recipes import named_recipe
from capas.engine.run import find_run

PredictionGate = Callable[[Sequence[Item], Sequence[object], Sequence[Prediction]], Sequence[Prediction]]
"""Inputs, the same prepared, and the answers to them → what may be said; ``trust.guard`` has one that refuses."""


class Model:
    """A trained model, ready to answer; ``gate`` stands between its answers and whoever asked."""

    def __init__(self, bundle: Bundle, *, device: str = "cpu") -> None:
        self.bundle = bundle
        self.gate: PredictionGate | None = None
        self.device = choose_device(device)
        self.predictor: Predictor = named_recipe(bundle.card.task, bundle.card.medium).reopen(bundle)
        self.predictor.network.to(self.device)

    @property
    def card(self) -> Card:
        """What the model says of itself."""
        return self.bundle.card

    @property
    def classes(self) -> list[str]:
        """The possible answers, where they are classes or tags."""
        return self.card.classes

    def predict(self, inputs: Iterable[object], *, batch_size: int = 64) -> list[Prediction]:
        """Answers in the order of ``inputs``: paths of pictures or sounds, uint8 arrays H×W or H×W×C, texts, rows of a
        table as mappings, whatever the model was trained on."""
        items = (self.predictor.item(content, number) for number, content in enumerate(inputs))
        return list(self.stream(items, batch_size=batch_size))

    def stream(self, items: Iterable[Item], *, batch_size: int = 64) -> Iterator[Prediction]:
        """The same one after another, holding no more than a batch in memory."""
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
        predictions = self.predictor.predict([item.name for item in items], prepared)
        return predictions if self.gate is None else self.gate(items, prepared, predictions)

    def export(self, path: str | Path, inputs: Iterable[object] = ()) -> ExportedModel:
        """Write the model as ONNX, compared with torch on ``inputs``, or on made-up ones when none are given. Raises
        CapasError ``export_not_possible`` for a model that has no such form.
        """
        prepared = [self.predictor.preprocess(self.predictor.item(one, i)) for i, one in enumerate(inputs)]
        self.predictor.network.cpu()
        try:
            return export_onnx(self.predictor.exportable(prepared), Path(path))
        finally:
            self.predictor.network.to(self.device)


def load_model(where: str | Path, *, device: str = "cpu") -> Model:
    """The model of a run, of a bundle's folder, or one that comes with Capas (``bundle.shipped``). Raises CapasError
    when there is none, or on a foreign pickle."""
    folder = model_folder(where)
    if str(where) == "latest" or (folder / "config.toml").is_file():
        run = find_run(where)
        if not (run.bundle / "card.json").is_file():
            raise CapasError("run_unfinished", where=run.folder)
        folder = run.bundle
    return Model(read_bundle(folder), device=device)
