"""A model that answers only what resembles its training data; anything else is refused, with the reason and where."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from capas.core.figures import percent
from capas.core.messages import say
from capas.engine.predict import Model, load_model
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.mask_answers import SeenPicture
from capas.engine.recipes.one_answer import OneAnswerModel, Reader
from capas.engine.recipes.pictures import PictureReader, read_picture
from capas.trust.detector import Detector, load_detector
from capas.trust.many import Sensing
from capas.trust.many_kinds import sense_of
from capas.trust.own_size import at_own_size
from capas.trust.pictured import picture_of
from capas.trust.pictures import overlaid

HEAT = ".unlike.png"
SURE = 0.999  # more is not said: the check examples are some hundreds or thousands


def load_guarded(where: str | Path, *, device: str = "cpu", answer_all: bool = False) -> Model:
    """The model of a run or bundle. Where the trust report left a detector beside it, inputs that do not resemble the
    training data are refused, or with ``answer_all`` answered and marked. Raises CapasError."""
    model = load_model(where, device=device)
    detector = load_detector(model.bundle.folder, model.card)
    if detector is None:
        return model
    if isinstance(model.answering, OneAnswerModel):
        model.gate = Guard(detector, OneSense(detector, model.answering.reader), answer_all=answer_all)
    else:
        answers = sense_of(model.answering)
        if answers is not None:
            model.gate = Guard(detector, ManySense(detector, answers), answer_all=answer_all)
    return model


@runtime_checkable
class Sense(Protocol):
    """How inputs look to a detector."""

    def scores(self, prepared: Sequence[object]) -> dict[str, Tensor]:
        """Every score of prepared inputs (N each)."""

    def shown(self, item: Item, prepared: object) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
        """A picture of an input, and where it could not be redrawn (0..1); None where there is no such."""


class OneSense:
    """``Sense`` for a model with one answer per example."""

    def __init__(self, detector: Detector, reader: Reader[object]) -> None:
        self.detector = detector
        self.reader = reader

    def scores(self, prepared: Sequence[object]) -> dict[str, Tensor]:
        return self.detector.scores(self.reader, prepared)

    def shown(self, item: Item, prepared: object) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
        picture, heat = picture_of(self.reader, prepared), self.detector.heat(prepared)
        if picture is None or heat is None:
            return None
        if isinstance(self.reader, PictureReader):
            return at_own_size(read_picture(item), heat.numpy(), self.reader.preparation)
        return picture, heat.numpy()


class ManySense:
    """``Sense`` for a model with many answers per example."""

    def __init__(self, detector: Detector, sensing: Sensing) -> None:
        self.detector = detector
        self.sensing = sensing

    def scores(self, prepared: Sequence[object]) -> dict[str, Tensor]:
        return self.detector.scores_of_many([self.sensing.sensed(one) for one in prepared])

    def shown(self, item: Item, prepared: object) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
        return self.redrawn(prepared)

    def redrawn(self, prepared: object) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
        """As ``shown``: what was prepared still knows its picture."""
        picture, sensed = self.sensing.picture(prepared), self.sensing.sensed(prepared)
        if picture is None or sensed.views is None or not sensed.whole:
            return None
        heat = self.detector.heat_of(sensed.views)
        if heat is None:
            return None
        if isinstance(prepared, SeenPicture):  # a whole picture is squashed, so enlarging it undoes that
            picture = prepared.shown[..., 0] if prepared.shown.shape[2:] == (1,) else prepared.shown
        size = (picture.shape[0], picture.shape[1])
        return picture, functional.interpolate(heat[None, None], size, mode="bilinear")[0, 0].numpy()


class Guard:
    """Goes between a model's answers and whoever asked."""

    def __init__(self, detector: Detector, sense: Sense, *, answer_all: bool) -> None:
        self.detector = detector
        self.sense = sense
        self.answer_all = answer_all

    def __call__(
        self, items: Sequence[Item], prepared: Sequence[object], answers: Sequence[Prediction]
    ) -> list[Prediction]:
        """``answers`` with how unusual each input is; those that are too unusual refused."""
        combined = self.detector.combined
        assert combined is not None
        scores = self.sense.scores(prepared)
        shares, unusual = combined.more_unusual_than(scores).tolist(), combined.unusual(scores).tolist()
        return [
            self._refused(item, one, answer, share) if flagged else _marked(answer, share, flagged=False)
            for item, one, answer, share, flagged in zip(items, prepared, answers, shares, unusual, strict=True)
        ]

    def _refused(self, item: Item, prepared: object, answer: Prediction, share: float) -> Prediction:
        if self.answer_all:
            return _marked(answer, share, flagged=True)
        shown = self.sense.shown(item, prepared)
        files = {}
        if shown is not None:
            stream = io.BytesIO()
            Image.fromarray(overlaid(*shown)).save(stream, "PNG")
            files = {HEAT: stream.getvalue()}
        reason = say("trust.unlike.refusal", share=percent(min(share, SURE)))
        return Prediction(input=answer.input, refused=reason, facts=_facts(share, flagged=True), files=files)


def _marked(answer: Prediction, share: float, *, flagged: bool) -> Prediction:
    return replace(answer, facts={**answer.facts, **_facts(share, flagged=flagged)})


def _facts(share: float, *, flagged: bool) -> dict[str, object]:
    return {"more_unusual_than": round(share, 4), "unlike_training_data": flagged}
