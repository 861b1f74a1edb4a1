"""The recipe for verification: is this the same identity?"""

from typing import Final, cast

import torch
from pydantic import TypeAdapter, ValidationError

from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS, PREPARATION
from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.audio.augment import AudioAugmentation
from capas.data.batch import Batch
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.views import ViewAugmentation
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import TrialBatch
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.embedding.encoders import ImageEncoderSettings, image_encoder, spectrogram_encoder
from capas.engine.recipes.embedding.inputs import frames_of
from capas.engine.recipes.embedding.readers import AudioEmbeddingReader, EmbeddingReader, ImageEmbeddingReader
from capas.engine.recipes.shared.spectrograms import AudioPreparation, bundled_audio_preparation
from capas.engine.recipes.verification.answers import VerificationAnswers
from capas.engine.recipes.verification.defaults import resolve_defaults
from capas.engine.recipes.verification.inputs import prepare_inputs
from capas.engine.recipes.verification.learn import VerificationJob, examples_per_identity
from capas.engine.recipes.verification.methods import verification_objective
from capas.engine.recipes.verification.network import verification_network
from capas.engine.recipes.verification.predictor import VerificationPredictor
from capas.objectives.base import Objective

_IMAGE: Final[TypeAdapter[ImageEncoderSettings]] = TypeAdapter(ImageEncoderSettings)


class VerificationRecipe:
    """The recipe for telling the same identity from different ones, of images or sounds (``Recipe``)."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, ranks: Ranks) -> VerificationJob:
        return VerificationJob(work, prepare_inputs(work), ranks)

    def trial(self, config: Config, report: DatasetReport) -> TrialBatch[object]:
        size, sound = int(config.train.batch_size), config.audio
        if report.detection.spec.medium == "audio":
            assert sound.sample_rate != "auto" and sound.seconds != "auto"
            blank = AudioPreparation(rate=sound.sample_rate, seconds=sound.seconds, num_mels=sound.n_mels)
            shape = (1, blank.num_mels, frames_of(blank))
            network = verification_network(spectrogram_encoder(blank.num_mels, int(config.network.width)), shape)
        else:
            shape = (int(config.data.channels), int(config.data.image_size), int(config.data.image_size))
            network = verification_network(image_encoder(ImageEncoderSettings.of(config)), shape)
        network.train()
        inputs = torch.randn(size, *shape, generator=seeded_generator(0, "trial"))
        targets = torch.arange(size) // examples_per_identity(size)
        objective = verification_objective(
            config.method.name, network.encoder, network.embedder, num_identities=size, seed=config.train.seed
        )
        batch = Batch(inputs=inputs, targets=targets, positions=torch.arange(size))
        return TrialBatch(objective=cast(Objective[object], objective), batch=batch, examples=size)

    def reopen(self, bundle: Bundle) -> VerificationPredictor:
        try:
            answers = VerificationAnswers.from_json(bundle.file(ANSWERS))
        except ValidationError as error:
            raise CapasError(
                "bundle_incomplete", where=bundle.folder / ANSWERS, received=str(error.errors()[0]["msg"])
            ) from error
        reader = _audio_reader(bundle) if bundle.card.medium == "audio" else _image_reader(bundle)
        return VerificationPredictor(reader, bundle.card.spec, answers)


def _image_reader(bundle: Bundle) -> EmbeddingReader:
    own = {name: value for name, value in bundle.card.network.settings.items() if name != "embedding_dim"}
    preparation = ImagePreprocessing.from_json(bundle.file(PREPARATION), where=str(bundle.folder / PREPARATION))
    try:
        settings = _IMAGE.validate_python(own)
    except ValidationError as error:
        raise _unfit(bundle, str(error.errors()[0]["msg"])) from error
    if preparation.shape != (settings.in_channels, settings.image_size, settings.image_size):
        raise _unfit(bundle, "×".join(map(str, preparation.shape)))
    network = bundle.fill(verification_network(image_encoder(settings), preparation.shape))
    return ImageEmbeddingReader(network, preparation, ViewAugmentation())


def _audio_reader(bundle: Bundle) -> EmbeddingReader:
    preparation = bundled_audio_preparation(bundle)
    width = int(bundle.card.network.settings.get("width") or 0)
    shape = (1, preparation.num_mels, frames_of(preparation))
    network = bundle.fill(verification_network(spectrogram_encoder(preparation.num_mels, width), shape))
    return AudioEmbeddingReader(network, preparation, AudioAugmentation())


def _unfit(bundle: Bundle, received: str) -> CapasError:
    return CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=received)


recipe = VerificationRecipe()
