"""Speech as sequences: waveforms, made into log-mel spectrograms in batches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from capas.bundle.export import ExportInput
from capas.bundle.export_wrappers import LogMelLayer
from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.data.audio.io import read_audio
from capas.data.audio.mel import frame_counts
from capas.data.collections import AudioFiles, ExampleCollection
from capas.data.inspect.dataset_scan import AudioStatistics
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.defaults import resolve_auto
from capas.engine.recipe import Item, PreparedDataset
from capas.engine.recipes.shared.audio_export import log_mel_layer, waveform_input
from capas.engine.recipes.shared.audio_items import audio_items
from capas.engine.recipes.shared.spectrograms import (
    AudioPreparation,
    audio_augmentation,
    fit_spectrogram_statistics,
    spectrograms_of,
)
from capas.engine.recipes.transcription.input_protocol import PaddedSequences
from capas.networks.document.crnn import STEPS_PER_FRAME, AudioCRNN, CRNNConfig

MAX_SECONDS: Final = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechInputs:
    """Waveforms of speech (``SequenceInputs``). None is cropped: words would be lost.

    Attributes:
        preparation: Spectrogram settings.
        name: Name of the network.
        hidden: LSTM units per direction.
    """

    preparation: AudioPreparation
    name: str = "crnn-sound"
    hidden: int = 96

    @property
    def audio(self) -> AudioPreparation:
        return self.preparation

    def config_updates(self, config: Config, report: DatasetReport) -> dict[str, dict[str, object]]:
        sounds = report.statistics
        if not isinstance(sounds, AudioStatistics):
            raise CapasError("no_sounds_to_learn", where=report.source.root)
        rate = resolve_auto(config.audio.sample_rate, min(16_000, sounds.most_common_sample_rate))
        seconds = resolve_auto(config.audio.seconds, min(MAX_SECONDS, max(0.2, sounds.longest_s)))
        return {"audio": {"sample_rate": rate, "seconds": seconds}}

    def network(self, num_labels: int, width: int, hidden: int) -> nn.Module:
        bands = self.preparation.num_mels
        return AudioCRNN(CRNNConfig(size=bands, num_labels=num_labels, width=width, hidden=hidden))

    def read_all(self, work: PreparedDataset) -> list[Tensor]:
        sounds, waves = work.inputs, []
        with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
            for wave in pool.map(lambda i: self.preprocess_example(sounds, i), work.indices):
                waves.append(wave)
                work.progress(len(waves), len(work.indices))
        return waves

    def fit(self, examples: Sequence[Tensor]) -> "SpeechInputs":
        return replace(
            self, preparation=fit_spectrogram_statistics([example.numpy() for example in examples], self.preparation)
        )

    def preprocess(self, item: Item) -> Tensor:
        content = item.content
        if isinstance(content, np.ndarray) and content.dtype == np.float32 and content.ndim == 1 and content.size:
            return torch.from_numpy(content)
        if not isinstance(content, str | Path):
            raise CapasError("not_a_sound_array", where=item.name, received=type(content).__name__)
        return self._wave(Path(content))

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> Tensor:
        assert isinstance(inputs, AudioFiles)
        return self._wave(inputs.paths[index])

    def _wave(self, path: Path) -> Tensor:
        return torch.from_numpy(read_audio(path, sample_rate=self.preparation.rate).samples)

    def length(self, example: Tensor) -> int:
        return len(example)

    def num_frames(self, lengths: Tensor) -> Tensor:
        return -(-frame_counts(lengths, self.preparation.mel) // STEPS_PER_FRAME)

    def collate(
        self, examples: Sequence[Tensor], config: Config | None = None, rng: torch.Generator | None = None
    ) -> PaddedSequences:
        augmentation = None if config is None else replace(audio_augmentation(config), shift=0.0)
        spectrograms = spectrograms_of([example.numpy() for example in examples], self.preparation, augmentation, rng)
        return PaddedSequences(values=spectrograms.values, lengths=spectrograms.lengths)

    def random_example(self, report: DatasetReport, rng: torch.Generator) -> Tensor:
        assert isinstance(report.statistics, AudioStatistics)
        return torch.randn(max(1, round(report.statistics.median_s * self.preparation.rate)), generator=rng) / 10

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return audio_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return Item(name=str(content) if isinstance(content, str | Path) else f"sound {number}", content=content)

    def export_inputs(self) -> tuple[ExportInput, LogMelLayer | None]:
        return waveform_input(self.preparation, 1), log_mel_layer(self.preparation)

    def as_json(self) -> Mapping[str, object]:
        return asdict(self)
