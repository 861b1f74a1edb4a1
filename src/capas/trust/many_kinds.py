"""The kind of a finished model that gives many answers per example."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from capas.data.inputs import Inputs
from capas.data.pictures import Pictures
from capas.engine.predict import Model
from capas.engine.recipe import Answering
from capas.engine.recipes.frames import FrameModel
from capas.engine.recipes.mask_answers import MaskModel
from capas.engine.recipes.restored import RestorationModel
from capas.engine.recipes.tokens import LabelModel
from capas.engine.recipes.transcription import TranscriptionModel
from capas.engine.recipes.translation import TranslationModel
from capas.engine.record import Record
from capas.trust.many import Answered, Doubt, Kind, Many, ManyAnswers, Sensing
from capas.trust.many_masks import MaskAnswers, MaskSense
from capas.trust.many_sounds import FrameAnswers, FrameSense
from capas.trust.many_transcripts import TranscriptAnswers, TranscriptSense
from capas.trust.many_transforms import TransformAnswers, TransformSense
from capas.trust.many_words import WordAnswers, WordSense


class TranslationAnswers:
    """``ManyAnswers`` of translations: this version asks the model nothing beyond its test."""

    kind: Kind = "translations"
    most: int = 1000
    sense: Sensing | None = None

    def prepared(self, index: int) -> object:
        raise ValueError("translations are not asked again")

    def answered(self, index: int, position: int, rng: torch.Generator) -> Answered | None:
        return None

    def doubted(self, index: int, doubt: Doubt) -> NDArray[np.float32] | None:
        return None


def many_answers(answering: Answering, inputs: Inputs, targets: Inputs | None) -> ManyAnswers | None:
    """What a finished model with its data contributes; None where it gives one answer per example."""
    if isinstance(answering, MaskModel) and isinstance(inputs, Pictures):
        return MaskAnswers(answering, inputs, targets)
    if isinstance(answering, LabelModel):
        return WordAnswers(answering, inputs, targets)
    if isinstance(answering, FrameModel):
        return FrameAnswers(answering, inputs, targets)
    if isinstance(answering, TranscriptionModel):
        return TranscriptAnswers(answering, inputs, targets)
    if isinstance(answering, RestorationModel) and isinstance(inputs, Pictures):
        return TransformAnswers(answering, inputs)
    return TranslationAnswers() if isinstance(answering, TranslationModel) else None


def many_of(
    model: Model, record: Record, inputs: Inputs, targets: Inputs | None, indices: Sequence[int], seed: int
) -> Many | None:
    """The model of a run beside its examples; None where it gives one answer per example."""
    answers = many_answers(model.answering, inputs, targets)
    return None if answers is None else Many(answers, record, indices, seed)


def sense_of(answering: Answering) -> Sensing | None:
    """How inputs look to a model with many answers per example, without any data."""
    if isinstance(answering, MaskModel):
        return MaskSense(answering)
    if isinstance(answering, LabelModel):
        return WordSense(answering)
    if isinstance(answering, FrameModel):
        return FrameSense(answering)
    if isinstance(answering, TranscriptionModel):
        return TranscriptSense(answering)
    return TransformSense(answering) if isinstance(answering, RestorationModel) else None
