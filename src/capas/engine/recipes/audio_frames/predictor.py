"""Inference and evaluation of audio segmentation models."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.bundle.export_wrappers import ProbabilityOutput, WaveformInput
from capas.data.audio.io import Waveform, read_audio
from capas.data.audio.segments import SegmentCollection
from capas.data.collections import AudioFiles
from capas.data.inspect.report import DatasetReport
from capas.decoding.label_runs import smoothed_best_path
from capas.engine.execution import Execution
from capas.engine.recipe import Item, Prediction, TestResult
from capas.engine.recipes.audio_frames.data import frame_targets
from capas.engine.recipes.audio_frames.evaluate import evaluate_frames
from capas.engine.recipes.audio_frames.items import read_recording_item
from capas.engine.recipes.audio_frames.network import FrameUpsampler, UnpaddedFrameUpsampler
from capas.engine.recipes.audio_frames.rendering import (
    segments_prediction,
    timed_segments,
)
from capas.engine.recipes.audio_frames.windows import (
    frame_probabilities,
    hop_seconds,
)
from capas.engine.recipes.shared.audio_export import log_mel_layer, random_waveforms, waveform_input
from capas.engine.recipes.shared.audio_items import audio_items
from capas.engine.recipes.shared.spectrograms import (
    AudioPreparation,
)


class AudioFramesPredictor:
    """A trained audio segmentation model (``Predictor``).

    Args:
        network: A ``FrameUpsampler``.
        preparation: Spectrogram settings.
        classes: Class names, "none" first.
        min_duration: Least length of a segment in frames.
    """

    def __init__(
        self, network: nn.Module, preparation: AudioPreparation, classes: Sequence[str], min_duration: int
    ) -> None:
        self.network = network
        self.preparation = preparation
        self.classes = tuple(classes)
        self.min_duration = min_duration

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return audio_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return Item(name=str(content) if isinstance(content, str | Path) else f"sound {number}", content=content)

    def preprocess(self, item: Item) -> Waveform:
        return read_recording_item(item, self.preparation.rate)

    def predict(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        waves = [torch.from_numpy(samples) for samples in cast(Sequence[Waveform], prepared)]
        answers = []
        for name, wave, own in zip(names, waves, self._probabilities(waves), strict=True):
            seconds = len(wave) / self.preparation.rate
            found = timed_segments(own, self.classes, self.min_duration, hop_seconds(self.preparation), seconds)
            answers.append(segments_prediction(name, found, seconds))
        return answers

    def _probabilities(self, waves: Sequence[Tensor]) -> list[Tensor]:
        device = next(self.network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        return frame_probabilities(self.network, waves, self.preparation, execution)

    def evaluate(self, report: DatasetReport, indices: Sequence[int]) -> TestResult:
        sounds, segments = report.inputs, report.source.targets
        assert isinstance(sounds, AudioFiles) and isinstance(segments, SegmentCollection)
        truth, paths = list[Tensor](), list[list[int]]()
        for i in indices:
            wave = torch.from_numpy(read_audio(sounds.paths[i], sample_rate=self.preparation.rate).samples)
            truth.append(frame_targets(segments, i, wave, self.classes, self.preparation))
            paths.append(smoothed_best_path(self._probabilities([wave])[0], self.min_duration))
        return evaluate_frames(
            [sounds.name(i) for i in indices], truth, paths, self.classes, hop_seconds(self.preparation), {}
        )

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        assert isinstance(self.network, FrameUpsampler)
        waves = [(torch.from_numpy(wave)[None],) for wave in cast(Sequence[Waveform], prepared)]
        description = (
            f"of every frame of {hop_seconds(self.preparation):g} s; what lasts fewer than shortest_frames is left out"
        )
        return Exportable(
            network=ProbabilityOutput(
                WaveformInput(UnpaddedFrameUpsampler(self.network.reader), log_mel_layer(self.preparation)), dim=2
            ),
            inputs=[waveform_input(self.preparation, 1)], output="probabilities", axes=(1, "frames", len(self.classes)),
            compared=waves or [(random_waveforms(self.preparation, 1),)], count=max(1, len(waves)),
            facts={"classes": list(self.classes), "probabilities": description, "shortest_frames": self.min_duration,
                   "preparation": asdict(self.preparation)},
        )  # fmt: skip
