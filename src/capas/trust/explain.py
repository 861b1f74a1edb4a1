"""Why this answer? For one input: where in a picture or sound, which words, which columns it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.core.errors import CapasError
from capas.data.tables import Cell
from capas.engine.predict import Model
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.one_answer import OneAnswerModel
from capas.engine.recipes.pictures import PictureReader
from capas.engine.recipes.rows import RowReader
from capas.engine.recipes.sounds import SoundReader
from capas.engine.recipes.texts import TextReader
from capas.trust.parts import Contributions, Parts, columns_of, contributions, stretches_of, typical_of, words_of
from capas.trust.pictured import picture_of
from capas.trust.pixels import Pixels, as_shares
from capas.trust.saliency import integrated_gradients

STEPS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """``answer`` is what the model says; ``of`` the class, tag or number that is explained. A picture or sound has a
    ``picture`` to look at and ``heat`` (H×W, 0..1: what speaks for it); a text, row or sound has ``parts`` with what
    each brings (of a class: probability lost without it; of a number: in its unit)."""

    answer: Prediction
    of: str
    method: str
    parts: Sequence[tuple[str, float]] = ()
    picture: NDArray[np.uint8] | None = None
    heat: NDArray[np.float32] | None = None

    def as_json(self) -> dict[str, object]:
        """The form of ``capas explain --json``."""
        return {
            **self.answer.as_json(),
            "explained": self.of,
            "method": self.method,
            "parts": [{"part": name, "weight": round(weight, 6)} for name, weight in self.parts],
        }


class Explainer:
    """A model that is asked why. Raises CapasError ``explain_other_kind`` for one that gives no single answer."""

    def __init__(self, model: Model) -> None:
        if not isinstance(model.answering, OneAnswerModel):
            received = f"{model.card.task} ({model.card.medium})"
            raise CapasError("explain_other_kind", where=model.bundle.folder, received=received)
        self.answering = model.answering
        self.reader = model.answering.reader
        self.spec = model.card.spec

    def explain(self, item: Item, of: str | None = None) -> Explanation:
        """One input; ``of`` names another class, tag or number than the one that is answered. Raises CapasError."""
        prepared = self.reader.read(item)
        (answer,) = self.answering.answer([item.name], [prepared])
        output, name = self._output(prepared, of)
        if isinstance(self.reader, PictureReader):
            return self._picture(self.reader, prepared, answer, output, name)
        parts = self._parts(item, prepared)
        found = contributions(parts, lambda inputs: self._answers(inputs)[:, output].float())
        listed = list(zip(found.names, found.weights.tolist(), strict=True))
        picture = heat = None
        if isinstance(self.reader, SoundReader):
            picture = picture_of(self.reader, prepared)
            heat = _over_time(found, cast(NDArray[np.uint8], picture).shape[:2])
        return Explanation(answer=answer, of=name, method="leave_one_out", parts=listed, picture=picture, heat=heat)

    @torch.no_grad()
    def _answers(self, prepared: Sequence[object]) -> Tensor:
        outputs: Tensor = self.answering.network(self.reader.collate(prepared))
        return self.answering.answers.activate(outputs.float())

    def _output(self, prepared: object, of: str | None) -> tuple[int, str]:
        names = list(self.spec.classes) or [field.name for field in self.spec.targets]
        if of is not None:
            if of not in names:
                raise CapasError("no_such_answer", where="--of", received=of, known=", ".join(names[:20]))
            return names.index(of), of
        best = int(self._answers([prepared])[0].argmax()) if self.spec.classes else 0
        return best, names[best]

    def _picture(
        self, reader: PictureReader, prepared: object, answer: Prediction, output: int, name: str
    ) -> Explanation:
        x = as_shares([prepared])
        background = torch.tensor(reader.preparation.mean).view(1, -1, 1, 1).expand_as(x)
        maps = integrated_gradients(Pixels(reader), x, torch.tensor([output]), baseline=background, steps=STEPS)
        heat = maps[0].clamp(min=0)
        heat = (heat / torch.quantile(heat.flatten(), 0.99).clamp(min=1e-12)).clamp(0, 1)
        return Explanation(answer=answer, of=name, method="integrated_gradients",
                           picture=picture_of(reader, prepared), heat=heat.numpy())  # fmt: skip

    def _parts(self, item: Item, prepared: object) -> Parts:
        if isinstance(self.reader, TextReader):
            return words_of(str(prepared))
        if isinstance(self.reader, SoundReader):
            assert isinstance(prepared, np.ndarray)
            return stretches_of(prepared, self.reader.preparation.rate)
        assert isinstance(self.reader, RowReader)
        row = cast(Mapping[str, Cell], item.content)
        return columns_of(self.reader, row, typical_of(self.reader.preparation))


def _over_time(found: Contributions, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The weights of stretches of time as columns of a spectrogram."""
    weights = found.weights.clamp(min=0)
    weights = (weights / weights.max().clamp(min=1e-12)).float()
    columns = torch.nn.functional.interpolate(weights[None, None], size=shape[1], mode="nearest")[0, 0]
    heat: NDArray[np.float32] = columns.expand(shape[0], -1).numpy()
    return heat
