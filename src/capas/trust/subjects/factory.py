"""Chooses the adapter and the feature extractor of a model with structured output."""

from collections.abc import Sequence

from capas.data.collections import ExampleCollection
from capas.data.image.io import ImageCollection
from capas.engine.dataset_record import DatasetRecord
from capas.engine.predict import Model
from capas.engine.recipe import Predictor
from capas.engine.recipes.audio_frames.predictor import AudioFramesPredictor
from capas.engine.recipes.restoration.predictor import RestorationPredictor
from capas.engine.recipes.segmentation.predictor import SegmentationPredictor
from capas.engine.recipes.token_classification.predictor import TokenClassificationPredictor
from capas.engine.recipes.transcription.predictor import TranscriptionPredictor
from capas.engine.recipes.translation.predictor import TranslationPredictor
from capas.trust.subjects.audio_frames import AudioFrameAdapter, AudioFrameFeatureExtractor
from capas.trust.subjects.restoration import RestorationAdapter, RestorationFeatureExtractor
from capas.trust.subjects.segmentation import SegmentationAdapter, SegmentationFeatureExtractor
from capas.trust.subjects.structured import (
    OODFeatureExtractor,
    StructuredAdapter,
    StructuredModelUnderTest,
)
from capas.trust.subjects.token_labels import TokenLabelAdapter, TokenLabelFeatureExtractor
from capas.trust.subjects.transcription import TranscriptionAdapter, TranscriptionFeatureExtractor
from capas.trust.subjects.translation import TranslationAdapter


def structured_adapter(
    predictor: Predictor, inputs: ExampleCollection, targets: ExampleCollection | None
) -> StructuredAdapter | None:
    """Return the adapter of a predictor and its data; None where it has one output per example."""
    if isinstance(predictor, SegmentationPredictor) and isinstance(inputs, ImageCollection):
        return SegmentationAdapter(predictor, inputs, targets)
    if isinstance(predictor, TokenClassificationPredictor):
        return TokenLabelAdapter(predictor, inputs, targets)
    if isinstance(predictor, AudioFramesPredictor):
        return AudioFrameAdapter(predictor, inputs, targets)
    if isinstance(predictor, TranscriptionPredictor):
        return TranscriptionAdapter(predictor, inputs, targets)
    if isinstance(predictor, RestorationPredictor) and isinstance(inputs, ImageCollection):
        return RestorationAdapter(predictor, inputs)
    return TranslationAdapter() if isinstance(predictor, TranslationPredictor) else None


def structured_model_under_test(
    model: Model,
    record: DatasetRecord,
    inputs: ExampleCollection,
    targets: ExampleCollection | None,
    indices: Sequence[int],
    seed: int,
) -> StructuredModelUnderTest | None:
    """Return the model of a run with its examples; None where it has one output per example."""
    adapter = structured_adapter(model.predictor, inputs, targets)
    return None if adapter is None else StructuredModelUnderTest(adapter, record, indices, seed)


def ood_feature_extractor(predictor: Predictor) -> OODFeatureExtractor | None:
    """Return the feature extractor of a predictor with structured output; None for other predictors.

    It needs no data.
    """
    if isinstance(predictor, SegmentationPredictor):
        return SegmentationFeatureExtractor(predictor)
    if isinstance(predictor, TokenClassificationPredictor):
        return TokenLabelFeatureExtractor(predictor)
    if isinstance(predictor, AudioFramesPredictor):
        return AudioFrameFeatureExtractor(predictor)
    if isinstance(predictor, TranscriptionPredictor):
        return TranscriptionFeatureExtractor(predictor)
    return RestorationFeatureExtractor(predictor) if isinstance(predictor, RestorationPredictor) else None
