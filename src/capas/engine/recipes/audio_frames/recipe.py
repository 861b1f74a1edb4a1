"""The recipe for audio segmentation: a class for every frame (10 ms), such as speech or none; what is no segment is
"none".

The network is the CRNN of ``networks/document/crnn.py``, whose convolutions halve the frame rate; the frames between
are interpolated. It is trained on windows of ``audio.seconds``, each time at another offset; nothing is shifted against
its labels and no stretch of time is masked, because what is there must be predicted. Inference is on whole recordings,
very long ones in overlapping windows.
"""

from typing import cast

import torch
from pydantic import TypeAdapter, ValidationError

from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS, PREPARATION
from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.audio.segments import NO_CLASS
from capas.data.batch import Batch
from capas.data.inspect.dataset_scan import AudioStatistics
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import TrialBatch
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.audio_frames.data import audio_preparation
from capas.engine.recipes.audio_frames.defaults import resolve_defaults
from capas.engine.recipes.audio_frames.learn import AudioFramesJob
from capas.engine.recipes.audio_frames.network import build_network, new_frame_network
from capas.engine.recipes.audio_frames.predictor import AudioFramesPredictor
from capas.engine.recipes.shared.spectrograms import (
    AudioPreparation,
    Spectrograms,
    spectrograms_of,
)
from capas.objectives.frame_classification import FrameClassification

_PREPARATION_ADAPTER: TypeAdapter[AudioPreparation] = TypeAdapter(AudioPreparation)


class AudioFramesRecipe:
    """The recipe for audio segmentation (``Recipe``)."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, ranks: Ranks) -> AudioFramesJob:
        return AudioFramesJob(work, ranks)

    def trial(self, config: Config, report: DatasetReport) -> TrialBatch[Batch[Spectrograms]]:
        preparation, sounds = audio_preparation(config), report.statistics
        assert isinstance(sounds, AudioStatistics)
        n, learnt_s = max(1, report.split.count("train")), sounds.total_s / max(1, sounds.count)
        pieces = max(1, round(n * max(1.0, learnt_s / preparation.seconds)))
        size = min(int(config.train.batch_size), pieces)
        length = max(1, round(min(preparation.seconds, sounds.median_s) * preparation.rate))
        rng, classes = seeded_generator(0, "trial"), report.detection.spec.classes
        waves = [(torch.randn(length, generator=rng) / 10).numpy() for _ in range(size)]
        given = spectrograms_of(waves, preparation)
        targets = torch.randint(len(classes), (size, given.values.shape[2]), generator=rng)
        batch = Batch(inputs=given, targets=targets, positions=torch.arange(size))
        return TrialBatch(
            objective=FrameClassification(build_network(config, len(classes))), batch=batch, examples=size
        )

    def reopen(self, bundle: Bundle) -> AudioFramesPredictor:
        answers, settings = bundle.file(ANSWERS), bundle.card.network.settings
        try:
            preparation = _PREPARATION_ADAPTER.validate_python(bundle.file(PREPARATION))
            classes = [str(name) for name in cast(list[object], answers["classes"])]
            shortest = int(str(answers["shortest_frames"]))
            width, hidden = (int(str(settings[name])) for name in ("width", "hidden"))
            if not classes or classes[0] != NO_CLASS or settings.get("num_classes") != len(classes):
                raise ValueError(f"classes: {classes}")
        except (ValidationError, ValueError, KeyError, TypeError) as error:
            raise CapasError("bundle_incomplete", where=bundle.folder / ANSWERS, received=str(error)) from error
        network = bundle.fill(new_frame_network(preparation.num_mels, len(classes), width, hidden))
        return AudioFramesPredictor(network, preparation, classes, shortest)


recipe = AudioFramesRecipe()
