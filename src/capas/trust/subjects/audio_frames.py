"""Audio models with a class per frame, audited recording by recording."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.data.audio.io import Waveform
from capas.data.audio.segments import SegmentCollection
from capas.data.collections import AudioFiles, ExampleCollection
from capas.decoding.label_runs import label_runs
from capas.engine.execution import Execution
from capas.engine.recipe import Item
from capas.engine.recipes.audio_frames.data import frame_targets
from capas.engine.recipes.audio_frames.predictor import AudioFramesPredictor
from capas.engine.recipes.audio_frames.windows import frame_probabilities, hop_seconds
from capas.engine.recipes.shared.spectrograms import spectrograms_of
from capas.engine.recipes.single_output.feature_hooks import LastLinearHook
from capas.trust.ood.waveform_probes import waveform_probes
from capas.trust.subjects.audio_inputs import spectrogram_image, waveform_of
from capas.trust.subjects.structured import (
    CalibrationSamples,
    ExampleEvaluation,
    LabelIssue,
    OODFeatureExtractor,
    OODFeatures,
    StructuredAdapter,
)

CPU_FLOAT32 = Execution(device="cpu", precision="float32", memory_format="contiguous", threads=1, reason="")


class AudioFrameFeatureExtractor(OODFeatureExtractor):
    """``OODFeatureExtractor`` of audio models with a class per frame."""

    def __init__(self, model: AudioFramesPredictor) -> None:
        self.model = model

    @torch.no_grad()
    def ood_features(self, prepared: object) -> OODFeatures:
        """Return as ``features`` the mean over the frames of the LSTM's outputs."""
        with LastLinearHook(self.model.network) as last:
            self.model.network(spectrograms_of([waveform_of(prepared)], self.model.preparation))
            return OODFeatures(features=last.features(), views=None)

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> Mapping[str, Sequence[object]]:
        return waveform_probes(list(map(waveform_of, prepared)), rng)

    def display_image(self, prepared: object) -> NDArray[np.uint8]:
        return spectrogram_image(spectrograms_of([waveform_of(prepared)], self.model.preparation).values[0])


class AudioFrameAdapter(StructuredAdapter):
    """``StructuredAdapter`` of frame classes."""

    kind = "frames"
    max_examples = 100
    statements = "trust.many.statements_frames"
    no_attacks = "trust.many.no_attack_sounds"
    no_explanations = "trust.many.no_zones_frames"
    feature_extractor: AudioFrameFeatureExtractor

    def __init__(
        self, model: AudioFramesPredictor, sounds: ExampleCollection, segments: ExampleCollection | None
    ) -> None:
        assert isinstance(sounds, AudioFiles) and isinstance(segments, SegmentCollection)
        self.model = model
        self.feature_extractor = AudioFrameFeatureExtractor(model)
        self.sounds = sounds
        self.segments = segments

    def prepared(self, index: int) -> Waveform:
        return self.model.preprocess(Item(name=self.sounds.name(index), content=self.sounds.paths[index]))

    def _probabilities(self, wave: Tensor) -> Tensor:
        return frame_probabilities(self.model.network, [wave], self.model.preparation, CPU_FLOAT32)[0]

    def evaluate_example(self, index: int, position: int, rng: torch.Generator) -> ExampleEvaluation:
        wave = torch.from_numpy(self.prepared(index))
        p, names, hop = self._probabilities(wave), self.model.classes, hop_seconds(self.model.preparation)
        targets = frame_targets(self.segments, index, wave, names, self.model.preparation)
        stated, predicted = p.max(1)
        doubts = []
        for run in label_runs(targets.tolist()):
            inside = p[run.start : run.end].mean(0)
            doubts.append(LabelIssue(position=position, location=f"{run.start * hop:.2f}–{run.end * hop:.2f} s",
                                given_label=names[run.label], predicted_label=names[int(inside.argmax())],
                                given_label_probability=float(inside[run.label])))  # fmt: skip
        return ExampleEvaluation(
            calibration_samples=CalibrationSamples(confidence=stated, correct=predicted == targets),
            label_issues=tuple(doubts),
        )
