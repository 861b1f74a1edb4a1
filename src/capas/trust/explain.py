"""Why this answer? For one input: where in a picture or sound, which words, which columns it rests on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.spec import Spec
from capas.data.tables import Cell
from capas.engine.predict import Model
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.one_answer import OneAnswerModel
from capas.engine.recipes.pictures import PictureReader, read_picture
from capas.engine.recipes.rows import RowReader
from capas.engine.recipes.sounds import SoundReader
from capas.engine.recipes.texts import TextReader
from capas.engine.recipes.translation import TranslationModel
from capas.trust.attention_maps import ATTENTION, attention_to_words, attentive
from capas.trust.looked_at import TO_SOURCE, ExplainedTranslation, explained_translation
from capas.trust.map_ways import class_activation, maps_by_name
from capas.trust.own_size import at_own_size
from capas.trust.parts import Parts, columns_of, contributions, stretches_of, typical_of, words_of
from capas.trust.pictured import picture_of
from capas.trust.pixels import Pixels, as_shares

STEPS = 64
PICTURE_WAYS: Final = ("integrated_gradients", "occlusion", "gradient", "grad_cam")


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """``answer`` is what the model says; ``of`` the class, tag or number that is explained. A picture (of its own size,
    2048 pixels a side at most) or sound has a ``picture`` to look at and ``heat`` (H×W, 0..1: what speaks for it); a
    text, row or sound has ``parts`` with what each brings (of a class: probability lost without it; of a number: in its
    unit; by attention: its share)."""

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


Explained = Explanation | ExplainedTranslation


def explainer_of(model: Model, by: str | None = None) -> Callable[[Item, str | None], Explained]:
    """What explains one input of ``model``, given with the class, tag or number that is asked for instead of the
    answer; ``by`` names another way than the usual one. Raises CapasError ``explain_other_kind`` or ``no_such_way``."""
    if isinstance(model.answering, OneAnswerModel):
        return Explainer(model.answering, model.card.spec, by).explain
    if not isinstance(model.answering, TranslationModel):
        received = f"{model.card.task} ({model.card.medium})"
        raise CapasError("explain_other_kind", where=model.bundle.folder, received=received)
    if by not in (None, TO_SOURCE):
        raise CapasError("no_such_way", where="--by", received=by, known=TO_SOURCE)
    translator = model.answering

    def explain(item: Item, of: str | None) -> ExplainedTranslation:
        if of is not None:
            raise CapasError("no_such_answer", where="--of", received=of, known="–")
        return explained_translation(translator, item)

    return explain


class Explainer:
    """A model with one answer per input that is asked why, in the first of its ``ways`` if not ``by`` another. Raises
    CapasError ``no_such_way``."""

    def __init__(self, answering: OneAnswerModel[object], spec: Spec, by: str | None = None) -> None:
        self.answering = answering
        self.reader = answering.reader
        self.spec = spec
        ways = self._ways()
        if by is not None and by not in ways:
            raise CapasError("no_such_way", where="--by", received=by, known=", ".join(ways))
        self.way = by or ways[0]

    def _ways(self) -> tuple[str, ...]:
        if isinstance(self.reader, PictureReader):
            return PICTURE_WAYS
        return ("leave_one_out", *(ATTENTION if attentive(self.reader) is not None else ()))

    def explain(self, item: Item, of: str | None = None) -> Explanation:
        """One input; ``of`` names another class, tag or number than the one that is answered. Raises CapasError."""
        prepared = self.reader.read(item)
        (answer,) = self.answering.answer([item.name], [prepared])
        output, name = self._output(prepared, of)
        if isinstance(self.reader, PictureReader):
            heat = self._heat(self.reader, prepared, output)
            picture, laid = at_own_size(read_picture(item), heat, self.reader.preparation)
            return Explanation(answer=answer, of=name, method=self.way, picture=picture, heat=laid)
        names, weights = self._weights(item, prepared, output)
        listed = list(zip(names, weights.tolist(), strict=True))
        shown = None
        if isinstance(self.reader, SoundReader):
            shown = picture_of(self.reader, prepared)
        over = None if shown is None else _over_time(weights, shown.shape[:2])
        return Explanation(answer=answer, of=name, method=self.way, parts=listed, picture=shown, heat=over)

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

    def _heat(self, reader: PictureReader, prepared: object, output: int) -> NDArray[np.float32]:
        """What speaks for the answer, at the size that the network sees: 0..1."""
        x = as_shares([prepared])
        background = torch.tensor(reader.preparation.mean).view(-1, 1, 1).expand_as(x[0])
        ways = {**maps_by_name(background, STEPS), "grad_cam": class_activation}
        heat = ways[self.way](Pixels(reader), x, torch.tensor([output]))[0].clamp(min=0)
        shares: NDArray[np.float32] = (heat / torch.quantile(heat.flatten(), 0.99).clamp(min=1e-12)).clamp(0, 1).numpy()
        return shares

    def _weights(self, item: Item, prepared: object, output: int) -> tuple[Sequence[str], Tensor]:
        """What each part brings, or its share of the attention."""
        parts = self._parts(item, prepared)
        if isinstance(self.reader, TextReader) and self.way in ATTENTION:
            return parts.names, attention_to_words(self.reader, parts.names, str(prepared))[self.way]
        found = contributions(parts, lambda inputs: self._answers(inputs)[:, output].float())
        return found.names, found.weights

    def _parts(self, item: Item, prepared: object) -> Parts:
        if isinstance(self.reader, TextReader):
            return words_of(str(prepared))
        if isinstance(self.reader, SoundReader):
            assert isinstance(prepared, np.ndarray)
            return stretches_of(prepared, self.reader.preparation.rate)
        assert isinstance(self.reader, RowReader)
        row = cast(Mapping[str, Cell], item.content)
        return columns_of(self.reader, row, typical_of(self.reader.preparation))


def _over_time(weights: Tensor, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The weights of stretches of time as columns of a spectrogram."""
    weights = weights.clamp(min=0)
    weights = (weights / weights.max().clamp(min=1e-12)).float()
    columns = torch.nn.functional.interpolate(weights[None, None], size=shape[1], mode="nearest")[0, 0]
    heat: NDArray[np.float32] = columns.expand(shape[0], -1).numpy()
    return heat
