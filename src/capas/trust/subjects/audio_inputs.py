"""Audio as the inputs of a model under test, and as differentiable waveforms in 0..1 for gradients and attacks."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.data.audio.io import read_audio_info
from capas.data.audio.mel import frame_counts, log_mel
from capas.data.collections import AudioFiles, ExampleCollection
from capas.engine.recipes.shared.spectrograms import Spectrograms, spectrograms_of
from capas.engine.recipes.single_output.audio.predictor import AudioReader
from capas.trust.explanations.feature_ablation import AblationFeatures, time_segment_features
from capas.trust.ood.input_measures import sound_measures
from capas.trust.ood.waveform_probes import waveform_probes
from capas.trust.subjects.input_adapter import InputAdapter

TIME_SEGMENTS = 8


class AudioInputAdapter(InputAdapter):
    """``InputAdapter`` of audio; prepared inputs are waveforms."""

    def __init__(self, reader: AudioReader) -> None:
        self.reader = self.audio = reader
        self.preparation = reader.preparation

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> Mapping[str, Sequence[object]]:
        return waveform_probes(list(map(waveform_of, prepared)), rng)

    def linear_features(self, prepared: Sequence[object], num_classes: int) -> Float[Tensor, "N D"]:
        """Return the mel bands over eight time segments."""
        pool = torch.nn.functional.adaptive_avg_pool1d
        spectrograms = (spectrograms_of([waveform_of(one)], self.preparation).values for one in prepared)
        return torch.cat([pool(values, TIME_SEGMENTS).flatten(1) for values in spectrograms])

    def content_probes(
        self, prepared: Sequence[object], train: Sequence[object], labels: Sequence[int]
    ) -> Mapping[str, Sequence[object]]:
        """Return each sound with all but one of its eight stretches taken from a training sound, whatever that is
        (from silence without ``train``).

        In silence a stretch is a sound that the model never heard, and it may answer anything.
        """
        waves, rng = list(map(waveform_of, prepared)), np.random.default_rng(0)
        others = [waveform_of(train[int(rng.integers(len(train)))]) if train else np.zeros_like(w) for w in waves]
        return {
            f"stretch_of_{number + 1}": [_stretch(own, other, number) for own, other in zip(waves, others, strict=True)]
            for number in range(TIME_SEGMENTS)
        }

    def file_facts(self, inputs: ExampleCollection, rows: Sequence[int]) -> Mapping[str, Sequence[str]]:
        assert isinstance(inputs, AudioFiles)
        infos = [read_audio_info(inputs.paths[i]) for i in rows]
        return {"rate": [str(info.sample_rate) for info in infos], "format": [info.format for info in infos]}

    def properties(self, prepared: Sequence[object]) -> Mapping[str, Float[Tensor, " N"]]:
        waves = list(map(waveform_of, prepared))
        seconds = torch.tensor([len(wave) / self.preparation.rate for wave in waves])
        return {"seconds": seconds, "loudness": torch.tensor([float(np.sqrt(np.mean(w**2))) for w in waves])}

    def measures(self, measured: Sequence[object], state: Mapping[str, Tensor]) -> Mapping[str, Float[Tensor, " N"]]:
        return sound_measures(list(map(waveform_of, measured)), self.preparation.rate)

    def display_image(self, prepared: object) -> NDArray[np.uint8]:
        return spectrogram_image(spectrograms_of([waveform_of(prepared)], self.preparation).values[0])

    def ablation_features(self, prepared: object) -> AblationFeatures:
        return time_segment_features(waveform_of(prepared), self.preparation.rate)


def _stretch(wave: NDArray[np.float32], other: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """``other``, as long as ``wave``, with one of eight stretches of ``wave``."""
    start, end = (len(wave) * k // TIME_SEGMENTS for k in (number, number + 1))
    kept = np.resize(other, len(wave)).astype(np.float32) if len(other) else np.zeros_like(wave)
    kept[start:end] = wave[start:end]
    return kept


class UnitRangeAudioModel(nn.Module):
    """Maps waveforms (B, N) in 0..1, 0.5 being silence, to raw outputs (B, K); all have the same length."""

    def __init__(self, reader: AudioReader) -> None:
        super().__init__()
        self.network = reader.network
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        self.preparation = reader.preparation

    def forward(self, waves: Float[Tensor, "B N"]) -> Float[Tensor, "B K"]:
        """Return the raw outputs."""
        mel = self.preparation.mel
        values = (log_mel(2 * waves - 1, mel) - self.preparation.mean) / self.preparation.std
        lengths = frame_counts(torch.full((len(waves),), waves.shape[1]), mel)
        outputs: Tensor = self.network(Spectrograms(values=values, lengths=lengths))
        return outputs


def waveform_of(prepared: object) -> NDArray[np.float32]:
    """Return a prepared input of an audio model."""
    assert isinstance(prepared, np.ndarray)
    return prepared


def waveforms_to_unit_range(prepared: Sequence[object]) -> Float[Tensor, "B N"]:
    """Map waveforms in −1..1 to 0..1, padded with silence."""
    waves = list(map(waveform_of, prepared))
    padded = torch.zeros(len(waves), max(len(wave) for wave in waves))
    for i, wave in enumerate(waves):
        padded[i, : len(wave)] = torch.from_numpy(wave).clamp(-1, 1)
    return (padded + 1) / 2


def spectrogram_image(values: Tensor) -> NDArray[np.uint8]:
    """Return a spectrogram (bands, frames) as a grey image, low frequencies at the bottom, loud bright."""
    low, high = (float(torch.quantile(values, q)) for q in (0.05, 0.995))
    shares = ((values.flip(0) - low) / max(1e-6, high - low)).clamp(0, 1)
    grey: NDArray[np.uint8] = (shares * 255).round().to(torch.uint8).numpy()
    return grey
