"""Transcription models (handwriting and speech), audited line by line.

The confidence of a line is the probability of its whole text, as ``predict`` gives it, and it is correct if every
character is. The probability of the given text is that of CTC, per character (its geometric mean).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from capas.data.collections import ExampleCollection
from capas.decoding.ctc import min_ctc_frames
from capas.engine.recipes.shared.spectrograms import spectrograms_of
from capas.engine.recipes.single_output.feature_hooks import LastLinearHook
from capas.engine.recipes.transcription.data import normalised_transcripts
from capas.engine.recipes.transcription.network import forward_sequences
from capas.engine.recipes.transcription.predictor import PreparedSequence, TranscriptionPredictor
from capas.trust.ood.image_probes import IMAGE_PROBES, TILES
from capas.trust.ood.waveform_probes import waveform_probes
from capas.trust.subjects.audio_frames import CPU_FLOAT32
from capas.trust.subjects.audio_inputs import spectrogram_image
from capas.trust.subjects.image_inputs import images_to_uint8
from capas.trust.subjects.structured import (
    CalibrationSamples,
    ExampleEvaluation,
    LabelIssue,
    OODFeatureExtractor,
    OODFeatures,
    StructuredAdapter,
)

MAX_WINDOWS: Final = 8
SQUARENESS: Final = 2  # a window is so many times as wide as it is high


class TranscriptionFeatureExtractor(OODFeatureExtractor):
    """``OODFeatureExtractor`` of line images and speech."""

    def __init__(self, model: TranscriptionPredictor) -> None:
        self.model = model

    def logits(self, example: Tensor) -> Float[Tensor, "T K"]:
        """Return the logits of every frame of a line or recording."""
        return forward_sequences(self.model.network, self.model.inputs.collate([example]), CPU_FLOAT32)[0]

    @torch.no_grad()
    def ood_features(self, prepared: object) -> OODFeatures:
        """Return as ``features`` the mean over the frames of the LSTM's outputs; ``views`` are windows of a line."""
        example = _values(prepared)
        with LastLinearHook(self.model.network) as last:
            self.logits(example)
            views = line_windows(example) if self.model.inputs.audio is None else None
            return OODFeatures(features=last.features(), views=views, is_whole_image=False)

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> Mapping[str, Sequence[object]]:
        examples = [_values(one) for one in prepared]
        if self.model.inputs.audio is not None:
            waves = waveform_probes([example.numpy() for example in examples], rng)
            return {
                name: [PreparedSequence(values=torch.from_numpy(wave)) for wave in held] for name, held in waves.items()
            }
        return {
            name: [
                PreparedSequence(values=images_to_uint8(probe(line[None, None].float() / 255, rng))[0][0])
                for line in examples
                if min(line.shape) >= TILES
            ]
            for name, probe in IMAGE_PROBES.items()
        }

    def display_image(self, prepared: object) -> NDArray[np.uint8]:
        example, audio = _values(prepared), self.model.inputs.audio
        if audio is not None:
            return spectrogram_image(spectrograms_of([example.numpy()], audio).values[0])
        shown: NDArray[np.uint8] = 255 - example.numpy()
        return shown


class TranscriptionAdapter(StructuredAdapter):
    """``StructuredAdapter`` of transcripts."""

    kind = "transcripts"
    max_examples = 400
    statements = "trust.many.statements_transcripts"
    no_attacks = "trust.many.no_attack_transcripts"
    no_explanations = "trust.many.no_zones_transcripts"
    feature_extractor: TranscriptionFeatureExtractor

    def __init__(
        self, model: TranscriptionPredictor, inputs: ExampleCollection, texts: ExampleCollection | None
    ) -> None:
        self.model = model
        self.feature_extractor = TranscriptionFeatureExtractor(model)
        self.inputs = inputs
        self.texts = normalised_transcripts(texts, model.rules)

    def prepared(self, index: int) -> PreparedSequence:
        return PreparedSequence(values=self.model.inputs.preprocess_example(self.inputs, index))

    def evaluate_example(self, index: int, position: int, rng: torch.Generator) -> ExampleEvaluation:
        logits = self.feature_extractor.logits(self.model.inputs.preprocess_example(self.inputs, index))
        found, given = self.model.decoder.decode(logits), self.texts[index]
        statements = CalibrationSamples(
            confidence=torch.tensor([found.probability]), correct=torch.tensor([found.text == given])
        )
        doubt = LabelIssue(position=position, location="", given_label=given, predicted_label=found.text,
                      given_label_probability=self._believed(logits, given))  # fmt: skip
        return ExampleEvaluation(calibration_samples=statements, label_issues=(doubt,))

    def _believed(self, logits: Tensor, text: str) -> float:
        labels = self.model.alphabet.encode(text)
        if not len(labels) or min_ctc_frames(labels) > len(logits):
            return 0.0
        loss = functional.ctc_loss(
            logits.log_softmax(1)[:, None], torch.as_tensor(labels)[None], torch.tensor([len(logits)]),
            torch.tensor([len(labels)]), reduction="sum",
        )  # fmt: skip
        return math.exp(-float(loss) / len(labels))


def _values(prepared: object) -> Tensor:
    assert isinstance(prepared, PreparedSequence)
    return prepared.values


def line_windows(line: UInt8[Tensor, "H W"]) -> Float[Tensor, "V 1 H w"]:
    """Return at most eight windows, twice as wide as high, evenly over a line, padded with background; in 0..1."""
    height, width = line.shape
    wide = SQUARENESS * height
    count = min(MAX_WINDOWS, max(1, round(width / wide)))
    whole = functional.pad(line.float() / 255, (0, max(0, wide - width)))
    starts = torch.linspace(0, whole.shape[1] - wide, count).round().long().tolist()
    return torch.stack([whole[None, :, start : start + wide] for start in starts])
