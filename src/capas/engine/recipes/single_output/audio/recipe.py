"""The recipe for audio problems: waveforms are resampled, cropped, and seen as log-mel spectrograms."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from capas.bundle.read import Bundle
from capas.core.spec import Medium
from capas.data.collections import AudioFiles
from capas.data.inspect.dataset_scan import AudioStatistics
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.shared.initial_weights import initial_bundle
from capas.engine.recipes.shared.spectrograms import (
    AudioPreparation,
    Spectrograms,
    bundled_audio_preparation,
    fit_spectrogram_statistics,
    spectrograms_of,
)
from capas.engine.recipes.single_output.audio.data import PreparedAudioInputs, read_waveforms
from capas.engine.recipes.single_output.audio.defaults import resolve_defaults
from capas.engine.recipes.single_output.audio.network import build_network, new_spectrogram_cnn
from capas.engine.recipes.single_output.audio.predictor import AudioReader
from capas.engine.recipes.single_output.columns_beside.recipe import ColumnsBesidePipeline
from capas.engine.recipes.single_output.heads.base import OutputHead
from capas.engine.recipes.single_output.hub_backbone.recipe import HubBackbonePipeline
from capas.engine.recipes.single_output.recipe import SingleOutputRecipe


class AudioPipeline:
    """What audio contributes to the single-output recipe (``InputPipeline``)."""

    medium: Medium = "audio"

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, answers: OutputHead) -> PreparedAudioInputs:
        assert isinstance(work.inputs, AudioFiles)
        sound = work.config.audio
        assert sound.sample_rate != "auto" and sound.seconds != "auto"
        blank = AudioPreparation(rate=sound.sample_rate, seconds=sound.seconds, num_mels=sound.n_mels)
        waves = read_waveforms(work.inputs, work.indices, blank, work.progress)
        if work.config.network.init_from:
            fitted = bundled_audio_preparation(initial_bundle(work.config.network.init_from, "audio"))
        else:
            fitted = fit_spectrogram_statistics([waves[i] for i in work.record.positions("train").tolist()], blank)
        return PreparedAudioInputs(work.config, work.record.names, waves, fitted)

    def trial_inputs(
        self, config: Config, report: DatasetReport, num_outputs: int, indices: Sequence[int]
    ) -> tuple[nn.Module, Spectrograms]:
        sound = config.audio
        assert sound.sample_rate != "auto" and sound.seconds != "auto"
        preparation = AudioPreparation(rate=sound.sample_rate, seconds=sound.seconds, num_mels=sound.n_mels)
        assert isinstance(report.statistics, AudioStatistics)
        length = round(min(sound.seconds, report.statistics.median_s) * sound.sample_rate)
        rng = np.random.default_rng(0)
        waves = [rng.normal(0, 0.1, max(1, length)).astype(np.float32) for _ in indices]
        return build_network(config, num_outputs), spectrograms_of(waves, preparation)

    def reopen(self, bundle: Bundle, num_outputs: int) -> AudioReader:
        preparation = bundled_audio_preparation(bundle)
        width = bundle.card.network.settings.get("width")
        network = new_spectrogram_cnn(preparation.num_mels, num_outputs, int(width or 0))
        return AudioReader(bundle.fill(network), preparation)


recipe = SingleOutputRecipe(ColumnsBesidePipeline(HubBackbonePipeline(AudioPipeline())))
