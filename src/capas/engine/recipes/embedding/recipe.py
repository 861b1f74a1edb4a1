"""The recipe for learning to embed without labels."""

from typing import Annotated, Final, Literal

import torch
from pydantic import Field, TypeAdapter, ValidationError
from torch import nn

from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS, PREPARATION
from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.audio.augment import AudioAugmentation
from capas.data.batch import TwoViews
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.views import ViewAugmentation
from capas.data.inspect.report import DatasetReport
from capas.data.text.word_counts import WordCounter, word_shares
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import TrialBatch
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.embedding.defaults import resolve_defaults
from capas.engine.recipes.embedding.document_reader import DocumentReader
from capas.engine.recipes.embedding.documents import DocumentInputs
from capas.engine.recipes.embedding.encoders import (
    DocumentEncoderSettings,
    ImageEncoderSettings,
    document_encoder,
    embedding_size,
    image_encoder,
    spectrogram_encoder,
)
from capas.engine.recipes.embedding.inputs import (
    AudioEmbeddingInputs,
    EmbeddingInputs,
    ImageEmbeddingInputs,
    frames_of,
)
from capas.engine.recipes.embedding.learn import EmbeddingJob, PlainBatch
from capas.engine.recipes.embedding.objectives import METHODS, Pretext, embedding_objective
from capas.engine.recipes.embedding.predictor import EmbeddingPredictor
from capas.engine.recipes.embedding.readers import AudioEmbeddingReader, EmbeddingReader, ImageEmbeddingReader
from capas.engine.recipes.shared.spectrograms import AudioPreparation, bundled_audio_preparation

Share = Annotated[float, Field(gt=0, le=1)]
_IMAGE: Final[TypeAdapter[ImageEncoderSettings]] = TypeAdapter(ImageEncoderSettings)
_VIEWS: Final[TypeAdapter[ViewAugmentation]] = TypeAdapter(ViewAugmentation)
_DOCUMENTS: Final[TypeAdapter[DocumentEncoderSettings]] = TypeAdapter(DocumentEncoderSettings)
_DOCUMENT_VIEWS: Final[TypeAdapter[dict[Literal["kept"], Share]]] = TypeAdapter(dict[Literal["kept"], Share])
_AUDIO_VIEWS: Final[TypeAdapter[AudioAugmentation]] = TypeAdapter(AudioAugmentation)


class EmbeddingRecipe:
    """The recipe for learning to embed images, sounds or texts (``Recipe``)."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, ranks: Ranks) -> EmbeddingJob:
        return EmbeddingJob(work, _inputs(work), ranks)

    def trial(self, config: Config, report: DatasetReport) -> TrialBatch[object]:
        size = min(int(config.train.batch_size), max(2, report.split.count("train")))
        sound = config.audio
        shape: tuple[int, ...]
        encoder: nn.Module
        if report.detection.spec.medium == "text":
            # As many words as there may be: how many there are is known once all texts are read.
            shape = (int(config.text.vocab_size),)
            encoder = document_encoder(DocumentEncoderSettings.of(config, *shape)).train()
        elif report.detection.spec.medium == "audio":
            assert sound.sample_rate != "auto" and sound.seconds != "auto"
            blank = AudioPreparation(rate=sound.sample_rate, seconds=sound.seconds, num_mels=sound.n_mels)
            shape = (1, blank.num_mels, frames_of(blank))
            encoder = spectrogram_encoder(blank.num_mels, int(config.network.width)).train()
        else:
            shape = (int(config.data.channels), int(config.data.image_size), int(config.data.image_size))
            encoder = image_encoder(ImageEncoderSettings.of(config)).train()
        pretext = Pretext(
            encoder=encoder, feature_dim=embedding_size(encoder, shape), shape=shape,
            medium="audio" if report.detection.spec.medium == "audio" else "image",
            layer_wise=config.network.layer_wise is True,
        )  # fmt: skip
        first, second = (torch.randn(size, *shape, generator=seeded_generator(0, "trial", i)) for i in (1, 2))
        if report.detection.spec.medium == "text":
            first = word_shares(first.abs())
        positions = torch.arange(size)
        batch = (
            TwoViews(first=first, second=second, positions=positions)
            if METHODS[config.method.name].two_views
            else PlainBatch(inputs=first, positions=positions)
        )
        objective = embedding_objective(config.method.name, pretext, config.train.seed)
        return TrialBatch(objective=objective, batch=batch, examples=size)

    def reopen(self, bundle: Bundle) -> EmbeddingPredictor:
        readers = {"audio": _audio_reader, "text": _document_reader}
        reader = readers.get(bundle.card.medium, _image_reader)(bundle)
        return EmbeddingPredictor(reader, bundle.card.spec)


def _inputs(work: PreparedDataset) -> EmbeddingInputs:
    if work.spec.medium == "text":
        return DocumentInputs.prepare(work)
    return AudioEmbeddingInputs.prepare(work) if work.spec.medium == "audio" else ImageEmbeddingInputs.prepare(work)


def _image_reader(bundle: Bundle) -> EmbeddingReader:
    own = {name: value for name, value in bundle.card.network.settings.items() if name != "embedding_dim"}
    preparation = ImagePreprocessing.from_json(bundle.file(PREPARATION), where=str(bundle.folder / PREPARATION))
    try:
        settings = _IMAGE.validate_python(own)
        views = _VIEWS.validate_python(bundle.file(ANSWERS).get("views"))
    except ValidationError as error:
        raise _unfit(bundle, str(error.errors()[0]["msg"])) from error
    if preparation.shape != (settings.in_channels, settings.image_size, settings.image_size):
        raise _unfit(bundle, "×".join(map(str, preparation.shape)))
    network = bundle.fill(image_encoder(settings))
    return ImageEmbeddingReader(network, preparation, views)


def _audio_reader(bundle: Bundle) -> EmbeddingReader:
    preparation = bundled_audio_preparation(bundle)
    try:
        views = _AUDIO_VIEWS.validate_python(bundle.file(ANSWERS).get("views"))
    except ValidationError as error:
        raise _unfit(bundle, str(error.errors()[0]["msg"])) from error
    width = int(bundle.card.network.settings.get("width") or 0)
    return AudioEmbeddingReader(bundle.fill(spectrogram_encoder(preparation.num_mels, width)), preparation, views)


def _document_reader(bundle: Bundle) -> EmbeddingReader:
    own = {name: value for name, value in bundle.card.network.settings.items() if name != "embedding_dim"}
    try:
        settings = _DOCUMENTS.validate_python(own)
        views = _DOCUMENT_VIEWS.validate_python(bundle.file(ANSWERS).get("views"))
        counter = WordCounter.from_json(bundle.file(PREPARATION))
    except ValidationError as error:
        raise _unfit(bundle, str(error.errors()[0]["msg"])) from error
    except ValueError as error:
        raise _unfit(bundle, str(error)) from error
    if settings.words != len(counter.words):
        raise _unfit(bundle, f"{len(counter.words)} ≠ {settings.words}")
    return DocumentReader(bundle.fill(document_encoder(settings)), counter, views["kept"])


def _unfit(bundle: Bundle, received: str) -> CapasError:
    return CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=received)


recipe = EmbeddingRecipe()
