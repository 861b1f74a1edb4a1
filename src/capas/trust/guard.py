"""A model that answers only what resembles its training data; anything else is refused, with the reason and where."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from capas.core.figures import percent
from capas.core.messages import say
from capas.engine.predict import Model, load_model
from capas.engine.recipe import Prediction
from capas.engine.recipes.one_answer import OneAnswerModel, Reader
from capas.trust.detector import Detector, load_detector
from capas.trust.pictured import picture_of
from capas.trust.pictures import overlaid

HEAT = ".unlike.png"
SURE = 0.999  # more is not said: the check examples are some hundreds or thousands


def load_guarded(where: str | Path, *, device: str = "cpu", answer_all: bool = False) -> Model:
    """The model of a run or bundle. Where the trust report left a detector beside it, inputs that do not resemble the
    training data are refused, or with ``answer_all`` answered and marked. Raises CapasError."""
    model = load_model(where, device=device)
    detector = load_detector(model.bundle.folder, model.card)
    if detector is not None and isinstance(model.answering, OneAnswerModel):
        model.gate = Guard(detector, model.answering.reader, answer_all=answer_all)
    return model


class Guard:
    """Goes between a model's answers and whoever asked."""

    def __init__(self, detector: Detector, reader: Reader[object], *, answer_all: bool) -> None:
        self.detector = detector
        self.reader = reader
        self.answer_all = answer_all

    def __call__(self, prepared: Sequence[object], answers: Sequence[Prediction]) -> list[Prediction]:
        """``answers`` with how unusual each input is; those that are too unusual refused."""
        combined = self.detector.combined
        assert combined is not None
        scores = self.detector.scores(self.reader, prepared)
        shares, unusual = combined.more_unusual_than(scores).tolist(), combined.unusual(scores).tolist()
        return [
            self._refused(one, answer, share) if flagged else _marked(answer, share, flagged=False)
            for one, answer, share, flagged in zip(prepared, answers, shares, unusual, strict=True)
        ]

    def _refused(self, prepared: object, answer: Prediction, share: float) -> Prediction:
        if self.answer_all:
            return _marked(answer, share, flagged=True)
        picture, heat = picture_of(self.reader, prepared), self.detector.heat(prepared)
        files = {}
        if picture is not None and heat is not None:
            stream = io.BytesIO()
            Image.fromarray(overlaid(picture, heat.numpy())).save(stream, "PNG")
            files = {HEAT: stream.getvalue()}
        reason = say("trust.unlike.refusal", share=percent(min(share, SURE)))
        return Prediction(input=answer.input, refused=reason, facts=_facts(share, flagged=True), files=files)


def _marked(answer: Prediction, share: float, *, flagged: bool) -> Prediction:
    return replace(answer, facts={**answer.facts, **_facts(share, flagged=flagged)})


def _facts(share: float, *, flagged: bool) -> dict[str, object]:
    return {"more_unusual_than": round(share, 4), "unlike_training_data": flagged}
